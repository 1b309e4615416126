"""After an erasure links may lead no longer to what it left: an answer says that there was one, and what it left."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from console.cli.show.output import about_identity
from schemas.policy import RetentionAnchors
from streams.answers.erased import erased_line
from streams.rights.protocol.states import RequestState, State
from tests.support.api import EMAIL, NOW, fill, rights
from tests.support.desk import Desk, event, moment
from tests.support.receipts import hear

KARI, STRANGER = ("customer_number", "10042"), ("customer_number", "10099")
MAIL = ("email", EMAIL)
MARCH = moment("2026-03-05T12:00:00+01:00")


class Counted:
    """Ids of requests, each another one."""

    made = 0

    def __call__(self, size: int) -> bytes:
        self.made += 1
        return self.made.to_bytes(size, "big")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Kari is in the register, and has an invoice that the law holds."""
    made = Desk(tmp_path)
    service = rights(made.index, made.keyring, Counted())
    object.__setattr__(made.services, "rights", service)
    made.rights = service
    row = event("CustomerDetails", customer_number=KARI[1], email=MAIL[1], updated_at=MARCH, name="Invented")
    made.tell("crm.customers", [row], learnt=MARCH)
    fill(made.index, made.keyring)
    return made


def erase(desk: Desk, *people: tuple[str, str]) -> RequestState:
    """Completed, each system having done what it was told."""
    over = RetentionAnchors(contract_end=date(2025, 1, 1))
    made = desk.rights.create(
        "erasure", list(people), reason=None, channel="email", received_at=NOW, anchors=over
    )
    for command in desk.rights.advance(made.request_id).commands.values():
        names = {"request_id": made.request_id, "command_id": command.command_id, "system": command.system}
        counts = {"state": "done", "erased": command.planned, "held": 0, "ground": None, "review_date": None}
        hear(desk.rights, {**names, **counts, "reason": None, "reported_at": NOW})
    return desk.rights.get(made.request_id)


@pytest.mark.parametrize("path", ["access", "lineage/query", "requests/plan"])
def test_what_an_erasure_left_is_never_nothing(desk: Desk, path: str) -> None:
    """The register led to the e-mail under which an invoice is held; by the number alone nothing leads there now."""
    assert desk.ask(path, KARI)["erased_before"] == []
    done = erase(desk, KARI)
    answer = desk.ask(path, KARI)
    assert (done.state, answer["total_events"]) == (State.COMPLETED, 0)
    assert answer["erased_before"] == [
        {"request_id": done.request_id, "completed_at": "2026-06-01T12:00:00Z", "left": ["billing"]}
    ]
    assert desk.ask(path, MAIL)["total_events"] == 1
    # Of that alone nobody knows that it is all.
    assert [item["request_id"] for item in desk.ask(path, MAIL)["erased_before"]] == [done.request_id]
    assert desk.ask(path, STRANGER)["erased_before"] == []


@pytest.mark.parametrize("right", ["access", "erasure"])
def test_a_later_request_says_so(desk: Desk, right: str) -> None:
    """It would miss what is held, so whoever answers it has to look."""
    done = erase(desk, KARI)
    made = desk.rights.create(right, [KARI], reason=None, channel="email", received_at=NOW)
    line = erased_line(done.request_id, "2026-06-01", ["billing"])
    assert line in desk.rights.advance(made.request_id).problems


def test_the_line_says_what_was_left_and_how_to_find_it(desk: Desk) -> None:
    """For people; where nothing was left it says that."""
    done = erase(desk, KARI)
    answer = desk.ask("access", KARI)
    (told,) = [str(line) for line in about_identity(answer, (), [{"kind": KARI[0]}])]
    assert told == (
        f"erased before: an erasure of this person was completed on 2026-06-01 ({done.request_id}); what it left in"
        f" billing may lie under identifiers to which nothing leads any more; see `innsyn requests show"
        f" {done.request_id}`, and give every identifier of the person"
    )
    assert erased_line("r-1", "2026-06-01T12:00:00Z", []).endswith("(r-1), and held nothing")
