"""Reference jobs carry out what has run out: in every store, once, and those who are kept lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from innsyn_sdk.files import FilesStore
from innsyn_sdk.outcome import Outcome, StoreUnavailable
from innsyn_sdk.postgresql import PostgresqlStore
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.testing import Kit

from tests.sdk.mapped import all_of, expiry_of, run_out
from tests.sdk.shelves import CALL, KARI, NINE, OLA, Folder, Row, Shelf, Tables, Topic, row

LATER = NINE + timedelta(hours=1)
KEPT = [Identifier("customer_number", KARI), Identifier("phone", "+4740000909")]
OLD: Sequence[Row] = [
    row(1, KARI),
    row(2, OLA),
    row(3, OLA, callee="+4740000909"),
    row(4, OLA, at=LATER),
    row(5, OLA, at=None),
    row(6),
]
"""Kari's, Ola's, one in which Ola called Kari, a later one, one without a time, and one that names nobody."""
GONE = {"2", "6"}


@pytest.fixture(
    params=[
        pytest.param(Tables, marks=pytest.mark.kafka),
        Folder,
        pytest.param(Topic, marks=pytest.mark.kafka),
    ]
)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    made: Callable[..., Shelf] = request.param
    found = made(tmp_path, request)
    found.put(OLD)
    found.store.check()
    return found


ALL = expiry_of([run_out(all_of(CALL), LATER)], KEPT)
NAMES = expiry_of([run_out(["Call.name"], LATER)], KEPT)


def left(shelf: Shelf) -> set[str]:
    return {*shelf.rows()}


def test_old_records_go_but_of_those_who_are_kept(shelf: Shelf) -> None:
    """The one without a time is told and stays. Twice it says the same; the next run finds that one alone."""
    before = shelf.rows()
    said = shelf.store.expire(ALL)
    assert (said.state, said.deleted, said.held, said.reason) == ("partial", (("Call", 2),), 1, "undated")
    assert (said.ground, said.review_date) == (None, None)
    assert shelf.rows() == {name: item for name, item in before.items() if name not in GONE}
    again = shelf.store.expire(replace(ALL, attempt=2))
    assert (again.deleted, again.held) == (said.deleted, said.held)
    later = shelf.store.expire(replace(ALL, command_id="x-20260310-1/s"))
    assert (later.state, later.erased, later.held) == ("partial", 0, 1)


def test_fields_are_emptied_and_counted_by_the_command_that_emptied_them(shelf: Shelf) -> None:
    """Another attempt at it counts the same, another command nothing."""
    said = shelf.store.expire(NAMES)
    assert (said.state, said.redacted, said.held) == ("partial", (("Call", 2),), 1)
    names = {name: item["name"] for name, item in shelf.rows().items()}
    assert names == {item["id"]: None if item["id"] in GONE else item["name"] for item in OLD}
    assert shelf.store.expire(replace(NAMES, attempt=2)).redacted == said.redacted
    assert shelf.store.expire(replace(NAMES, command_id="x-20260310-1/s")).redacted == ()


def test_rows_whose_time_stands_for_none_stay_and_are_told(shelf: Shelf) -> None:
    """Such as that of row 5; none of them is taken to be very old, or to be no matter because it is far ahead."""
    years = (1, 1900, 1970, 9999)
    shelf.put([row(7 + place, OLA, at=NINE.replace(year=year)) for place, year in enumerate(years)])
    outcome = shelf.store.expire(ALL)
    assert (outcome.erased, outcome.held, outcome.reason) == (2, 1 + len(years), "undated")
    assert {"7", "8", "9", "10"} <= left(shelf)


def test_a_list_of_people_whom_the_store_has_not_keeps_nobody(shelf: Shelf) -> None:
    """Nor does an empty one."""
    stranger = replace(ALL, kept=(Identifier("customer_number", "700999"), Identifier("passport", KARI)))
    assert dict(shelf.store.expire(stranger).deleted) == {"Call": 4}
    assert left(shelf) == {"4", "5"}


@pytest.mark.parametrize(
    "records",
    [
        [run_out(all_of(CALL), LATER), run_out(["Invoice.name"], LATER)],
        [run_out([*all_of(CALL), "Call.nothing"], LATER)],
    ],
)
def test_fields_of_other_systems_are_refused_before_anything_goes(shelf: Shelf, records: Any) -> None:
    said = shelf.store.expire(replace(ALL, records=tuple(records)))
    assert (said.state, said.reason) == ("failed", "unknown_field")
    assert left(shelf) == {item["id"] for item in OLD}


def test_the_kit_finds_nothing_wrong(shelf: Shelf, tmp_path: Path) -> None:
    """Once with the list of those who stay, then without it."""
    kit, who = Kit(tmp_path, "shop"), [("customer_number", KARI)]
    assert kit.play_retention(shelf.store.expire, who, all_of(CALL), LATER, undated=True) == []
    assert left(shelf) == {"4", "5"}


def sloppy(said: dict[str, Any]) -> Callable[[Shelf], Callable[[Any], Outcome]]:
    def made(shelf: Shelf) -> Callable[[Any], Outcome]:
        return lambda expiry: shelf.store.expire(replace(expiry, **said))

    return made


@pytest.mark.parametrize(
    ("expire", "wrong"),
    [
        (sloppy({"kept": ()}), "erased nothing, though the store has something that has run out"),
        (sloppy({"command_id": "always/s"}), "erased"),
        (
            lambda shelf: lambda expiry: replace(shelf.store.expire(expiry), reason=None),
            "does not tell of the record without a time",
        ),
    ],
)
def test_the_kit_finds_a_job_that_keeps_nobody_or_is_silent(
    tmp_path: Path, request: pytest.FixtureRequest, expire: Any, wrong: str
) -> None:
    shelf = Folder(tmp_path, request)
    shelf.put(OLD)
    who = [("customer_number", KARI)]
    found = Kit(tmp_path, "shop").play_retention(expire(shelf), who, all_of(CALL), LATER, undated=True)
    assert any(wrong in sentence for sentence in found), found


def test_a_job_killed_after_a_file_was_written_counts_it_once(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the new file and its outcome: whoever comes next deletes nothing more and says as much."""
    for number, (command, counted) in enumerate(((ALL, "deleted"), (NAMES, "redacted"))):
        (tmp_path / str(number)).mkdir()
        shelf = Folder(tmp_path / str(number), request)
        shelf.put(OLD)
        with monkeypatch.context() as patch:
            patch.setattr("innsyn_sdk.files._to_disk", killed)
            with pytest.raises(KeyboardInterrupt):
                shelf.store.expire(command)
        assert isinstance(shelf.store, FilesStore)
        said = shelf.store.expire(command)
        assert getattr(said, counted) == (("Call", 2),)
        assert said.held == 1


def killed(_: Path) -> None:
    raise KeyboardInterrupt


@pytest.mark.kafka
def test_a_transaction_that_is_cut_off_left_everything(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the deletion and the outcome in PostgreSQL: both, or neither."""
    shelf = Tables(tmp_path, request)
    shelf.put(OLD)
    with monkeypatch.context() as patch:
        patch.setattr(PostgresqlStore, "_ended", cut)
        with pytest.raises(KeyboardInterrupt):
            shelf.store.expire(ALL)
    assert left(shelf) == {item["id"] for item in OLD}
    first = shelf.store.expire(ALL)
    assert dict(first.deleted) == {"Call": 2}
    assert shelf.store.expire(ALL) == first
    assert shelf.store.expire(replace(ALL, attempt=0)).reason == "superseded"


def cut(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.kafka
def test_a_topic_that_was_written_to_meanwhile_keeps_what_came(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone that fell upon a newer value, which has not run out, gives it back."""
    shelf = Topic(tmp_path, request)
    shelf.put(OLD)
    written = shelf.store._write

    def late(*said: Any) -> Any:
        shelf.put([row(2, OLA, name="new", at=LATER)])
        return written(*said)

    monkeypatch.setattr(shelf.store, "_write", late)
    assert dict(shelf.store.expire(ALL).deleted) == {"Call": 2}
    assert shelf.rows()["2"]["name"] == "new"


@pytest.mark.kafka
def test_a_store_that_is_away_is_tried_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A trigger that keeps rows back in silence is no success."""
    shelf = Tables(tmp_path, request)
    shelf.put(OLD)
    shelf.connection.execute(
        "CREATE FUNCTION shop.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER keep BEFORE DELETE ON shop.call FOR EACH ROW EXECUTE FUNCTION shop.keep()"
    )
    with pytest.raises(StoreUnavailable):
        shelf.store.expire(ALL)
    assert left(shelf) == {item["id"] for item in OLD}


def test_times_of_any_zone_are_compared_as_moments(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Not as they are written."""
    shelf = Folder(tmp_path, request)
    oslo = datetime.fromisoformat("2026-03-01T10:30:00+01:00")
    shelf.put([row(1, OLA, at=oslo), row(2, OLA, at=oslo + timedelta(hours=1))])
    assert dict(shelf.store.expire(ALL).deleted) == {"Call": 1}
    assert left(shelf) == {"2"}
