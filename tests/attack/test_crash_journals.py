"""What a tagger notes of what it has in hand, so that the next start knows what ended it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.tagging.crashes.journal import Journal, Suspects, suspects_of


def batch(first: int, count: int, partition: int = 0) -> Suspects:
    return Suspects("t", partition, first, first + count - 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_what_is_noted_of_a_batch_is_its_messages(steps: list[tuple[int, int]]) -> None:
    """The first and the last offset of each partition, however they lie among each other."""
    at = dict.fromkeys(range(6), 0)
    messages = []
    for number, gap in steps:
        at[number] += 1 + gap
        messages.append((number + 100_000, at[number]))
    partition, offset = (np.array(column) for column in zip(*messages, strict=True))
    noted = suspects_of("t", partition.astype(np.int32), offset.astype(np.int64))
    for item in noted:
        mine = [place for number, place in messages if number == item.partition]
        assert (item.topic, item.first, item.last) == ("t", mine[0], mine[-1])
    assert [item.partition for item in noted] == sorted({number for number, _ in messages})
    assert np.logical_or.reduce([item.among("t", partition, offset) for item in noted]).all()
    assert not noted[0].among("u", partition, offset).any()


def test_a_journal_is_kept_until_the_ledger_has_passed(tmp_path: Path) -> None:
    """Over starts that do not get the partition, too: it may be somebody else's for a while."""
    journal = Journal(tmp_path)
    journal.begin([batch(10, 5), batch(90, 5, partition=3)])
    journal.close(clean=False)
    for _ in range(2):
        journal = Journal(tmp_path)
        assert journal.suspects == (batch(10, 5), batch(90, 5, partition=3))
        journal.passed({("t", 0): 15, ("t", 3): 90})
        journal.begin([])
        journal.alone(("t", 3, 91))
        journal.passed({("t", 3): 90})
        journal.close(clean=True)
        journal = Journal(tmp_path)
        assert journal.suspects == (batch(90, 5, partition=3),)
        assert journal.fatal == frozenset()
        journal.suspects = (batch(10, 5), *journal.suspects)
        journal.close(clean=True)
    journal = Journal(tmp_path)
    journal.passed({("t", 0): 15, ("t", 3): 95})
    journal.close(clean=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_pinned_is_kept_until_the_ledger_has_passed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.again([batch(10, 5), batch(90, 5, partition=3)])
    journal.close(clean=False)
    for at, left in (({}, 2), ({("t", 0): 14}, 2), ({("t", 0): 15}, 1)):
        journal = Journal(tmp_path)
        journal.passed(at)
        assert len(journal.pinned) == left
        assert journal.suspects == ()
        journal.close(clean=True)
    journal = Journal(tmp_path)
    journal.passed({("t", 3): 95})
    journal.close(clean=True)
    assert list(tmp_path.iterdir()) == []


def test_taggers_of_one_host_keep_their_journals_apart(tmp_path: Path) -> None:
    """And the next start takes what both left, whichever it is."""
    one, two = Journal(tmp_path), Journal(tmp_path)
    one.alone(("t", 0, 5))
    two.begin([batch(0, 3, partition=1)])
    one.close(clean=False)
    two.close(clean=False)
    both = Journal(tmp_path)
    assert both.fatal == {("t", 0, 5)}
    assert both.suspects == (batch(0, 3, partition=1),)
    both.close(clean=False)
    again = Journal(tmp_path)
    assert (again.fatal, again.suspects) == (both.fatal, both.suspects)
    again.close(clean=False)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"no note",
        b'{"batch": 3}\n',
        b'{"batch": [["t", [0], 1, 2]]}\n',
        b'{"alone": ["t"]}\n',
        b"[]\n",
        b"\xff\n",
    ],
)
def test_a_journal_that_is_none_stops_no_start(tmp_path: Path, note: bytes) -> None:
    """It only makes the way to a fatal offset longer."""
    (tmp_path / "tagger-0.journal").write_bytes(note)
    journal = Journal(tmp_path)
    assert (journal.suspects, journal.fatal) == ((), frozenset())
    journal.close(clean=True)


def test_a_shorter_note_after_a_longer_one_is_read_whole(tmp_path: Path) -> None:
    """What is left of the longer one is no part of it."""
    journal = Journal(tmp_path)
    journal.begin([batch(0, 3, partition=number) for number in range(40)])
    journal.alone(("t", 0, 5))
    journal.close(clean=False)
    assert Journal(tmp_path).fatal == {("t", 0, 5)}
    assert (os.stat(tmp_path / "tagger-0.journal").st_mode & 0o777) == 0o600
