"""The token key is changed while events come in: no answer changes, at no moment, and the old key can go in the end."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import pyarrow as pa
import pytest

from console.api.app import create_app
from console.operations.keys import TokenKeys
from console.operations.rotation import Rotation
from schemas.errors import IndexUnavailable, InputError, KeyUnavailable
from schemas.keys import Keyring
from schemas.tokens import Tokenizer
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.keys import _FILLED
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.index import MemoryIndex
from sinks.memory.sinks import memory_sinks
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.sinks import Sinks
from streams.identity.rekeyed import Same
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess
from tests.support.index import Index
from tests.support.kinds import KINDS
from tests.support.rotation import EVENTS, NOW, WORLD, Rotated

THIRD = len(EVENTS.order) // 3


def nobody(request_id: str) -> list[Any]:
    """What a request gave where there is none."""
    raise AssertionError(request_id)


def in_memory(folder: Path) -> Rotated:
    return rotated(memory_sinks(), folder)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The answers of an index with one key."""
    company = in_memory(tmp_path_factory.mktemp("one"))
    company.tag(EVENTS.order, company.taggers[0])
    return company.every()


def mixed(company: Rotated) -> None:
    """A third of the events, a rotation, a third by taggers of either key in turns, and a third by the new one."""
    chance = random.Random(1)
    company.tag(EVENTS.order[:THIRD], company.taggers[0])
    company.rotate()
    for start in range(THIRD, 2 * THIRD, 100):
        places = EVENTS.order[start : min(start + 100, 2 * THIRD)]
        company.tag(places, chance.choice(company.taggers))
    company.tag(EVENTS.order[2 * THIRD :], company.taggers[1])


def test_answers_are_the_same(tmp_path: Path, wanted: Any) -> None:
    """Of every customer: resolution, links, events by tag set, others named in them; taggers of both keys write."""
    company = in_memory(tmp_path)
    mixed(company)
    assert len(company.key_ids) == 2
    assert company.every() == wanted


def test_three_keys_at_once(tmp_path: Path, wanted: Any) -> None:
    """A second rotation before the first is over; taggers of all three keys write, in any order."""
    company, chance = in_memory(tmp_path), random.Random(3)
    for start in range(0, len(EVENTS.order), 60):
        if start in (60, 180):
            company.rotate()
        company.tag(EVENTS.order[start : start + 60], chance.choice(company.taggers))
    assert len(company.key_ids) == 3
    assert company.every() == wanted


def test_events_tagged_under_both_keys_count_once(tmp_path: Path, wanted: Any) -> None:
    """As after a replay by a tagger of the new key: every row is there twice, every event in every answer once."""
    company = in_memory(tmp_path)
    company.tag(EVENTS.order, company.taggers[0])
    company.rotate()
    company.tag(EVENTS.order, company.taggers[1])
    assert company.every() == wanted


def test_without_the_new_key_nothing_is_answered(tmp_path: Path) -> None:
    """A host that lacks the new key's file is refused, and does not answer with what the old key finds."""
    company = in_memory(tmp_path)
    company.tag(EVENTS.order[:THIRD], company.taggers[0])
    shutil.copytree(tmp_path / "keys", tmp_path / "other" / "keys")
    other = TokenKeys(Keyring(tmp_path / "other" / "keys"), company.register, lambda: NOW)
    assert other.prove().key_id == company.key_ids[0]
    company.rotate()
    with pytest.raises(
        KeyUnavailable, match=f"token key {company.key_ids[1]}.* copy it from the host that has it"
    ):
        other.tokenizer()


def test_erasure_after_rotation_takes_rows_of_both_keys(tmp_path: Path) -> None:
    """Of the person is left what an index of one key leaves, under the old tokens and the new; so of everybody else."""
    left = []
    for name in ("one", "two"):
        company = in_memory(tmp_path / name)
        company.tag(EVENTS.order, company.taggers[0]) if name == "one" else mixed(company)
        person, *others = WORLD.customers
        found = company.person(person.identifiers())
        kept = {item.tags.id: None for item in company.reader.find(found.spans).holdings}
        assert company.eraser.forget(found.spans, kept).rows_removed
        assert company.reader.find(found.spans).total_events == 0
        newest = company.keys.tagging()
        spans = [
            Span(tokenizer.token(KINDS[kind], value))
            for kind, value in person.identifiers()
            for tokenizer in (newest, *newest.older)
        ]
        answers = [company.answer(other.identifiers()) for other in others]
        left.append((company.index.reader.find(spans).total_events, answers))
    assert left[0] == left[1]


@pytest.mark.parametrize("path", ["/v1/lineage/query", "/v1/access", "/v1/identity", "/v1/requests/plan"])
def test_a_question_whose_key_is_retired_meanwhile_is_not_answered_with_nothing(
    path: str, tmp_path: Path
) -> None:
    """It was asked under a key under which nothing is found any more: that is an error, not an answer."""
    old, new = Tokenizer(bytes(32), "old"), Tokenizer(bytes(31) + b"1", "new")
    keys = [old]
    app = create_app(services(tmp_path, tokens=lambda: keys.pop(0) if len(keys) > 1 else keys[0]))
    body = {"identifiers": [{"kind": "customer_number", "value": "k-100200"}]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn", headers=headers) as client:
        assert client.post(path, json=body).status_code == 200
        keys.append(new)
        refused = client.post(path, json=body)
        assert refused.status_code == 503
        assert "the token keys changed while this was answered; ask again" in refused.text
        assert client.post(path, json=body).status_code == 200


def test_a_retired_key_names_nobody_from_that_moment_on() -> None:
    """What was read of pairs is not kept over a change of the keys; chains of three keys have one name."""
    one, two, three, alone = (bytes([number]) * 16 for number in range(1, 5))
    index = MemoryIndex()
    changes = 2

    def pair(older: bytes, newer: bytes, key_id: str) -> None:
        row = {"older": [older], "newer": [newer], "key_id": [key_id]}
        index.write(LineageBatch(ROW_SCHEMA.empty_table(), pairs=pa.table(row, PAIR_SCHEMA)), lambda: NOW)

    pair(one, two, "a")
    pair(two, three, "b")
    same = Same(index, lambda: changes, kept_seconds=60)
    assert dict(same.names([one, two, three, alone])) == {one: one, two: one, three: one, alone: alone}
    newest = Same(index, lambda: changes, newest=True)
    assert dict(newest.names([one, two, three])) == dict.fromkeys((one, two, three), three)
    index.pairs_known.clear()
    pair(one, two, "")
    pair(two, three, "b")
    assert same.names([three])[three] == one
    changes = 3
    assert dict(same.names([one, two, three])) == dict.fromkeys((one, two, three), two)
    assert same.every([three])[three] == {one, two, three}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    made = ClickHouse(f"chdb://{tmp_path_factory.mktemp('index')}")
    migrate(made, NOW)
    yield made
    made.close()


class Meanwhile:
    """An index in which somebody is erased between the moment rows are read and the moment they are written anew."""

    def __init__(self, index: ClickHouse, act: Callable[[], object]) -> None:
        self._index = index
        self._acts = [act]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def insert(self, table: str, rows: Any) -> None:
        if table == "lineage" and self._acts:
            self._acts.pop()()
        self._index.insert(table, rows)


class Ending:
    """An index whose process ends at a statement that deletes."""

    def __init__(self, index: ClickHouse, fatal: int) -> None:
        self._index = index
        self._left = fatal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def command(self, sql: str, parameters: Any = None, *, erase: bool = False) -> None:
        self._left -= sql.startswith("DELETE")
        if not self._left:
            raise IndexUnavailable("ended")
        self._index.command(sql, parameters, erase=erase)


def rotated(sinks: Sinks, folder: Path) -> Rotated:
    parts = (
        sinks.writer(),
        sinks.reader,
        sinks.eraser,
        sinks.claims,
        sinks.beside,
        sinks.identifiers,
        sinks.clocks,
        sinks.facts,
        sinks.record_keys,
        sinks.expiry,
        sinks.expirer,
        sinks.exposed,
    )
    return Rotated(Index(*parts), sinks.keys, sinks.pairs, folder)


def test_the_whole_way_in_memory(tmp_path: Path, wanted: Any) -> None:
    """As in an index, asked about everybody."""
    sinks = memory_sinks()
    company = rotated(sinks, tmp_path)
    the_whole_way(company, sinks, lambda: company.every() == wanted)


def test_the_whole_way_in_an_index(database: ClickHouse, tmp_path: Path, wanted: Any) -> None:
    """Before, during and after: every answer the same, until the old key is destroyed; and then too."""
    sinks = clickhouse_sinks(database)
    company = rotated(sinks, tmp_path)
    # Each round asks about one: the engine takes its time.
    number = WORLD.customers[1].number

    def same() -> bool:
        return bool(company.answers(number, alone=False) == wanted[number][1:])

    # Ended at any statement that deletes: some rows are there under both keys, and count once.
    ended = [clickhouse_sinks(cast(ClickHouse, Ending(database, fatal))) for fatal in (1, 2, 3)]
    the_whole_way(company, sinks, same, ended)


def the_whole_way(
    company: Rotated, sinks: Sinks, same: Callable[[], bool], ended: Sequence[Sinks] = ()
) -> None:
    """`same`: every answer is what it would be with one key. `ended`: the same index, whose process ends on the way."""
    rotation = Rotation(company.keyring, sinks, lambda: NOW)
    stop = threading.Event()
    mixed(company)
    assert same()
    old, new = company.key_ids
    before, in_force = rotation.states()
    assert (before.key_id, in_force.key_id, in_force.in_force) == (old, new, True)
    for other in ended:
        with pytest.raises(IndexUnavailable, match="ended"):
            Rotation(company.keyring, other, lambda: NOW).move(stop)
        assert same()
    # What was seen under both keys moves by itself; the rest is named when somebody would destroy the key.
    assert rotation.move(stop)
    left, _ = rotation.states()
    assert 0 < left.resting.rows < before.resting.rows
    with pytest.raises(InputError, match=f"still rest {left.resting.rows:,} row"):
        rotation.retire(old, nobody)
    # Events that topics still hold are read again, for their pairs alone.
    company.tag(EVENTS.order, company.tagger(), pairs_only=True)
    assert rotation.move(stop)
    assert rotation.move(stop) == 0
    assert rotation.states()[0].resting.nothing
    assert same()
    # Destroyed: answers go on, a tagger that still runs with it is refused, and the key in force stays.
    frozen = company.person(WORLD.customers[0].identifiers())
    with pytest.raises(InputError, match="the key in force"):
        rotation.retire(new, nobody)
    assert rotation.retire(old, nobody)
    assert company.key_ids == [new]
    assert list(company.keyring.held()) == [new]
    assert same()
    with pytest.raises(KeyUnavailable, match="was retired; start it again"):
        company.tag(EVENTS.order[:10], company.taggers[0])
    assert not rotation.retire(old, nobody)
    assert company.person(WORLD.customers[0].identifiers()).subjects != frozen.subjects


def test_somebody_is_erased_while_rows_move(database: ClickHouse, tmp_path: Path) -> None:
    """What the erasure took under the old tokens does not come back under the new ones."""
    for table in (*_FILLED, "token_keys", "token_pairs", "lineage", "lineage_by_event", "findings"):
        database.command(f"TRUNCATE TABLE {table}")
    company = rotated(clickhouse_sinks(database), tmp_path)
    company.tag(EVENTS.order[:150], company.taggers[0])
    company.rotate()
    company.tag(EVENTS.order[:150], company.taggers[1], pairs_only=True)
    person = company.person(WORLD.customers[0].identifiers()[:1])
    found = company.reader.find(person.spans)
    assert found.total_events

    def erase() -> None:
        company.eraser.forget(person.spans, {item.tags.id: None for item in found.holdings})
        assert company.reader.find(person.spans).total_events == 0

    Rotation(
        company.keyring, clickhouse_sinks(cast(ClickHouse, Meanwhile(database, erase))), lambda: NOW
    ).move(threading.Event())
    assert company.reader.find(person.spans).total_events == 0
    assert Rotation(company.keyring, clickhouse_sinks(database), lambda: NOW).states()[0].resting.rows == 0
