"""The life of a finding: opened by a run, mended by a later one, explained or accepted by a person, opened again."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from schemas.calendars import NORWEGIAN
from schemas.errors import InputError
from sinks.ports.findings import FindingEntry
from streams.duties.check import LONGEST_KEY, Checked, Evidence, Violation, judged, not_observable
from streams.duties.findings import (
    LONGEST_REASON,
    UNSAID,
    Finding,
    Standing,
    accepted,
    changes,
    explained,
    finding_id,
    findings_of,
)
from tests.support.index import NOW

DAY = timedelta(days=1)
PLACE = Evidence("web.visits", 3, 17, "0a" * 16, NOW - DAY, history=1)


def violation(key: str = "web.visits/C-21", says: str = "It has no rule.") -> Violation:
    return Violation(key, says, NOW - DAY, (PLACE,))


class Ledger:
    """Entries of one check as runs and people add them."""

    def __init__(self) -> None:
        self.entries: list[FindingEntry] = []

    def run(self, *violations: Violation, at: datetime = NOW, checked: Checked | None = None) -> list[str]:
        """What the run adds, by its kinds."""
        known = findings_of(self.entries)
        added = changes("unruled", checked or judged(9, violations), known, at, NORWEGIAN)
        self.entries += added
        return [entry.kind for entry in added]

    @property
    def one(self) -> Finding:
        (found,) = findings_of(self.entries).values()
        return found


def test_a_finding_opens_with_what_was_found_and_is_not_told_again() -> None:
    """The second run that finds the same says nothing new."""
    ledger = Ledger()
    assert ledger.run(violation()) == ["opened"]
    assert ledger.run(violation(), at=NOW + DAY) == []
    found = ledger.one
    assert found.id == finding_id("unruled", "web.visits/C-21")
    assert (found.check, found.key, found.says) == ("unruled", "web.visits/C-21", "It has no rule.")
    assert (found.standing, found.since, found.opened) == (Standing.OPEN, NOW - DAY, NOW)
    assert found.evidence == (PLACE,)


def test_what_is_seen_otherwise_is_told_and_stands_as_before() -> None:
    ledger = Ledger()
    ledger.run(violation())
    ledger.entries.append(explained(ledger.one, "a trial", "dpo", NOW, NORWEGIAN))
    assert ledger.run(violation(says="Now more of it."), at=NOW + DAY) == ["seen"]
    assert (ledger.one.standing, ledger.one.says, ledger.one.reason) == (
        Standing.EXPLAINED,
        "Now more of it.",
        "a trial",
    )


def test_what_a_run_no_longer_finds_is_mended_and_opens_again_when_it_comes_back() -> None:
    """Nobody has to say so; what was said of it before does not hold for the next time."""
    ledger = Ledger()
    ledger.run(violation())
    ledger.entries.append(explained(ledger.one, "a trial", "dpo", NOW, NORWEGIAN))
    assert ledger.run(at=NOW + DAY) == ["mended"]
    assert ledger.run(at=NOW + 2 * DAY) == []
    assert (ledger.one.standing, ledger.one.moved) == (Standing.MENDED, NOW + DAY)
    assert ledger.run(violation(), at=NOW + 3 * DAY) == ["reopened"]
    assert (ledger.one.standing, ledger.one.reason, ledger.one.opened) == (Standing.OPEN, "", NOW)


def test_what_cannot_be_observed_mends_nothing() -> None:
    ledger = Ledger()
    ledger.run(violation())
    assert ledger.run(checked=not_observable("Nothing says it.")) == []
    assert ledger.one.standing is Standing.OPEN


def test_what_is_accepted_comes_back_when_its_last_day_is_over() -> None:
    """The day itself still counts; the run after it writes that it is open."""
    ledger, today = Ledger(), NORWEGIAN.day(NOW)
    ledger.run(violation())
    ledger.entries.append(accepted(ledger.one, "moves in June", "dpo", today, NOW, NORWEGIAN))
    assert (ledger.one.until, ledger.one.by) == (today, "dpo")
    assert ledger.one.stands(today) is Standing.ACCEPTED
    assert ledger.run(violation()) == []
    assert ledger.one.stands(today + DAY) is Standing.OPEN
    assert ledger.run(violation(), at=NOW + DAY) == ["reopened"]
    assert ledger.one.standing is Standing.OPEN


def test_findings_of_a_check_live_apart() -> None:
    ledger = Ledger()
    assert ledger.run(violation("a"), violation("b")) == ["opened", "opened"]
    assert ledger.run(violation("b"), violation("c")) == ["opened", "mended"]
    stand = {item.key: item.standing for item in findings_of(ledger.entries).values()}
    assert stand == {"a": Standing.MENDED, "b": Standing.OPEN, "c": Standing.OPEN}


@pytest.mark.parametrize("reason", ["", "  \n", "x" * (LONGEST_REASON + 1)])
def test_a_reason_is_asked_for(reason: str) -> None:
    ledger = Ledger()
    ledger.run(violation())
    with pytest.raises(InputError, match="say why"):
        explained(ledger.one, reason, "dpo", NOW, NORWEGIAN)
    with pytest.raises(InputError, match="say why"):
        accepted(ledger.one, reason, "dpo", date(2027, 1, 1), NOW, NORWEGIAN)


def test_nothing_is_said_of_what_is_mended_and_no_day_that_is_over_is_taken() -> None:
    ledger = Ledger()
    ledger.run(violation())
    with pytest.raises(InputError, match="is over"):
        accepted(ledger.one, "why", "dpo", date(2026, 5, 31), NOW, NORWEGIAN)
    ledger.run()
    with pytest.raises(InputError, match="is mended"):
        explained(ledger.one, "why", "dpo", NOW, NORWEGIAN)


@pytest.mark.parametrize("key", ["", "kari nordmann", "kari@example.no", "/a"])
def test_a_key_is_no_text_that_people_write(key: str) -> None:
    with pytest.raises(ValueError, match="key of a violation"):
        violation(key)


def test_a_long_key_is_shortened_and_stays_its_own() -> None:
    """The same at every run, and another for what differs at its end alone."""
    long, other = violation("x" * 400 + "a").key, violation("x" * 400 + "b").key
    assert len(long) == len(other) == LONGEST_KEY
    assert long != other
    assert violation("x" * 400 + "a").key == long == violation(long).key


def test_evidence_is_read_as_it_was_written() -> None:
    for item in (PLACE, Evidence(note="catalogue/retention.yaml")):
        assert Evidence.of_json(item.as_json()) == item


def test_what_is_accepted_until_a_day_is_not_explained_for_ever() -> None:
    """An explanation has no end: it can be given once that day is over, or what is accepted be accepted anew."""
    ledger, today = Ledger(), NORWEGIAN.day(NOW)
    ledger.run(violation())
    ledger.entries.append(accepted(ledger.one, "moves in June", "dpo", today, NOW, NORWEGIAN))
    with pytest.raises(InputError, match=f"is accepted until {today}; explain it once that is over"):
        explained(ledger.one, "a trial", "dpo", NOW, NORWEGIAN)
    later = accepted(ledger.one, "moves in July", "dpo", today + DAY, NOW, NORWEGIAN)
    assert findings_of([*ledger.entries, later])[later.finding].until == today + DAY
    ledger.entries.append(explained(ledger.one, "a trial", "dpo", NOW + DAY, NORWEGIAN))
    assert ledger.one.standing is Standing.EXPLAINED


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_entry_takes_nothing_else_with_it(lost: int) -> None:
    """What is left is shown, with how much is lost; the next entry takes a number that is free, and a run says anew
    what was found."""
    ledger = Ledger()
    ledger.run(violation())
    ledger.run(violation(says="Now more of it."), at=NOW + DAY)
    ledger.run(at=NOW + 2 * DAY)
    ledger.run(violation(), at=NOW + 3 * DAY)
    del ledger.entries[lost]
    assert (ledger.one.lost, ledger.one.standing) == (1, Standing.OPEN)
    assert explained(ledger.one, "a trial", "dpo", NOW, NORWEGIAN).sequence == 4


@pytest.mark.parametrize("kind", ["explained", "seen"])
def test_a_finding_that_lost_its_opening_is_said_again_by_the_next_run(kind: str) -> None:
    ledger = Ledger()
    ledger.run(violation())
    ledger.entries[:] = [FindingEntry(ledger.one.id, 1, kind, NOW, "unruled", "web.visits/C-21")]
    assert (ledger.one.says, ledger.one.since, ledger.one.lost) == (UNSAID, NOW, 1)
    assert ledger.run(violation(), at=NOW + DAY) == ["seen"]
    assert (ledger.one.says, ledger.entries[-1].sequence) == ("It has no rule.", 2)
