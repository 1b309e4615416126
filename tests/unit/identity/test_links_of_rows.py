"""Whose an identifier was, by a table that somebody else owns: as long as its rows say it, and no longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.by_contract import change, customer
from tests.support.claims import NOW
from tests.support.linked import REGISTER, Linked, row_contract

KARI, OLA = customer("700104"), customer("700105")
OLD, NEW = "kari@example.no", "kari.ny@example.no"
KEY = {"message_key": {"field": "number"}}


def row(at: int, email: str | None = OLD, number: str = "700104") -> dict[str, Any]:
    """As of so many milliseconds after NOW."""
    return {"number": number, "email": email, "phone": None, "changed_at": NOW + at}


def committed(op: str, before: Any, after: Any, at: int) -> dict[str, Any]:
    """A change that the database committed so many milliseconds after NOW."""
    return change(op, before, after, source={"ts_ms": NOW + at})


def table(folder: Path, *messages: Any, keys: dict[int, bytes] | None = None, **said: Any) -> Linked:
    return Linked(row_contract(folder, envelope="debezium", **said), messages, keys)


def test_an_address_that_changed_hands_is_each_ones_in_their_time(tmp_path: Path) -> None:
    """Kari has another one from then on; later the old one is Ola's."""
    linked = table(
        tmp_path,
        committed("c", None, row(0), 1),
        committed("u", row(0), row(100, NEW), 101),
        committed("c", None, row(200, OLD, "700105"), 201),
    )
    assert linked.links("email", OLD) == [(KARI, 0, 101), (OLA, 200, None)]
    assert linked.links("email", NEW) == [(KARI, 101, None)]


def test_json_that_says_another_address_ends_the_one_before(tmp_path: Path) -> None:
    """Without envelope: each event says what holds from then on, null that nothing does."""
    rows = [row(0), row(100, NEW), row(200, None)]
    linked = Linked(row_contract(tmp_path), rows)
    assert linked.links("email", OLD) == [(KARI, 0, 100)]
    assert linked.links("email", NEW) == [(KARI, 100, 200)]


def test_a_row_that_was_deleted_links_until_then(tmp_path: Path) -> None:
    """As the database dates it: by what was before, or by the key of the message."""
    whole = table(tmp_path, committed("c", None, row(0), 1), committed("d", row(0), None, 50))
    assert whole.links("email", OLD) == [(KARI, 0, 50)]
    keyed = table(
        tmp_path, committed("c", None, row(0), 1), committed("d", None, None, 50), keys={1: b"700104"}, **KEY
    )
    assert keyed.links("email", OLD) == [(KARI, 0, 50)]


def test_a_tombstone_ends_what_its_key_names(tmp_path: Path) -> None:
    """As of when it was written, which is later than the change of Debezium before it, and changes nothing then."""
    alone = Linked(row_contract(tmp_path, **KEY), [row(0), None], {1: b"700104"})
    # The key of message 1 was written a millisecond after NOW.
    assert alone.links("email", OLD) == [(KARI, 0, 1)]
    behind = table(
        tmp_path,
        committed("c", None, row(-9), -8),
        committed("d", row(-9), None, -5),
        None,
        keys={2: b"700104"},
        **KEY,
    )
    assert behind.links("email", OLD) == [(KARI, -9, -5)]


def test_what_is_deleted_and_written_anew_holds(tmp_path: Path) -> None:
    """Though the new row is dated before its database committed, and the tombstone after both."""
    linked = table(
        tmp_path,
        committed("c", None, row(-100), -99),
        committed("d", row(-100), None, -10),
        None,
        committed("c", None, row(-20, NEW), -10),
        keys={2: b"700104"},
        **KEY,
    )
    assert linked.links("email", OLD) == [(KARI, -100, -20)]
    assert linked.links("email", NEW) == [(KARI, -20, None)]


def test_what_was_written_last_is_what_is_deleted(tmp_path: Path) -> None:
    """Though the row is dated later than its deletion: two clocks differ, the order in the partition does not."""
    linked = table(
        tmp_path,
        committed("c", None, row(0), 1),
        committed("u", row(0), row(70, NEW), 30),
        committed("d", row(70, NEW), None, 50),
    )
    assert linked.links("email", OLD) == [(KARI, 0, 70)]
    assert linked.links("email", NEW) == [(KARI, 70, 71)]


def test_a_row_that_comes_back_with_an_older_date_does_not_undo_its_deletion(tmp_path: Path) -> None:
    """What was deleted ends then, and what came back holds from then on; without an address nothing does."""
    first = [committed("c", None, row(40), 41), committed("d", row(40), None, 50)]
    back = table(tmp_path, *first, committed("c", None, row(10, NEW), 60))
    assert back.links("email", OLD) == [(KARI, 40, 50)]
    assert back.links("email", NEW) == [(KARI, 50, None)]
    assert table(tmp_path, *first, committed("c", None, row(10, None), 60)).links("email", OLD) == [
        (KARI, 40, 50)
    ]
    told = Linked(row_contract(tmp_path, **KEY), [row(100), None, row(50, NEW)], {1: b"700104"})
    assert told.links("email", OLD) == [(KARI, 100, 101)]
    assert told.links("email", NEW) == [(KARI, 101, None)]


def test_of_several_that_come_back_the_newest_holds(tmp_path: Path) -> None:
    """In whatever order they came back."""
    first = [committed("c", None, row(40), 41), committed("d", row(40), None, 50)]
    for dates in ([10, 20], [20, 10]):
        back = [row(date, NEW if date == 20 else "kari.3@example.no") for date in dates]
        linked = table(tmp_path, *first, *(committed("c", None, one, 60) for one in back))
        assert linked.links("email", OLD) == [(KARI, 40, 50)]
        assert linked.links("email", NEW)[-1][2] is None
        assert all(until is not None for _, _, until in linked.links("email", "kari.3@example.no"))


def test_a_table_that_is_loaded_anew_each_night_says_what_it_said(tmp_path: Path) -> None:
    """Each row deleted and written as it was; after the last deletion nothing holds, whatever its clock says."""
    load = [
        message
        for night in (50, 100, 150)
        for message in (committed("d", row(40), None, night), committed("c", None, row(40), night + 1))
    ]
    first = committed("c", None, row(40), 41)
    whole = table(tmp_path, first, *load).links("email", OLD)
    assert (whole[0][1], whole[-1][2]) == (40, None)
    assert [until for _, _, until in whole[:-1]] == [since for _, since, _ in whole[1:]]
    ended = table(tmp_path, first, *load, committed("d", row(40), None, 120)).links("email", OLD)
    assert ended[-1][2] == 151


def test_a_row_that_keeps_its_own_time_is_dated_by_the_database(tmp_path: Path) -> None:
    """Where the time is that of the row's beginning, a change would else be as old as what it changed."""
    linked = table(tmp_path, committed("c", None, row(0), 1), committed("u", row(0), row(0, NEW), 80))
    assert linked.links("email", OLD) == [(KARI, 0, 80)]
    assert linked.links("email", NEW) == [(KARI, 80, None)]
    (time,) = {item["event_time"] for item in linked.prepared.batch.rows.to_pylist()}
    assert round(time.timestamp() * 1000) == NOW


def test_a_row_that_is_another_ones_now_links_the_first_no_longer(tmp_path: Path) -> None:
    """The address went with it; another spelling of the same number is the same person."""
    linked = table(
        tmp_path, committed("c", None, row(0), 1), committed("u", row(0), row(60, OLD, "700105"), 61)
    )
    assert linked.links("email", OLD) == [(KARI, 0, 61), (OLA, 61, None)]
    same = table(
        tmp_path, committed("c", None, row(0), 1), committed("u", row(0), row(60, OLD, " 700104"), 61)
    )
    assert same.links("email", OLD) == [(KARI, 0, None)]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_of_tables_does_not_matter(tmp_path: Path, backwards: bool) -> None:
    """Two people's rows in one batch, whichever comes first."""
    rows = [committed("c", None, row(0, OLD), 1), committed("c", None, row(50, NEW, "700105"), 51)]
    linked = table(tmp_path, *(reversed(rows) if backwards else rows), committed("d", row(0), None, 90))
    assert linked.links("email", OLD) == [(KARI, 0, 90)]
    assert linked.links("email", NEW) == [(OLA, 50, None)]


def test_what_was_lent_is_given_back_by_a_row_that_is_gone(tmp_path: Path) -> None:
    """A session ends with the row that says it; a change that says nothing new of it does not."""
    lent = {
        **REGISTER, "form": "session", "tokens": ["mac"], "mark": "event", "marks": {"lent": "open"},
    }  # fmt: skip
    thing = {**row(0), "mac": "02:00:5e:10:00:01", "event": "lent"}
    said = row_contract(tmp_path, lent, envelope="debezium")
    other = {**thing, "event": "cleaned", "changed_at": NOW + 40}
    messages = [
        committed("c", None, thing, 1),
        committed("u", thing, other, 41),
        committed("d", other, None, 90),
    ]
    assert Linked(said, messages[:2]).links("mac", thing["mac"]) == [(KARI, 0, None)]
    assert Linked(said, messages).links("mac", thing["mac"]) == [(KARI, 0, 90)]
    moved = {**other, "number": "700105", "event": "lent"}
    passed = [*messages[:1], committed("u", thing, moved, 60)]
    assert Linked(said, passed).links("mac", thing["mac"]) == [(KARI, 0, 60), (OLA, 60, None)]
