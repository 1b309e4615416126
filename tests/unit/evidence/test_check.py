"""What was changed, removed or put in is found and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from schemas.errors import BrokerUnavailable, InputError, KeyUnavailable
from schemas.signingkeys import SigningKeyring
from sinks.ports.audit import AuditEntry
from sinks.ports.evidence import Leaf, Place, Seal, Source
from streams.evidence.check import Checked, check
from streams.evidence.heads import head_hash, next_seal
from streams.evidence.proof import place_of, prove, verify
from streams.evidence.sealing import Sealer
from tests.support.log import Counted, Log, log_in


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = log_in(tmp_path)
    for _ in range(3):
        made.sealed(2)
    return made


def checked(log: Log) -> Checked:
    return check(log.evidence, log.public, log.at)


def changed_event(log: Log) -> None:
    stored = log.requests.stored["r-1"]
    stored[2] = replace(stored[2], content={"number": 7})


def moved_event(log: Log) -> None:
    stored = log.requests.stored["r-1"]
    stored[2] = replace(stored[2], occurred_at=stored[2].occurred_at + timedelta(seconds=1))


def removed_event(log: Log) -> None:
    del log.requests.stored["r-1"][2]


def removed_question(log: Log) -> None:
    del log.audit._entries["a0002"]


def changed_question(log: Log) -> None:
    log.audit.write([replace(log.audit._entries["a0002"], caller="somebody else")])


def put_in(log: Log) -> None:
    log.audit.write([AuditEntry(log.at - timedelta(hours=2), "POST /v1/access", entry="forged")])
    log.sealer.seal()


def changed_leaf(log: Log) -> None:
    seal = log.evidence.sealed[1]
    leaves = (replace(seal.leaves[0], digest=bytes(32)), *seal.leaves[1:])
    log.evidence.sealed[1] = replace(seal, leaves=leaves)


def removed_head(log: Log) -> None:
    del log.evidence.sealed[1]


def exchanged_heads(log: Log) -> None:
    sealed = log.evidence.sealed
    sealed[1], sealed[2] = replace(sealed[2], sequence=1), replace(sealed[1], sequence=2)


def sealed_twice(log: Log) -> None:
    before = log.evidence.newest()
    leaves = log.evidence.sealed[0].leaves[-1:]
    log.evidence.append(next_seal(before, leaves, log.keys.key(), log.at))


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (changed_event, r"request r-1/2 of .* \(head 2\) was changed"),
        (moved_event, r"request r-1/2 of .* \(head 2\) was changed"),
        (removed_event, r"request r-1/2 of .* was removed"),
        (removed_question, r"audit a0002 of .* was removed"),
        (changed_question, r"audit a0002 of .* was changed"),
        (put_in, r"audit forged of .* was put in later: entries up to .* had been sealed by then"),
        (changed_leaf, r"head 1 of .* is of another tree than its entries make"),
        (removed_head, r"head 2 of .* does not stand on the one before it"),
        (exchanged_heads, r"head 1 of .* does not stand on the one before it"),
        (sealed_twice, r"audit a0001 of .* was sealed before|request r-1/0 of .* was sealed before"),
    ],
)
def test_what_was_done_to_it_is_named_first(log: Log, change: Callable[[Log], None], first: str) -> None:
    assert not checked(log).faults
    if change is put_in:
        log.at += timedelta(hours=3)
        log.sealed()
    change(log)
    assert Match(first) == checked(log).faults[0]


class Match(str):
    """Equal to a text that it is found in as a pattern."""

    def __eq__(self, other: object) -> bool:
        import re

        return isinstance(other, str) and re.search(str(self), other) is not None

    __hash__ = str.__hash__


def test_a_clock_that_was_ahead_makes_nobody_look_like_a_forger(log: Log) -> None:
    """What is sealed when it is right again is honest; what is put in then is found, and found first."""
    right = log.at
    log.at += timedelta(days=2)
    log.sealed()
    log.at = right
    for _ in range(30):
        log.sealed()
    log.record(2)
    # Nobody sealed for some hours of those days.
    log.at += timedelta(hours=5)
    log.sealer.seal()
    log.sealed()
    assert checked(log).faults == ()
    put_in(log)
    assert [Match(r"audit forged of .* was put in later")] == list(checked(log).faults)


def test_a_host_whose_clock_is_ahead_makes_nobody_look_like_a_forger(log: Log) -> None:
    """Its question is dated after the head that sealed it."""
    log.audit.write([AuditEntry(log.at + timedelta(days=2), "POST /v1/access", entry="ahead")])
    for _ in range(5):
        log.sealed()
    assert checked(log).faults == ()


def test_what_waited_for_days_is_no_forgery(log: Log) -> None:
    """Nobody sealed meanwhile, and it is more than one head takes."""
    log.record(200)
    log.at += timedelta(days=3)
    assert log.sealer.seal() == 400
    assert checked(log).faults == ()


def test_entries_end_with_their_time_and_their_leaves_stay(log: Log) -> None:
    """After three years a question may be gone; an event of a request never."""
    del log.audit._entries["a0002"]
    log.at = log.at.replace(year=log.at.year + 3)
    found = checked(log)
    assert (found.expired, found.faults, found.entries) == (1, (), 12)
    del log.requests.stored["r-1"][2]
    assert Match("r-1/2 .* was removed") == checked(log).faults[0]


def test_a_moment_that_was_moved_so_that_it_looks_expired_is_found(log: Log) -> None:
    """The moment of a leaf is in its hash."""
    del log.audit._entries["a0002"]
    for number, seal in log.evidence.sealed.items():
        old = [
            replace(leaf, at=leaf.at.replace(year=2020)) if leaf.place.key == "a0002" else leaf
            for leaf in seal.leaves
        ]
        log.evidence.sealed[number] = replace(seal, leaves=tuple(old))
    assert Match("is of another tree than its entries make") == checked(log).faults[0]


def test_a_log_that_was_cut_or_written_anew_is_found_by_the_topic(log: Log, tmp_path: Path) -> None:
    """Who may change the whole index, and has the key, cannot change what others were told."""
    told = list(log.evidence.seals(0, 99))
    cut = told[-1].sequence
    kept = log.evidence.sealed.pop(cut)
    found = check(log.evidence, log.public, log.at, lambda: told)
    assert found.faults == (
        f"head {cut} of 2026-03-09T12:06:00Z, which the topic was told of, is not in the index any more: it, and what"
        " it sealed, was removed",
    )
    before = log.evidence.newest()
    forged = Leaf(Place(Source.REQUEST, "r-1/0"), log.at, bytes(32))
    log.evidence.append(next_seal(before, [forged], log.keys.key(), log.at))
    assert any(
        "the log was rewritten" in line
        for line in check(log.evidence, log.public, log.at, lambda: told).faults
    )
    log.evidence.sealed[cut] = kept
    found = check(log.evidence, log.public, log.at, lambda: told)
    assert (found.told, found.faults) == (len(told), ())


def test_messages_that_others_wrote_to_the_topic_say_nothing(log: Log, tmp_path: Path) -> None:
    """They are counted: anybody who may write there could else make the log look rewritten."""
    (tmp_path / "other").mkdir()
    foreign = next_seal(None, [], SigningKeyring(tmp_path / "other").key(), log.at)
    damaged = replace(log.evidence.sealed[0], size=9)
    found = check(log.evidence, log.public, log.at, lambda: [foreign, damaged])
    assert (found.strange, found.told, found.faults) == (2, 0, ())


def test_a_log_of_any_length_is_read_a_page_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To check it, against the topic too, and to prove an entry: a page bounds what is held, not the log."""
    monkeypatch.setattr("streams.evidence.proof._LEAVES", 6)
    log = log_in(tmp_path)
    counted = log.evidence = Counted(log.requests, log.audit)
    log.sealer = Sealer(counted, log.keys.key, lambda: log.at, most=3)
    most = []
    for _ in range(2):
        for _ in range(60):
            log.sealed()
        counted.most = 0
        found = check(counted, log.public, log.at, partial(counted.heads_from, 0, 1_000))
        assert (found.entries, found.told, found.faults) == (
            2 * len(log.requests.events("r-1")),
            found.heads,
            (),
        )
        verify(prove(counted, place_of("r-1/7"), since=9), log.public)
        most.append(counted.most)
    # Two pages of leaves while the second is read, and the entries of one.
    assert 0 < most[0] == most[1] <= 3 * 6


def test_a_broker_that_goes_away_as_it_is_read_is_said(log: Log) -> None:
    """The log is checked all the same."""

    def told() -> Iterator[Seal]:
        yield log.evidence.sealed[0]
        raise BrokerUnavailable("away")

    found = check(log.evidence, log.public, log.at, told)
    assert (found.told, found.entries, found.faults) == (None, 12, ())


def test_heads_of_another_key_are_not_believed(log: Log, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = [SigningKeyring(tmp_path / "other").key().public]
    assert Match("head 0 of .* is not signed by") == check(log.evidence, other, log.at).faults[0]
    assert len({head_hash(item) for item in log.evidence.seals(0, 99)}) == len(log.evidence.sealed)


def test_a_key_that_was_replaced_has_signed_what_it_signed(log: Log) -> None:
    """Heads of before and after stand on one another; proofs across both are checked with both public keys."""
    before = log.public
    log.keys.rotate(log.at)
    for _ in range(3):
        log.sealed()
    newest = log.evidence.newest()
    assert newest is not None
    assert newest.key_id == log.keys.key().public.id != before[0].id
    assert checked(log).faults == ()
    assert Match("head 6 of .* is not signed by") == check(log.evidence, before, log.at).faults[0]
    proof = prove(log.evidence, place_of("r-1/0"), since=0)
    assert "begins with all" in verify(proof, log.public)
    for some in (before, log.public[1:]):
        with pytest.raises(InputError, match="not signed by"):
            verify(proof, some)


def test_a_replaced_key_that_signs_again_is_named(log: Log) -> None:
    """Whoever took the old one over, and what it was replaced for, writes no head after the new one's."""
    old = log.keys.key()
    log.keys.rotate(log.at)
    log.sealed()
    log.record()
    with pytest.raises(KeyUnavailable, match="keys/signing"):
        # As on a host to which the folder was not copied.
        Sealer(log.evidence, lambda: old, lambda: log.at).seal()
    forged = Leaf(Place(Source.REQUEST, "r-1/0"), log.at, bytes(32))
    log.evidence.append(next_seal(log.evidence.newest(), [forged], old, log.at))
    assert Match(f"is signed by {old.public.id}, which .* had replaced by then") == checked(log).faults[0]
