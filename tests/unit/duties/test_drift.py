"""What is new is announced for a week; a system that was never told to erase is a finding until it has answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from schemas.vocabulary import CommandState, Right
from streams.duties.check import Verdict
from streams.duties.checks.drift import NEW
from streams.rights.protocol.command import Command
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.request import RequestState
from tests.support.index import NOW, Row, moment, tags
from tests.support.looking import Watched

DAY = timedelta(days=1)
WEB, OTHER = tags(), replace(tags("C-22"), recipients=(), purposes=("P-WEB", "P-SECURITY"))
OLD = 40 * 86_400_000


def test_a_new_combination_is_announced_for_a_week() -> None:
    """One for each category, purpose, origin and recipient; where all that is held is new, nothing is news."""
    watched = Watched()
    watched.write(Row(1, 0, WEB))
    assert watched.check("new_combinations").verdict is Verdict.KEPT
    watched.write(Row(1, 7, OTHER, at=OLD))
    seen = moment(OLD)
    found = watched.run("new_combinations", seen + DAY)
    assert [item.key for item in found] == [
        "C-22/P-SECURITY/auto_generated/nobody",
        "C-22/P-WEB/auto_generated/nobody",
    ]
    assert {(item.since, item.evidence[0].offset) for item in found} == {(seen, 7)}
    assert watched.check("new_combinations", seen + NEW).verdict is Verdict.KEPT


def test_a_system_that_never_erased_is_a_finding_until_it_has() -> None:
    """By its answer to a command of any request: one that was sent, or found nothing, is not enough."""
    watched = Watched()
    watched.write(Row(1, 3, WEB))
    (found,) = watched.run("systems_exercised")
    assert (found.key, found.evidence[0].offset) == ("web", 3)
    sent = Command("r-1/web", "web", CommandState.SENT)
    for state, verdict in (
        (CommandState.SENT, Verdict.BROKEN),
        (CommandState.NOT_FOUND, Verdict.BROKEN),
        (CommandState.DONE, Verdict.KEPT),
    ):
        told = replace(sent, state=state)
        asked = RequestState(
            "r-1", Right.ERASURE.value, "letter", NOW, due_at(NOW), commands={"r-1/web": told}
        )
        watched.requests = [asked]
        assert watched.check("systems_exercised").verdict is verdict
