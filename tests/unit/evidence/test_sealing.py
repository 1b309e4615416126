"""Sealing the log and telling the topic: once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.errors import BrokerUnavailable, IndexUnavailable, KeyUnavailable
from schemas.messages import TreeHead, message_of
from schemas.own import own_record
from schemas.signingkeys import SigningKeyring
from sinks.memory.evidence import MemoryEvidence
from sinks.ports.audit import AuditEntry
from sinks.ports.evidence import Seal
from streams.evidence.check import check
from streams.evidence.proof import place_of, prove, verify
from streams.evidence.sealing import TOPIC, Sealer, head_of_message
from tests.support.log import Log, log_in


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return log_in(tmp_path)


def heads(sent: list[tuple[str, bytes, bytes]]) -> list[Seal]:
    return [
        head_of_message(message_of(TreeHead, decode(own_record("TreeHead"), value))) for _, value, _ in sent
    ]


def test_all_that_waits_is_sealed_in_heads_that_stand_on_each_other(log: Log) -> None:
    """As many as there have to be; nothing new, nothing sealed."""
    log.record(4)
    assert log.sealer.seal() == 8
    assert log.sealer.seal() == 0
    assert [item.size for item in log.evidence.seals(0, 9)] == [3, 6, 8]
    log.record()
    assert log.sealer.seal() == 2
    assert not check(log.evidence, log.public, log.at).faults


def test_a_second_process_that_was_faster_changes_nothing_but_the_number(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it sealed is not sealed again, wherever it came in between."""
    other, waiting = Sealer(log.evidence, log.keys.key, lambda: log.at), log.evidence.waiting
    log.record(2)

    def late(*given: Any) -> Any:
        found = waiting(*given)
        monkeypatch.setattr(log.evidence, "waiting", waiting)
        other.seal()
        return found

    monkeypatch.setattr(log.evidence, "waiting", late)
    assert log.sealer.seal() == 0
    checked = check(log.evidence, log.public, log.at)
    assert (checked.entries, checked.waiting, checked.faults) == (4, 0, ())


class Dies(MemoryEvidence):
    """Ends whoever calls it the n-th time, before or after it did what was asked."""

    def dying(self, after: int, *, done: bool) -> None:
        self.left, self.done = after, done

    def append(self, seal: Seal) -> bool:
        return bool(self._or_die(lambda: super(Dies, self).append(seal)))

    def note_published(self, *given: Any) -> None:
        self._or_die(lambda: super(Dies, self).note_published(*given))

    def _or_die(self, call: Callable[[], object]) -> object:
        self.left -= 1
        if self.left == 0 and not self.done:
            raise KeyboardInterrupt
        answer = call()
        if self.left == 0:
            raise KeyboardInterrupt
        return answer


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.booleans()), max_size=6))
def test_a_process_that_dies_anywhere_seals_nothing_twice_and_skips_nothing(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, int, bool]]
) -> None:
    """And the topic is told of every head, in order, some of them twice."""
    log = log_in(tmp_path_factory.mktemp("keys"))
    log.evidence = dies = Dies(log.requests, log.audit)
    sent: list[tuple[str, bytes, bytes]] = []
    for count, after, done in [*turns, (1, 100, True)]:
        log.record(count)
        dies.dying(after, done=done)
        sealer = Sealer(dies, log.keys.key, lambda: log.at, most=2)
        try:
            sealer.seal()
            sealer.publish(lambda *message: sent.append(message))
        except KeyboardInterrupt:
            continue
    told = heads(sent)
    checked = check(dies, log.public, log.at, lambda: told)
    assert (checked.entries, checked.waiting, checked.faults) == (2 * len(log.requests.events("r-1")), 0, ())
    assert list(dict.fromkeys(item.sequence for item in told)) == list(range(checked.heads))


def test_the_topic_is_told_when_it_is_back(log: Log) -> None:
    """Of what it missed, under the number of each head."""

    def away(*_: object) -> None:
        raise BrokerUnavailable("away")

    sent: list[tuple[str, bytes, bytes]] = []
    log.sealed(2)
    with pytest.raises(BrokerUnavailable):
        log.sealer.publish(away)
    log.sealed(1)
    assert log.sealer.publish(lambda *message: sent.append(message)) == 3
    assert log.sealer.publish(away) == 0
    assert [(topic, key) for topic, _, key in sent] == [(TOPIC, b"0"), (TOPIC, b"1"), (TOPIC, b"2")]
    assert [replace(item, peaks=()) for item in reversed(log.evidence.heads(9))] == heads(sent)


def test_a_replica_that_is_behind_has_the_rest_told_by_the_next_turn(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once, and nothing is noted that was not told."""
    noted: list[int] = []
    asked: list[int] = []
    sent: list[tuple[str, bytes, bytes]] = []
    heads, note = log.evidence.heads_from, log.evidence.note_published
    log.sealed(2)

    def behind(first: int, limit: int) -> list[Seal]:
        asked.append(first)
        assert len(asked) < 9, "asks again and again"
        return [item for item in heads(first, limit) if item.sequence < 1]

    def told(done: int, at: datetime) -> None:
        noted.append(done)
        note(done, at)

    monkeypatch.setattr(log.evidence, "heads_from", behind)
    monkeypatch.setattr(log.evidence, "note_published", told)
    assert log.sealer.publish(lambda *message: sent.append(message)) == 1
    assert log.sealer.publish(lambda *message: sent.append(message)) == 0
    assert (asked, noted) == ([0, 1, 1], [0])
    monkeypatch.setattr(log.evidence, "heads_from", heads)
    assert log.sealer.publish(lambda *message: sent.append(message)) == 1
    assert [key for _, _, key in sent] == [b"0", b"1"]


def test_nothing_is_built_on_a_head_that_was_changed(log: Log) -> None:
    """Else a change would be signed with the next one."""
    log.sealed(3)
    last = max(log.evidence.sealed)
    seal = log.evidence.sealed[last]
    log.record()
    for changed in (
        replace(seal, root=bytes(32)),
        replace(seal, peaks=seal.peaks[::-1]),
        replace(seal, peaks=()),
        replace(seal, size=seal.size + 1),
        replace(seal, signature=bytes(64)),
    ):
        log.evidence.sealed[last] = changed
        with pytest.raises(IndexUnavailable, match="innsyn log check"):
            log.sealer.seal()
    log.evidence.sealed[last] = seal
    assert log.sealer.seal() == 2


def test_a_host_with_another_key_seals_nothing(log: Log, tmp_path: Path) -> None:
    """It says what to copy; nobody could check a log of two keys that were not handed on."""
    (tmp_path / "other").mkdir()
    log.sealed()
    log.record()
    with pytest.raises(KeyUnavailable, match="keys/signing"):
        Sealer(log.evidence, SigningKeyring(tmp_path / "other").key, lambda: log.at).seal()


def test_a_number_too_large_for_json_keeps_nothing_from_being_sealed(log: Log) -> None:
    """Whoever may write to the index could else stop the log; and it is checked as any other."""
    log.record()
    log.audit.write([AuditEntry(log.at, "POST /v1/access", size=2**63, entry="large")])
    assert log.sealer.seal() == 3
    assert not check(log.evidence, log.public, log.at).faults
    assert "content and all" in verify(prove(log.evidence, place_of("large")), log.public)
    log.audit.write([AuditEntry(log.at, "POST /v1/access", size=2**63 + 1, entry="large")])
    assert "was changed" in check(log.evidence, log.public, log.at).faults[0]
