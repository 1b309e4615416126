"""A withdrawn consent takes what rested on it alone; the rest stays on its other basis, without that purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.records import load_records
from schemas.tags import tag_set
from schemas.vocabulary import ToldBy
from sinks.clickhouse.migrate import migrate
from sinks.ports.lineage import Found, Holding
from streams.answers.consent import Consent
from streams.answers.keeping import NOTHING_KEPT
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState, State
from tests.support.company import model
from tests.support.index import Index, memory_index, running, sql_index
from tests.support.office import NOW, Office
from tests.support.receipts import answer
from tests.unit.rights.test_short import COOKIE, LAST_WEEK, LOGIN, USERNAME, visit

RECORDS = load_records()
VISIT = RECORDS["WebVisit"]


def annotated(basis: dict[str, str]) -> dict[str, object]:
    """The schemas, page views for these purposes on these bases."""
    said = VISIT.annotation.model_copy(update={"purposes": tuple(basis), "legal_basis": basis})
    return {**RECORDS, "WebVisit": replace(VISIT, annotation=said)}


@pytest.fixture(params=["memory", "chdb"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield memory_index()
            return
        database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
        migrate(database, NOW)
        yield sql_index(database)


def withdrawn(office: Office, *purposes: str) -> RequestState:
    made = office.service.create(
        "withdrawal", [COOKIE], reason=None, channel="web", received_at=office.now, scope=Scope(purposes)
    )
    office.deliver()
    return office.service.get(made.request_id)


def world(tmp_path: Path, index: Index, stack: ExitStack, basis: dict[str, str]) -> Office:
    office = Office(tmp_path, index, stack, records=annotated(basis))  # type: ignore[arg-type]
    office.put("web.visits", visit(1), visit(2))
    office.put("web.logins", LOGIN)
    return office


def test_what_rested_on_the_consent_alone_goes_and_nothing_else(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, {"P-ANALYTICS": "a"})
        done = withdrawn(office, "P-ANALYTICS")
        assert (done.state, office.stored("web", COOKIE)) == (State.COMPLETED, 1)
        assert {item.tags.record for item in office.found(COOKIE).holdings} == {"Login"}
        assert [(c["system"], c["fields"][0].partition(".")[0]) for c in office.commands] == [
            ("web", "WebVisit")
        ]


def test_what_another_basis_carries_stays_without_the_purpose(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, {"P-ANALYTICS": "a", "P-SECURITY": "f"})
        office.jobs_answer = True
        before = office.events(*COOKIE)
        done = withdrawn(office, "P-ANALYTICS")
        assert (done.state, office.commands, office.events(*COOKIE)) == (State.COMPLETED, [], before)
        stays = [part for part in done.held if part["record"] == "WebVisit"]
        assert {(part["action"], part["citation"], tuple(part["purposes"])) for part in stays} == {
            ("stays", "GDPR Art. 6(1) (f)", ("P-SECURITY",))
        }
        assert "data stay for P-SECURITY" in " ".join(done.problems)
        purposes = {name for item in office.found(COOKIE).holdings for name in item.tags.purposes}
        assert "P-ANALYTICS" not in purposes
        assert "P-SECURITY" in purposes
        # Nothing that stays is a late finding, and a second withdrawal finds nothing more.
        office.now = NOW.replace(month=12)
        assert office.service.recheck(office.now) == []
        assert withdrawn(office, "P-ANALYTICS").held == ()


CARRIED = {"P-ANALYTICS": "a", "P-SECURITY": "f"}


def purposes_of(office: Office) -> set[str]:
    """What the index says that the person's page views are used for."""
    holdings = [item for item in office.found(COOKIE).holdings if item.tags.record == "WebVisit"]
    return {name for item in holdings for name in item.tags.purposes}


def test_a_system_where_data_stay_is_told_and_the_index_drops_the_purpose_after_its_answer(
    tmp_path: Path, index: Index
) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, CARRIED)
        request = withdrawn(office, "P-ANALYTICS")
        assert (request.state, request.waiting_for) == (State.COMMANDED, ("web",))
        (command,) = office.others
        assert (command["kind"], command["topic"], command["ground"]) == (
            "restrict",
            "restriction.web",
            "GDPR Art. 7(3)",
        )
        assert (command["purposes"], command["expected"]) == (
            ["P-ANALYTICS"],
            [{"record": "WebVisit", "count": 2}],
        )
        assert "P-ANALYTICS" in purposes_of(office)
        office.service.resume()
        assert "P-ANALYTICS" in purposes_of(office)
        short = answer(office, command, records=[{"record": "WebVisit", "count": 1}])
        assert (short.state, "P-ANALYTICS" in purposes_of(office)) == (State.ATTENTION, True)
        office.jobs_answer = True
        office.service.resend(request.request_id)
        office.deliver()
        done = office.service.get(request.request_id)
        assert (done.state, purposes_of(office)) == (State.COMPLETED, {"P-SECURITY"})
        assert [*office.stores["web"].usable("WebVisit", "P-ANALYTICS")] == []
        assert len([*office.stores["web"].usable("WebVisit", "P-SECURITY")]) == 2


def test_one_system_both_erases_and_restricts_and_each_is_answered_apart(
    tmp_path: Path, index: Index
) -> None:
    """Logins rest on the consent alone; page views stay for security."""
    with ExitStack() as stack:
        login = RECORDS["Login"]
        said = login.annotation.model_copy(
            update={"purposes": ("P-ANALYTICS",), "legal_basis": {"P-ANALYTICS": "a"}}
        )
        records = {**annotated(CARRIED), "Login": replace(login, annotation=said)}
        office = Office(tmp_path, index, stack, records=records)  # type: ignore[arg-type]
        office.put("web.visits", visit(1))
        office.put("web.logins", LOGIN)
        request = withdrawn(office, "P-ANALYTICS")
        assert sorted(request.commands) == [
            f"{request.request_id}/web",
            f"{request.request_id}/web/restrict",
        ]
        # Who has erased has not restricted yet.
        assert (request.commands[f"{request.request_id}/web"].settled, request.settled) == (True, False)
        done = answer(office, office.others[0])
        assert done.state is State.COMPLETED
        used = [item for item in office.found(COOKIE).holdings if not item.tags.held_only]
        assert {item.tags.record for item in used} == {"WebVisit"}
        assert purposes_of(office) == {"P-SECURITY"}


def test_a_system_without_a_job_for_it_waits_for_its_people(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, CARRIED)
        web = office.catalogue.systems["web"].model_copy(update={"restriction": "by_hand"})
        office.catalogue = replace(office.catalogue, systems={**office.catalogue.systems, "web": web})
        office.serve(NOTHING_KEPT)
        request = withdrawn(office, "P-ANALYTICS")
        assert (request.state, office.others) == (State.ATTENTION, [])
        assert "restricted by hand" in " ".join(request.problems)
        assert "P-ANALYTICS" in purposes_of(office)
        office.service.accept(request.request_id, "web", "their list of addresses was cut")
        office.deliver()
        assert office.service.get(request.request_id).state is State.COMPLETED
        assert purposes_of(office) == {"P-SECURITY"}


def test_a_request_that_is_closed_before_the_answer_keeps_the_purpose_in_the_index(
    tmp_path: Path, index: Index
) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, CARRIED)
        request = withdrawn(office, "P-ANALYTICS")
        assert office.service.close(request.request_id, "the system is gone").state is State.CLOSED
        assert "P-ANALYTICS" in purposes_of(office)


def test_what_comes_before_the_answer_is_told_where_nobody_was_told_yet(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        customer = RECORDS["CustomerDetails"]
        said = customer.annotation.model_copy(update={"purposes": tuple(CARRIED), "legal_basis": CARRIED})
        records = {**annotated(CARRIED), "CustomerDetails": replace(customer, annotation=said)}
        office = Office(tmp_path, index, stack, records=records)  # type: ignore[arg-type]
        office.put("web.visits", visit(1))
        number = ("customer_number", "k-100200")
        made = office.service.create(
            "withdrawal", [COOKIE, number], reason=None, channel="web", received_at=office.now
        )
        office.deliver()
        office.put("crm.customers", {"customer_number": number[1], "name": "Kari", "updated_at": LAST_WEEK})
        answer(office, office.others[0])
        assert [item["system"] for item in office.others] == ["web", "crm"]
        assert office.service.get(made.request_id).state is not State.COMPLETED
        assert answer(office, office.others[1]).state is State.COMPLETED
        assert purposes_of(office) == {"P-SECURITY"}


def test_a_person_who_consents_again_has_the_restriction_lifted_and_nothing_is_forgotten(
    tmp_path: Path, index: Index
) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, CARRIED)
        office.jobs_answer = True
        request = withdrawn(office, "P-ANALYTICS")
        office.put("web.visits", visit(5))
        held, before = request.held, office.events(*COOKIE)
        office.service.lift(request.request_id, ToldBy.EMAIL, "consented anew")
        office.deliver()
        done = office.service.get(request.request_id)
        assert (done.state, done.restricts, done.held) == (State.COMPLETED, False, held)
        assert len([*office.stores["web"].usable("WebVisit", "P-ANALYTICS")]) == 3
        assert (office.events(*COOKIE), purposes_of(office)) == (before, {"P-SECURITY", "P-ANALYTICS"})


def test_what_is_under_way_is_neither_lifted_nor_cancelled_once_a_system_was_told(
    tmp_path: Path, index: Index
) -> None:
    """The system may have restricted and erased by then: closed, it is lifted, and is completed by none of it."""
    with ExitStack() as stack:
        login = RECORDS["Login"]
        said = login.annotation.model_copy(
            update={"purposes": ("P-ANALYTICS",), "legal_basis": {"P-ANALYTICS": "a"}}
        )
        records = {**annotated(CARRIED), "Login": replace(login, annotation=said)}
        office = Office(tmp_path, index, stack, records=records)  # type: ignore[arg-type]
        office.put("web.visits", visit(1))
        office.put("web.logins", LOGIN)
        office.deaf.add("web")
        request = withdrawn(office, "P-ANALYTICS")
        with pytest.raises(InputError, match="still erases"):
            office.service.lift(request.request_id, ToldBy.EMAIL, "consented anew")
        with pytest.raises(InputError, match="requests close"):
            office.service.cancel(request.request_id, None)
        office.service.close(request.request_id, "the system is gone")
        office.service.lift(request.request_id, ToldBy.EMAIL, "consented anew")
        office.deliver()
        assert [item["kind"] for item in office.others] == ["restrict", "lift"]
        done = answer(office, office.others[1], state="not_found", records=[])
        assert (done.state, done.restricts) == (State.CLOSED, False)
        assert "P-ANALYTICS" in purposes_of(office)


def test_other_consents_and_other_purposes_are_untouched(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, {"P-ANALYTICS": "a"})
        before = office.events(*COOKIE)
        done = withdrawn(office, "P-MARKETING")
        assert (done.state, office.commands, office.events(*COOKIE)) == (State.COMPLETED, [], before)
        # All consents, where none is named.
        withdrawn(office)
        assert {item.tags.record for item in office.found(COOKIE).holdings} == {"Login"}


def test_the_whole_person_can_be_erased_afterwards_and_one_waits_for_the_other(
    tmp_path: Path, index: Index
) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, {"P-ANALYTICS": "a"})
        office.deaf.add("web")
        first = withdrawn(office, "P-ANALYTICS")
        second = office.erase(COOKIE, USERNAME)
        assert second.behind == (first.request_id,)
        office.deaf.clear()
        office.service.resend(first.request_id)
        office.deliver()
        office.service.resume()
        office.deliver()
        assert office.service.get(first.request_id).state is State.COMPLETED
        assert office.service.get(second.request_id).state is State.COMPLETED
        assert {
            item.tags.record for item in office.found(COOKIE).holdings if not item.tags.held_only
        } == set()


def test_a_record_of_which_some_events_have_another_purpose_stays() -> None:
    """A command reaches fields, not events: what another event needs is not taken from it."""
    alone = tag_set(VISIT, "web.visits", "owner", catalogue_version="1", key_id="k")
    alone = replace(alone, purposes=("P-ANALYTICS",), legal_basis={"P-ANALYTICS": "a"})
    other = replace(alone, purposes=("P-SECURITY",), legal_basis={"P-SECURITY": "f"})
    consent = Consent(frozenset(), model().catalogue)
    mine = Holding(alone, 2, LAST_WEEK, LAST_WEEK)
    everything = Found((mine, Holding(other, 1, LAST_WEEK, LAST_WEEK)), 3)
    going, staying = consent.split(Found((mine,), 2), everything)
    assert (going.holdings, staying) == ([], [mine])
    going, staying = consent.split(Found((mine,), 2), Found((mine,), 2))
    assert (going.holdings, staying) == ([mine], [])


def test_a_basis_on_which_nothing_is_withdrawn_is_not_reached() -> None:
    consent = Consent(frozenset({"P-WEB"}), model().catalogue)
    tags = tag_set(VISIT, "web.visits", "owner", catalogue_version="1", key_id="k")
    assert tags.legal_basis["P-WEB"] == "f"
    assert consent.withdrawn(tags) == frozenset()


def test_a_purpose_that_the_catalogue_lacks_is_refused(tmp_path: Path, index: Index) -> None:
    with ExitStack() as stack:
        office = world(tmp_path, index, stack, {"P-ANALYTICS": "a"})
        with pytest.raises(InputError, match="none of the catalogue"):
            withdrawn(office, "P-NONE")
