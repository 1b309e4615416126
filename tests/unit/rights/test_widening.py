"""A restriction that stands reaches what comes later: another system, purpose or identifier, and what came back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.records import load_records
from schemas.vocabulary import RestrictionGround, ToldBy
from sinks.clickhouse.migrate import migrate
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState, State
from tests.support.index import Index, memory_index, running, sql_index
from tests.support.office import NOW, Office
from tests.support.receipts import answer
from tests.support.suppressing import KARI, Watchful
from tests.unit.rights.test_short import COOKIE, LOGIN, visit

NUMBER = ("customer_number", "10042")
MARKETING = Scope(("P-MARKETING",))
RECORDS = load_records()


def used_for(record: str, basis: dict[str, str]) -> Any:
    """The schema of a record, for these purposes on these bases."""
    schema = RECORDS[record]
    said = schema.annotation.model_copy(update={"purposes": tuple(basis), "legal_basis": basis})
    return replace(schema, annotation=said)


MARKETED = {
    **RECORDS,
    "CustomerDetails": used_for("CustomerDetails", {"P-MARKETING": "f", "P-CONTRACT": "b"}),
    "WebVisit": used_for("WebVisit", {"P-MARKETING": "f"}),
    "Login": used_for("Login", {"P-SECURITY": "f"}),
}


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        index: Index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        yield Office(tmp_path, index, stack, records=dict(MARKETED))


def asked(office: Office, right: str, given: tuple[str, str], scope: Scope = MARKETING) -> RequestState:
    """Made, and every recipient told."""
    made = office.service.create(
        right, [given], reason=None, channel="web", received_at=office.now, scope=scope
    )
    office.deliver()
    return told(office, made.request_id)


def told(office: Office, request_id: str) -> RequestState:
    for name in office.service.get(request_id).to_notify:
        office.service.notify(request_id, name, ToldBy.EMAIL)
    office.deliver()
    return office.service.get(request_id)


def looked(office: Office, request_id: str) -> RequestState:
    """After the index was looked at again and what is next was done."""
    office.service.recheck(office.now)
    office.service.resume()
    office.deliver()
    return office.service.get(request_id)


def customer(office: Office, **said: Any) -> None:
    at = office.now - timedelta(hours=1)
    details = {"customer_number": NUMBER[1], "name": "Kari", "updated_at": at}
    office.put("crm.customers", {**details, **said})


@pytest.mark.parametrize("before", [True, False], ids=["held then", "nothing held then"])
@pytest.mark.parametrize("right", ["objection", "restriction"])
def test_a_system_that_gets_data_later_is_told_too(office: Office, right: str, before: bool) -> None:
    """The person did not object to one system, but to a purpose."""
    office.jobs_answer = True
    office.put("web.visits", *([visit(1)] if before else []))
    first = asked(office, right, COOKIE)
    assert (first.state, [item["system"] for item in office.others]) == (
        State.COMPLETED,
        ["web"] if before else [],
    )
    office.now += timedelta(days=5)
    office.put("web.visits", visit(3))
    customer(office)
    # The cookie is linked to the customer.
    office.put("web.logins", {**LOGIN, "cookie_id": COOKIE[1]})
    after = looked(office, first.request_id)
    assert "web" in {item["system"] for item in office.others}
    assert not [*office.stores["web"].usable("WebVisit", "P-MARKETING")]
    done = told(office, first.request_id)
    assert (done.state, done.late_findings) == (State.COMPLETED, ()), after.problems
    count = len(office.others)
    # What was told is not told again.
    assert looked(office, first.request_id).state is State.COMPLETED
    assert len(office.others) == count


def test_it_is_open_until_the_new_system_has_answered_and_says_whom_it_told(office: Office) -> None:
    customer(office)
    first = asked(office, "objection", NUMBER)
    assert answer(office, office.others[0]).state is State.COMPLETED
    office.now += timedelta(days=5)
    invoice = {"invoice_number": "I-1", "customer_number": NUMBER[1], "amount_ore": 100}
    invoices = used_for("Invoice", {"P-MARKETING": "f"})
    office.records = {**office.records, "Invoice": invoices}
    office.put("billing.invoices", {**invoice, "due_date": office.now.date(), "issued_at": office.now})
    open_again = looked(office, first.request_id)
    assert [item["system"] for item in office.others] == ["crm", "billing"]
    assert (open_again.state is State.COMPLETED, open_again.waiting_for) == (False, ("billing",))
    assert open_again.due > office.now.date()
    assert [note.words for note in open_again.notes if note.what == "reaches more"] == [
        "billing told by itself, as the index learnt more"
    ]
    answer(office, office.others[1])
    assert told(office, first.request_id).state is State.COMPLETED
    office.service.lift(first.request_id, ToldBy.LETTER, "asked for offers again")
    office.deliver()
    assert sorted(item["system"] for item in office.others if item["kind"] == "lift") == ["billing", "crm"]


def test_a_purpose_that_is_added_to_a_system_is_told_with_those_of_before(office: Office) -> None:
    office.jobs_answer = True
    customer(office)
    first = asked(office, "restriction", NUMBER, Scope())
    customers = used_for("CustomerDetails", {"P-MARKETING": "f", "P-ANALYTICS": "f"})
    office.records = {**office.records, "CustomerDetails": customers}
    office.now += timedelta(days=5)
    customer(office)
    looked(office, first.request_id)
    assert [(item["attempt"], item["purposes"]) for item in office.others] == [
        (1, ["P-CONTRACT", "P-MARKETING"]),
        (2, ["P-ANALYTICS", "P-CONTRACT", "P-MARKETING"]),
    ]


def test_more_rows_of_what_a_system_was_told_are_nothing_new(office: Office) -> None:
    """It keeps whom it restricts, and asks that list before it uses data of anybody."""
    office.jobs_answer = True
    office.put("web.visits", visit(1))
    first = asked(office, "objection", COOKIE)
    office.now += timedelta(days=5)
    office.put("web.visits", visit(2), {**visit(3), "occurred_at": office.now - timedelta(hours=1)})
    assert looked(office, first.request_id).state is State.COMPLETED
    assert len(office.others) == 1


def test_what_was_lifted_or_is_about_another_purpose_reaches_nothing(office: Office) -> None:
    office.jobs_answer = True
    lifted = asked(office, "objection", NUMBER)
    office.service.lift(lifted.request_id, ToldBy.LETTER, "changed their mind")
    office.deliver()
    other = asked(office, "objection", NUMBER, Scope(("P-ANALYTICS",)))
    office.now += timedelta(days=5)
    customer(office)
    for request in (lifted, other):
        assert looked(office, request.request_id).state is State.COMPLETED
    assert office.others == []


def test_what_was_given_can_be_read_as_long_as_a_restriction_stands(office: Office) -> None:
    """Or nobody could tell a system of it, nor lift it."""
    office.jobs_answer = True
    office.put("web.visits", visit(1))
    first = asked(office, "objection", COOKIE)
    office.now += timedelta(days=400)
    assert office.service.destroy_keys(office.now) == []
    office.service.lift(first.request_id, ToldBy.LETTER, "changed their mind")
    office.deliver()
    office.now += timedelta(days=400)
    assert office.service.destroy_keys(office.now) == [first.request_id]


@pytest.mark.parametrize(
    ("ground", "erased"),
    [
        (RestrictionGround.CLAIMS, False),
        (RestrictionGround.UNLAWFUL, False),
        (RestrictionGround.ACCURACY, True),
        (None, True),
    ],
)
def test_what_came_back_and_is_kept_for_the_person_is_not_erased_by_itself(
    tmp_path: Path, ground: RestrictionGround | None, erased: bool
) -> None:
    """Who needs it for a claim, or opposes the erasure, is asked first (GDPR Art. 18(1)(b), (c))."""
    with ExitStack() as stack:
        office = Watchful(tmp_path, memory_index(), stack)
        office.viewing(KARI, NOW - timedelta(days=1))
        first = office.erase(("customer_number", KARI))
        office.later(timedelta(minutes=1))
        office.viewing(KARI, NOW - timedelta(days=1))
        office.deliver()
        kept = asked(office, "restriction", ("customer_number", KARI), Scope(ground=ground))
        office.look()
        office.deliver()
        stored = office.stored("tv_middleware", ("customer_number", KARI))
        assert stored == (0 if erased else 1)
        came_back = office.service.get(first.request_id)
        assert (kept.request_id in " ".join(came_back.problems)) is not erased
        if not erased:
            office.service.follow_up(first.request_id)
            office.deliver()
            assert office.stored("tv_middleware", ("customer_number", KARI)) == 0
