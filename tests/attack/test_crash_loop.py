"""An offset that ends the process, again and again: the third start sets it aside, and everything else is tagged."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from console.operations.dead_letters import DeadLetterDesk
from schemas.errors import RegistryUnavailable
from schemas.keys import Keyring
from schemas.records import RecordSchema, load_records
from schemas.tokens import Tokenizer
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import Chosen, Coordinates, DeadRow
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from streams.kafka.batches import TopicBatch
from streams.tagging.crashes.careful import CHUNK, Careful, Stopped
from streams.tagging.crashes.journal import Journal, Offset, Suspects, suspects_of
from streams.tagging.crashes.trial import _fatal
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import ENDED_PROCESS, Prepared, Preparer
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits
from tests.support.company import model
from tests.support.fatal_value import FATAL, FatalKeyring
from tests.support.index import NOW
from tests.support.kinds import IP, KINDS
from tests.support.tagging import (
    CATALOGUE,
    confluent,
    in_process_broker,
    single_object,
    to_the_end,
    utc_now,
    visit,
)
from tests.support.time_bounds import HANGING_SECONDS

POISON = 41
COUNT = 120


def crash(*starts: str, home: Path) -> list[dict[str, Any]]:
    """What each start of the tagger in a process of its own came to: how it ended, what it logged and tagged."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.support.fatal_offset", str(home), str(COUNT), str(POISON), *starts],
        capture_output=True,
        timeout=HANGING_SECONDS,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]


def test_an_offset_that_ended_the_process_twice_is_set_aside_on_the_third_start(tmp_path: Path) -> None:
    """The first death leaves its batch under suspicion, the second one a chunk of it, in which another process finds
    the offset; the third start says so.

    A fault in a library ends the process too: the embedded engine used to catch it and hang.
    """
    first, second, third, fourth = crash("segfault", "exit", "segfault", "segfault", home=tmp_path)
    assert (first["status"], second["status"], third["status"]) == (-signal.SIGSEGV, 9, 0)
    assert "tagger.ended_before" in second["log"]
    assert "offset.set_aside" in third["log"]
    assert f"offset={POISON // 2}" in third["log"]
    assert third["dead"] == [[POISON % 2, POISON // 2, ENDED_PROCESS]]
    assert third["events"] == COUNT - 1
    assert (fourth["status"], fourth["dead"]) == (0, [])
    assert "set_aside" not in fourth["log"]
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_tagger_that_is_killed_loses_nothing_and_sets_nothing_aside(tmp_path: Path) -> None:
    """Somebody's kill -9 in the middle of a batch that is fine: the next start reads it with care, and all of it."""
    first, second = crash("killed", "well", home=tmp_path)
    assert (first["status"], second["status"]) == (-signal.SIGKILL, 0)
    assert (second["events"], second["dead"]) == (COUNT, [])


def test_a_fault_that_python_catches_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that fails is read one message at a time at once; what fails alone is a dead letter."""
    keyring, index = Keyring(tmp_path / "keys").made(), MemoryIndex()
    usual = Preparer._group

    def fails(self: Preparer, batch: TopicBatch, group: Any, where: Any, now: Any) -> Any:
        if ((batch.partition[where] == 1) & (batch.offset[where] == 7)).any():
            raise RecursionError
        return usual(self, batch, group, where, now)

    monkeypatch.setattr(Preparer, "_group", fails)
    frame = single_object()
    with in_process_broker() as broker:
        source = broker.source()
        source.send((number % 2, frame(visit(number, "192.0.2.7"))) for number in range(40))
        to_the_end(source.worker(index, keyring, journals=tmp_path / "journals"))
    assert [(*place[1:], row.reason) for place, row in index.dead.items()] == [(1, 7, ENDED_PROCESS)]
    token = keyring.tokenizer().token(IP, "192.0.2.7")
    assert index.find([Span(token)]).total_events == 39


class Plain:
    """A tagger's work without a broker: web visits in four partitions, prepared with care."""

    def __init__(self, home: Path, count: int, fatal: Set[int] = frozenset(), how: str = "well") -> None:
        frame, at = single_object(), np.arange(count)
        usual, other = frame(visit(1, "192.0.2.7")), frame(visit(1, FATAL))
        values = [other if number in fatal else usual for number in range(count)]
        self.taken = [TopicBatch("t", values, (at % 4).astype(np.int32), at // 4, 1, 1)]
        self.epochs = {("t", number): 1 for number in range(4)}
        self.home = home
        self.calls: list[int] = []
        keyring = FatalKeyring(home / "keys")
        keyring.made()
        keyring.how = how
        older = Tokenizer(b"older" * 8, "older")
        now = keyring.tokenizer()
        now.older = (older,)
        self.resolve = WriterSchemas(load_records().values(), model().catalogue).resolve
        self.preparer = Preparer(Tagger(now, CATALOGUE, KINDS, ()), self._resolve, {"t": "WebVisit"})

    def _resolve(self, prefix: bytes, expected: str) -> RecordSchema:
        return self.resolve(prefix, expected)

    def careful(self, alive: Callable[[], None] = lambda: None) -> Careful:
        return Careful(self.preparer, self.home / "journals", utc_now, alive)

    def died(self, *, again: bool = False) -> None:
        """Leave the note of a tagger that ended while it had all of it, or read all of it again."""
        journal = Journal(self.home / "journals")
        found = suspects_of("t", self.taken[0].partition, self.taken[0].offset)
        (journal.again if again else journal.begin)(found)
        journal.close(clean=False)

    def noted(self) -> dict[str, Any]:
        line = (self.home / "journals" / "tagger-0.journal").read_bytes().partition(b"\n")[0]
        return dict(json.loads(line))


def test_a_kill_in_the_middle_of_a_large_batch_costs_few_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading of few messages costs what a reading of one does: one for each chunk, and one of the whole."""
    plain = Plain(tmp_path, count=64 * CHUNK)
    usual, calls = Preparer.prepare, []

    def counted(self: Preparer, *given: Any) -> Prepared:
        calls.append(len(given[0][0].values))
        return usual(self, *given)

    monkeypatch.setattr(Preparer, "prepare", counted)
    plain.died()
    careful = plain.careful()
    prepared = careful.prepare(plain.taken, (), plain.epochs)
    careful.close(clean=True)
    assert calls == [CHUNK] * 64 + [64 * CHUNK]
    assert sum(item.events for item in prepared.batch.ranges) == 64 * CHUNK
    assert not prepared.dead


def test_two_kills_in_the_middle_of_what_is_fine_take_nothing_from_what_is_written(tmp_path: Path) -> None:
    """Also not the tokens under an older key, which are noted when a value is seen for the first time."""
    clean, after = (Plain(tmp_path / name, count=40) for name in ("clean", "after"))
    after.preparer = Preparer(clean.preparer._tagger.anew(), after.resolve, {"t": "WebVisit"})
    after.died()
    after.died(again=True)
    batches = [item.careful().prepare(item.taken, (), item.epochs).batch for item in (clean, after)]
    assert batches[0].pairs.num_rows == 1
    assert batches[0].pairs == batches[1].pairs
    assert batches[0].rows == batches[1].rows
    assert not batches[1].dead


def test_an_offset_over_which_the_tagger_alone_ends_is_noted_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process does not end over it: the third death pins it. Here the tagger lives to tell."""
    plain = Plain(tmp_path, count=40)
    plain.died(again=True)
    usual, noted = Preparer._group, []

    def group(self: Preparer, batch: TopicBatch, group: Any, where: Any, now: Any) -> Any:
        if ((batch.partition[where] == 1) & (batch.offset[where] == 7)).any():
            noted.append(plain.noted().get("alone"))
            raise RecursionError
        return usual(self, batch, group, where, now)

    monkeypatch.setattr(Preparer, "_group", group)
    prepared = plain.careful().prepare(plain.taken, (), plain.epochs)
    assert noted == [["t", 1, 7]]
    assert [(row.row.partition, row.row.offset, row.row.reason) for row in prepared.dead] == [
        (1, 7, ENDED_PROCESS)
    ]


def test_all_that_is_fatal_in_a_chunk_is_found_without_a_death(tmp_path: Path) -> None:
    plain = Plain(tmp_path, count=CHUNK, fatal={3, 4, 200}, how="segfault")
    plain.died(again=True)
    careful = plain.careful()
    prepared = careful.prepare(plain.taken, (), plain.epochs)
    careful.close(clean=True)
    assert sorted((letter.row.partition, letter.row.offset) for letter in prepared.dead) == [
        (0, 1),
        (0, 50),
        (3, 0),
    ]
    assert {letter.row.reason for letter in prepared.dead} == {ENDED_PROCESS}


def test_what_cannot_be_tried_elsewhere_is_read_one_at_a_time(tmp_path: Path) -> None:
    """A plug-in may be anything."""
    plain = Plain(tmp_path, count=8)
    plain.died(again=True)
    plain.preparer._tagger._made_of = (*plain.preparer._tagger._made_of[:4], lambda: None)  # type: ignore[assignment]
    alone: list[Offset] = []
    careful = plain.careful()
    usual = careful._journal.alone

    def alone_too(offset: Offset) -> None:
        alone.append(offset)
        usual(offset)

    careful._journal.alone = alone_too  # type: ignore[method-assign]
    with capture_logs() as log:
        assert not careful.prepare(plain.taken, (), plain.epochs).dead
    assert [line["event"] for line in log] == ["trial.failed"]
    assert alone[-8:] == [("t", number % 4, number // 4) for number in range(8)]


@pytest.mark.parametrize("again", [False, True])
def test_a_tagger_that_is_asked_to_end_reads_nothing_again_and_blames_nothing(
    tmp_path: Path, again: bool
) -> None:
    """Neither in the middle of the chunks nor while another process tries one."""
    plain = Plain(tmp_path, count=4 * CHUNK)
    plain.died(again=again)
    alive = 0

    def stopped() -> None:
        nonlocal alive
        alive += 1
        if alive > 1:
            raise Stopped

    careful = plain.careful(stopped)
    with pytest.raises(Stopped):
        careful.prepare(plain.taken, (), plain.epochs)
    careful.close(clean=False)
    journal = Journal(tmp_path / "journals")
    whole = tuple(suspects_of("t", plain.taken[0].partition, plain.taken[0].offset))
    assert (journal.suspects, journal.pinned) == (((), whole) if again else (whole, ()))
    assert not journal.fatal
    assert alive == 2


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=6), st.sets(st.integers(0, 40), max_size=4))
def test_halving_finds_what_ends_a_worker_and_nothing_that_ended_it_once(
    count: int, fatal: set[int], stray: set[int]
) -> None:
    """`stray`: attempts that end though nothing in them is fatal, such as one that somebody kills."""
    found = TopicBatch("t", [None] * count, np.zeros(count, np.int32), np.arange(count), 1, 1)
    tried = 0

    def ends(part: TopicBatch) -> bool:
        nonlocal tried
        tried += 1
        # Never twice in a row.
        killed = tried in stray and tried - 1 not in stray
        return killed or not fatal.isdisjoint(part.offset.tolist())

    assert list(_fatal(ends, found)) == sorted(item for item in fatal if item < count)


@pytest.mark.parametrize("error", [None, Stopped(), RegistryUnavailable("no answer")])
def test_nothing_is_to_blame_for_an_end_while_its_batch_is_written_or_given_up(
    tmp_path: Path, error: Exception | None
) -> None:
    plain = Plain(tmp_path, count=8)
    during: list[dict[str, Any]] = []
    usual = plain.resolve

    def resolve(prefix: bytes, expected: str) -> RecordSchema:
        during.append(plain.noted())
        if error is not None:
            raise error
        return usual(prefix, expected)

    plain.resolve = resolve
    careful = plain.careful()
    with contextlib.nullcontext() if error is None else pytest.raises(type(error)):
        careful.prepare(plain.taken, (), plain.epochs)
    assert during == [{"batch": [["t", number, 0, 1] for number in range(4)]}]
    assert plain.noted() == {}
    careful.close(clean=False)
    assert Journal(tmp_path / "journals").suspects == ()


def test_nothing_is_to_blame_for_an_end_while_its_schema_is_waited_for(tmp_path: Path) -> None:
    """A registry may be away for hours, and somebody ends the tagger meanwhile."""
    noted: list[dict[str, Any]] = []
    journals = tmp_path / "journals"

    class Away:
        def schema(self, schema_id: int) -> str:
            line = (journals / "tagger-0.journal").read_bytes().partition(b"\n")[0]
            noted.append(json.loads(line))
            if len(noted) < 3:
                raise RegistryUnavailable("no answer")
            return load_records()["WebVisit"].text

    with in_process_broker() as broker:
        source = broker.source()
        source.send([(0, confluent(7)(visit(1, "192.0.2.7")))])
        limits = TagLimits(batch_events=1, unknown_schema_seconds=0.1)
        index = MemoryIndex()
        keyring = Keyring(tmp_path / "keys").made()
        to_the_end(source.worker(index, keyring, registry=Away(), limits=limits, journals=journals))
    assert [bool(item) for item in noted] == [True, False, False]
    assert not index.dead


def batch(first: int, count: int, partition: int = 0) -> Suspects:
    return Suspects("t", partition, first, first + count - 1)


def test_a_retry_of_everything_leaves_alone_what_ended_the_tagger() -> None:
    """It may end whoever tries it again: for somebody who names it, or its reason."""
    index = MemoryIndex()
    dead = [
        DeadRow("t", 0, number, reason, "", 9, NOW)
        for number, reason in enumerate(["truncated", ENDED_PROCESS])
    ]
    index.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=dead), lambda: NOW)
    letters = MemoryDeadLetters(index)
    tried: list[Sequence[Coordinates]] = []

    class Retry:
        def retry(self, places: Sequence[Coordinates]) -> dict[Coordinates, str]:
            tried.append(places)
            return dict.fromkeys(places, "truncated")

    desk = DeadLetterDesk(letters, Retry(), lambda: NOW)
    for chosen in (Chosen(), Chosen(reason=ENDED_PROCESS), Chosen(at=[("t", 0, 1)])):
        desk.retry(chosen, "dpo")
    assert tried == [[("t", 0, 0)], [("t", 0, 1)], [("t", 0, 1)]]
    desk.drop(Chosen(topic="t"), "dpo", "no event")
    assert [item["state"] for item in letters.find(("", -1, -1), 9)] == ["dropped", "dropped"]
