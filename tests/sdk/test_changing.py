"""Reference jobs beside erasing: they copy, correct and restrict the person's rows and no others, in every store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.changing import Changing, _read, _text, freed, marked, restricts
from innsyn_sdk.copies import chunks
from innsyn_sdk.files import FilesStore
from innsyn_sdk.mapping import NotAJob, read_job
from innsyn_sdk.outcome import Outcome
from innsyn_sdk.protocol import Command, Identifier
from innsyn_sdk.running import job_of
from innsyn_sdk.testing import Kit

from tests.sdk.mapped import all_of, command_of
from tests.sdk.shelves import CALL, HERS, KARI, NINE, OLA, ROWS, WHO, Folder, Shelf, Tables, Topic, row
from tests.support.time_bounds import HANGING_SECONDS


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
    found.put(ROWS)
    found.store.check()
    return found


def changing(shelf: Shelf) -> Changing:
    return Changing(shelf.store, [shelf.mapping], shelf.store.state)


def told(kind: str, who: Sequence[Identifier] = WHO, **said: Any) -> Command:
    return replace(command_of(who, said.pop("fields", ())), kind=kind, **said)


def counts(outcome: Outcome | Sequence[Any]) -> tuple[str, dict[str, int]]:
    assert isinstance(outcome, Outcome)
    return outcome.state, dict(outcome.records)


def marks(shelf: Shelf) -> dict[str, str]:
    return {name: item["restricted"] for name, item in shelf.rows().items() if item["restricted"]}


def test_a_copy_is_of_the_persons_rows_alone(shelf: Shelf) -> None:
    """Whole, by field, with times in UTC; nothing is changed."""
    before = shelf.rows()
    found = changing(shelf).export(told("access"))
    assert not isinstance(found, Outcome)
    assert {name for name, _ in found} == {"Call"}
    assert sorted(values["name"] for _, values in found) == ["name 1", "name 2", "name 3"]
    (mine,) = (values for _, values in found if values["name"] == "name 1")
    assert mine == {
        "customer_number": KARI, "callee": None, "name": "name 1", "callee_name": "other 1", "client_address": None,
        "at": NINE,
    }  # fmt: skip
    assert shelf.rows() == before


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-02:00", "0001-01-01T00:00:00+00:00"]
)
def test_a_copy_has_a_time_that_stands_for_none_as_the_store_has_it(
    tmp_path: Path, at: str, request: Any
) -> None:
    """UTC has no such day where the zone lies east, or west at the end of all days."""
    shelf = Folder(tmp_path, request)
    shelf.put([row(7, KARI, at=datetime.fromisoformat(at)), row(8, KARI, callee=None)])
    found = changing(shelf).export(told("access"))
    assert not isinstance(found, Outcome)
    (part,), _ = chunks(found)
    assert [item["values"]["at"] for item in json.loads(part)] == [at, NINE.isoformat()]


def test_what_is_right_is_written_into_what_is_about_the_person(shelf: Shelf) -> None:
    """Where she is only called it is another's name, and there what is said of whom was called is hers."""
    before = shelf.rows()
    command = told("rectification", content={"Call.name": "Kari Ås", "Call.callee_name": "K. Ås"})
    job = changing(shelf)
    for _ in range(2):
        assert counts(job.rectify(command)) == ("done", {"Call": 3})
        after = shelf.rows()
        assert {name for name in after if after[name] != before[name]} == {*HERS}
        assert [after[name]["name"] for name in HERS] == ["Kari Ås", "name 2", "Kari Ås"]
        assert [after[name]["callee_name"] for name in HERS] == ["other 1", "K. Ås", "other 3"]


def test_a_restriction_is_marked_for_its_purposes_and_taken_away_alone(shelf: Shelf) -> None:
    """Two of one person: each is lifted by itself, and the second time there is nothing to lift."""
    before, job = shelf.rows(), changing(shelf)
    one = told("restrict", expected={"Call": 3}, purposes=("P-MARKETING", "P-ANALYTICS"))
    other = replace(one, command_id="r-2/s", purposes=())
    for command in (one, one, other):
        assert counts(job.restrict(command)) == ("done", {"Call": 3})
    both = "*@r-2/s P-ANALYTICS@r-1/s P-MARKETING@r-1/s"
    assert marks(shelf) == dict.fromkeys(HERS, both)
    lift = replace(other, command_id="r-2/s/lift", kind="lift", expected={})
    assert counts(job.restrict(lift)) == ("done", {"Call": 3})
    assert marks(shelf) == dict.fromkeys(HERS, "P-ANALYTICS@r-1/s P-MARKETING@r-1/s")
    assert job.restrict(lift).state == "not_found"
    assert counts(job.restrict(replace(lift, command_id="r-1/s/lift"))) == ("done", {"Call": 3})
    assert shelf.rows() == before
    assert shelf.store.state.restrictions() == {}


def test_a_row_that_its_key_alone_names_is_copied_corrected_restricted_and_freed(shelf: Shelf) -> None:
    """One at her address, an hour after it was hers; another with such a key is Ola's, who is named there."""
    keys = [Identifier("", f"name {number}", record="Call", field="name") for number in (4, 5)]
    who, before, job = [Identifier("customer_number", KARI), *keys], shelf.rows(), changing(shelf)
    copy = job.export(told("access", who))
    assert not isinstance(copy, Outcome)
    assert sorted(values["name"] for _, values in copy) == ["name 1", "name 4"]
    for _ in range(2):
        assert counts(job.restrict(told("restrict", who, expected={"Call": 2}))) == ("done", {"Call": 2})
        job.mark_again()
    assert marks(shelf) == dict.fromkeys(["1", "4"], "*@r-1/s")
    assert counts(job.restrict(told("lift", who, command_id="r-1/s/lift"))) == ("done", {"Call": 2})
    assert shelf.rows() == before
    corrected = job.rectify(told("rectification", who, content={"Call.client_address": "192.0.2.9"}))
    assert counts(corrected) == ("done", {"Call": 2})
    after = shelf.rows()
    assert {name for name in after if after[name] != before[name]} == {"1", "4"}


def test_rows_that_come_later_are_restricted_too(shelf: Shelf) -> None:
    """Until it is lifted."""
    job = changing(shelf)
    job.restrict(told("restrict", expected={"Call": 3}))
    shelf.put([row(6, KARI), row(7, OLA)])
    job.mark_again()
    assert marks(shelf) == dict.fromkeys([*HERS, "6"], "*@r-1/s")
    job.restrict(told("lift", command_id="r-1/s/lift"))
    shelf.put([row(8, KARI)])
    job.mark_again()
    assert marks(shelf) == {}


def test_whoever_is_erased_is_remembered_no_longer(shelf: Shelf) -> None:
    """And whoever is not still is."""
    job = changing(shelf)
    job.restrict(told("restrict", expected={"Call": 3}))
    by_name = [Identifier("customer_number", OLA)]
    job.restrict(replace(told("restrict", by_name), command_id="r-2/s"))
    assert shelf.store.erase(command_of(WHO, all_of(CALL))).state == "done"
    job.forget()
    assert [*shelf.store.state.restrictions()] == ["r-2/s"]


def test_of_nobody_nothing_is_done_or_remembered(shelf: Shelf) -> None:
    nobody = [Identifier("customer_number", "1")]
    before, job = shelf.rows(), changing(shelf)
    assert job.export(told("access", nobody)) == []
    content = {"Call.name": "Kari Ås"}
    assert job.rectify(told("rectification", nobody, content=content)).state == "not_found"
    assert job.restrict(told("restrict", nobody)).state == "not_found"
    assert shelf.store.state.restrictions() == {}
    assert shelf.rows() == before


@pytest.mark.parametrize(
    ("kind", "said", "reason"),
    [
        ("rectification", {"content": {"Invoice.name": "Kari Ås"}}, "needs_person"),
        ("rectification", {"content": {"Call.notes": "Kari Ås"}}, "unknown_field"),
        ("rectification", {"content": {"Call.name": ["Kari", "Ås"]}}, "needs_person"),
        ("restrict", {"expected": {"Call": 3, "Invoice": 1}}, "needs_person"),
        ("access", {"fields": ["Invoice.name"]}, "unknown_field"),
        ("access", {"fields": ["Call.notes"]}, "unknown_field"),
    ],
)
def test_what_the_file_does_not_map_is_said_and_nothing_is_done(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, said: dict[str, Any], reason: str
) -> None:
    shelf = Folder(tmp_path, request)
    shelf.put(ROWS)
    job, before = changing(shelf), shelf.rows()
    handlers: dict[str, Any] = {"rectification": job.rectify, "restrict": job.restrict, "access": job.export}
    outcome = handlers[kind](told(kind, **said))
    assert (outcome.state, outcome.reason) == ("failed", reason)
    assert shelf.rows() == before
    assert shelf.store.state.restrictions() == {}


def test_each_right_holds_against_what_the_kit_plays(shelf: Shelf, tmp_path: Path) -> None:
    """The cases of `innsyn job test`."""
    kit, job = Kit(tmp_path, "shop"), changing(shelf)
    who = [("customer_number", KARI)]
    assert kit.play_right("access", job.export, who) == []
    assert kit.play_right("rectification", job.rectify, who, content={"Call.name": "Kari Ås"}) == []
    expected = [{"record": "Call", "count": 1}]
    assert kit.play_right("restrict", job.restrict, who, purposes=["P-MARKETING"], expected=expected) == []


class Killed(BaseException):
    """The job's process is gone."""


@pytest.mark.kafka
@pytest.mark.parametrize("killed", [False, True])
def test_a_value_that_came_meanwhile_is_not_lost(
    tmp_path: Path,
    kafka_bootstrap: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    killed: bool,
) -> None:
    """Of a compacted topic: what somebody wrote, or deleted, between the look and the change, whatever ended the job
    when it had written."""
    shelf = Topic(tmp_path, request)
    shelf.put([row(1, KARI), row(2, KARI), row(3, KARI)])
    log = shelf.store._log
    sent = log.sent

    def overtaken(topic: str, messages: Any) -> Any:
        monkeypatch.undo()
        shelf.put([row(1, KARI, name="newer"), row(2, OLA)])
        producer = Producer(shelf.kafka)
        producer.produce(topic, None, b"3")
        assert producer.flush(HANGING_SECONDS) == 0
        stored = sent(topic, messages)
        if killed:
            raise Killed
        return stored

    monkeypatch.setattr(log, "sent", overtaken)
    if killed:
        with pytest.raises(Killed):
            changing(shelf).restrict(told("restrict"))
    changing(shelf).restrict(told("restrict"))
    found = {name: (item["name"], item["restricted"]) for name, item in shelf.rows().items()}
    assert found == {"1": ("newer", "*@r-1/s"), "2": ("name 2", None)}


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["r-1/s", "r-2/s", "r-10/s"]),
        st.sets(st.sampled_from(["P-A", "P-AB"])),
        st.booleans(),
    )
)


@given(ACTS)
def test_marks_say_what_stands(acts: list[tuple[str, set[str], bool]]) -> None:
    """After any restrictions and lifts: a purpose is stopped if a restriction that stands is of it, or of all."""
    value: str | None = None
    standing: dict[str, set[str]] = {}
    for command_id, purposes, ends in acts:
        if ends:
            standing.pop(command_id, None)
            value = freed(value, command_id)
        else:
            standing[command_id] = purposes
            value = marked(value, command_id, purposes)
        for purpose in ("P-A", "P-AB", "P-B"):
            assert restricts(value, purpose) == any(not some or purpose in some for some in standing.values())
    assert (value is None) == (not standing)


FILE = """
keys = ["billing.json"]
state = "state.sqlite"
{more}
[kafka]
"bootstrap.servers" = "localhost:1"
[files]
folder = "calls"
[[records]]
record = "Call"
at = "*.ndjson"
{restricted}
[records.columns]
customer = {{field = "customer_number", kind = "customer_number", names = "customer"}}
"""


def job_file(folder: Path, more: str, restricted: str = 'restricted = "restricted"') -> Any:
    path = folder / "job.toml"
    path.write_text(FILE.format(more=more, restricted=restricted))
    return read_job(path, "files", {"folder": str})


def test_a_job_follows_the_topics_of_the_rights_in_its_file(tmp_path: Path) -> None:
    """Without a word of them it erases."""
    Kit(tmp_path, "billing")
    (tmp_path / "calls").mkdir()
    for more, topics in (
        ("", ["deletion.billing"]),
        ('rights = ["access", "restriction"]', ["access.billing", "restriction.billing"]),
    ):
        file = job_file(tmp_path, more)
        store = FilesStore(tmp_path / "calls", file.records, tmp_path / "state.sqlite")
        with closing(store):
            assert job_of(file, store).topics == topics


@pytest.mark.parametrize(
    ("more", "restricted", "why"),
    [
        ('rights = ["portability"]', "", "`rights` are some of"),
        ('rights = ["restriction"]', "", "needs `restricted`"),
        ('rights = ["restriction"]', 'restricted = "customer"', "a column of its own"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(
    tmp_path: Path, more: str, restricted: str, why: str
) -> None:
    with pytest.raises(NotAJob, match=why):
        job_file(tmp_path, more, restricted)


def test_between_commands_it_is_marked_again(tmp_path: Path) -> None:
    """As often as the job's file says; a store that is away is asked again."""
    kit, calls = Kit(tmp_path, "billing"), list[int]()
    job = kit.job(restrict=lambda _: None, meanwhile=lambda: calls.append(1), every_seconds=0.0)
    job.between()
    job.between()
    assert len(calls) == 2
    later = kit.job(restrict=lambda _: None, meanwhile=lambda: calls.append(1), every_seconds=3_600.0)
    later.between()
    assert len(calls) == 2


def test_what_a_restriction_is_about_is_read_as_it_was_written() -> None:
    """With intervals and ports."""
    who = [
        *WHO,
        Identifier("ip", "192.0.2.7", at=NINE, port=4000),
        Identifier("ip", "2001:db8::/56", prefix=True),
    ]
    assert _read(_text(who, ["Call"], ["P-B", "P-A"])) == (who, ["Call"], ["P-A", "P-B"])
