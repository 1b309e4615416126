"""How long questions about a person take in an index of ten million rows. `python -m bench.questions`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from console.bodies import AccessQuery, LineageQuery
from console.wiring.answering import Answering
from schemas.catalogue import load_catalogue
from schemas.company import load_company
from schemas.records import load_records
from schemas.tags import tag_set
from schemas.tokens import TOKEN_BYTES, IdentifierKind, Tokenizer
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.identity import ALL_PORTS, CLAIM_SCHEMA, NOTHING, OpenClaims
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.answers import lookup
from streams.identity.identities import Identities

Ints = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint8]

_TOPICS = {"web.visits": "WebVisit", "network.traffic": "TrafficRecord", "tv.viewings": "TvViewing"}
_START_MS = int(datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000)
_DAY_MS = 86_400_000
_YEAR_MS = 365 * _DAY_MS
_NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
_BATCH = 1_000_000
_ADDRESSES, _CUSTOMERS, _REPORTS = 20_000, 20_000, 14
_SHARED = {"198.51.100.1": 63, "198.51.100.2": 504}
"""Shared addresses by how many blocks of ports they have."""
_HANDED_OUT = 40
"""How often each block was somebody's in the year."""
_BEHIND = 10_000
"""So many of the customers are behind shared addresses."""
_FIRST_ADDRESS = int(IPv4Address("10.0.0.0"))


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.questions", description=__doc__)
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index")
    wanted.add_argument("--claims", type=int, default=1_000_000, help="claims of access sessions in it")
    wanted.add_argument("--repeat", type=int, default=5, help="runs of each question; the median counts")
    wanted.add_argument("--folder", type=Path, help="an index made here stays, and is used again")
    asked = wanted.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        there = (folder / "index").exists()
        with closing(ClickHouse(f"chdb://{folder / 'index'}")) as index:
            world = World(np.random.default_rng(7))
            if not there:
                world.fill(index, asked.rows, asked.claims)
            print(json.dumps({"rows": asked.rows, **measure(world, index, asked.repeat)}, indent=1))
    return 0


@dataclass(frozen=True)
class World:
    """A provider: addresses that sessions have for some hours each, shared addresses, and a register of customers."""

    chance: np.random.Generator

    @property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(bytes(range(32)), "bench")

    def address(self, number: int) -> str:
        return str(IPv4Address(_FIRST_ADDRESS + number))

    def customer(self, number: int) -> str:
        return str(100_000 + number)

    def fill(self, index: ClickHouse, rows: int, claims: int) -> None:
        """Rows and claims of a year, merged as they are after a while."""
        migrate(index, _NOW)
        writer, chance = ClickHouseWriter(index), self.chance
        kinds = load_company().kinds
        addresses = self._tokens(kinds.address, [self.address(number) for number in range(_ADDRESSES)])
        shared = self._tokens(kinds.address, list(_SHARED))
        customers = self._tokens(kinds.customer, [self.customer(number) for number in range(_CUSTOMERS)])
        users = chance.integers(0, 256, (_CUSTOMERS, TOKEN_BYTES), np.uint8)
        told = [_register(users, customers), _sessions(chance, addresses, users, claims)]
        for number, (token, blocks) in enumerate(zip(shared, _SHARED.values(), strict=True)):
            told.append(_blocks(chance, token, users, blocks, number))
        offset = 0
        for table in told:
            for start in range(0, table.num_rows, _BATCH):
                part = table.slice(start, _BATCH)
                at = pa.array(np.arange(offset, offset + part.num_rows))
                part = part.set_column(part.schema.get_field_index("offset"), "offset", at)
                writer.write(LineageBatch(ROW_SCHEMA.empty_table(), claims=OpenClaims(part)), lambda: _NOW)
                offset += part.num_rows
        names = np.concatenate([addresses, customers, shared])
        for done in range(0, rows, _BATCH):
            count = min(_BATCH, rows - done)
            writer.write(_rows(chance, names, count, done, len(addresses) + len(customers)), lambda: _NOW)
        for table_name in ("lineage", "identity_claims"):
            index.command(f"OPTIMIZE TABLE {table_name} FINAL")

    def _tokens(self, kind: IdentifierKind, values: Sequence[str]) -> Tokens:
        tokenizer = self.tokenizer
        joined = b"".join(tokenizer.token(kind, value) for value in values)
        return np.frombuffer(joined, np.uint8).reshape(-1, TOKEN_BYTES)


def measure(world: World, index: ClickHouse, repeat: int) -> dict[str, Any]:
    """Seconds of each question, the median of the runs; of the plain look-up median and 95th percentile."""
    catalogue = load_catalogue()
    identities = Identities(ClickHouseClaims(index), catalogue.identity_sources)
    known = Answering(
        clickhouse_sinks(index), ClickHouseReader(index), identities, lambda: world.tokenizer, load_company()
    )
    chance = np.random.default_rng(3)
    found: dict[str, Any] = {}

    def at() -> str:
        moment = _START_MS + int(chance.integers(0, _YEAR_MS)) // 1000 * 1000
        return datetime.fromtimestamp(moment / 1000, UTC).isoformat()

    def lineage(identifiers: list[dict[str, Any]]) -> dict[str, Any]:
        return lookup.lineage(
            LineageQuery.model_validate({"identifiers": identifiers}).question(known.company.kinds),
            known,
            _NOW,
        )

    def access(identifiers: list[dict[str, Any]]) -> dict[str, Any]:
        return lookup.access(
            AccessQuery.model_validate({"identifiers": identifiers}).question(known.company.kinds),
            known,
            _NOW,
        )

    def addresses(count: int) -> list[dict[str, Any]]:
        numbers = chance.choice(_ADDRESSES, count, replace=False)
        return [{"kind": "ip", "value": world.address(int(number)), "at": at()} for number in numbers]

    def shared(value: str, count: int) -> list[dict[str, Any]]:
        given = {"kind": "ip", "value": value}
        return [{**given, "at": at(), "port": int(chance.integers(1_024, 65_536))} for _ in range(count)]

    def person(number: int) -> list[dict[str, Any]]:
        return [{"kind": "customer_number", "value": world.customer(number)}]

    for count in (1, 20, 100):
        found[f"addresses_with_times_{count}"] = _median(partial(_asked, lineage, addresses, count), repeat)
    for number, (value, blocks) in enumerate(_SHARED.items()):
        for count in (1, 100):
            asked = partial(_asked, lineage, partial(shared, value), count)
            found[f"shared_by_{blocks}_blocks_{count}_moments"] = _median(asked, repeat)
        behind = partial(_asked, access, person, 2 - number)
        found[f"access_behind_{blocks}_blocks"] = _median(behind, repeat)
    numbers = chance.integers(_BEHIND, _CUSTOMERS, 20 * repeat).tolist()
    one = [_timed(partial(_asked, lineage, person, number)) for number in numbers]
    found["plain_look_up"] = {
        "p50": round(float(np.percentile(one, 50)), 4),
        "p95": round(float(np.percentile(one, 95)), 4),
    }
    return found


def _asked(ask: Callable[[Any], object], whom: Callable[[int], Any], number: int) -> object:
    return ask(whom(number))


def _median(question: Callable[[], object], repeat: int) -> float:
    return round(statistics.median(_timed(question) for _ in range(repeat)), 3)


def _timed(question: Callable[[], object]) -> float:
    began = time.perf_counter()
    question()
    return time.perf_counter() - began


def _register(users: Tokens, customers: Tokens) -> pa.Table:
    """Whose the user names are."""
    count = len(users)
    said = {
        "form": ClaimForm.STATE.code,
        "token": users,
        "subject": customers,
        "group": users,
        "proof": Proof.HOLDER.code,
    }
    return _claims(np.full(count, _START_MS - _DAY_MS), **said, source="register")


def _sessions(chance: np.random.Generator, addresses: Tokens, users: Tokens, claims: int) -> pa.Table:
    """Access sessions of 14 reports, half an hour apart."""
    sessions = claims // _REPORTS
    start = _START_MS + chance.integers(0, _YEAR_MS, sessions)
    session, report = np.repeat(np.arange(sessions), _REPORTS), np.tile(np.arange(_REPORTS), sessions)
    at = start[session] + report * 1_800_000 + chance.integers(0, 5_000, len(session))
    user = chance.integers(100, _CUSTOMERS, sessions)[session]
    group = chance.integers(0, 256, (sessions, TOKEN_BYTES), np.uint8)
    lines = chance.integers(0, 256, (_CUSTOMERS, TOKEN_BYTES), np.uint8)
    return _claims(
        at,
        form=ClaimForm.SESSION.code,
        mark=np.where(
            report == 0, Mark.OPEN.code, np.where(report == _REPORTS - 1, Mark.CLOSE.code, Mark.SEEN.code)
        ),
        token=addresses[chance.integers(0, len(addresses), sessions)[session]],
        subject=users[user],
        group=group[session],
        line=lines[user],
        server=chance.integers(0, 256, (20, TOKEN_BYTES), np.uint8)[session % 20],
        proof=Proof.SUBSCRIBER.code,
        since=start[session],
    )


def _blocks(
    chance: np.random.Generator, token: npt.NDArray[np.uint8], users: Tokens, blocks: int, number: int
) -> pa.Table:
    """A shared address: each block of ports is given out again and again, now and then to one same customer."""
    size = (65_536 - 1_024) // blocks
    each = _YEAR_MS // _HANDED_OUT
    block, turn = np.repeat(np.arange(blocks), _HANDED_OUT), np.tile(np.arange(_HANDED_OUT), blocks)
    since = _START_MS + turn * each + chance.integers(0, each // 4, len(block))
    until = since + each // 2 + chance.integers(0, each // 4, len(block))
    user = chance.integers(100, _BEHIND, len(block))
    user[block == blocks // 2] = 2 - number
    group = chance.integers(0, 256, (len(block), TOKEN_BYTES), np.uint8)
    said = {
        "form": ClaimForm.SESSION.code,
        "token": np.broadcast_to(token, (len(block), TOKEN_BYTES)),
        "subject": users[user],
        "group": group,
        "port_from": 1_024 + block * size,
        "port_to": 1_024 + block * size + size - 1,
        "proof": Proof.SUBSCRIBER.code,
        "source": "nat_map",
    }
    ends = _claims(until, **said, mark=Mark.CLOSE.code)
    return pa.concat_tables([_claims(since, **said, mark=Mark.OPEN.code), ends]).unify_dictionaries()


def _rows(chance: np.random.Generator, names: Tokens, count: int, done: int, single: int) -> LineageBatch:
    """Events under addresses and customer numbers, one in twenty under a shared address."""
    topic, version = np.arange(count) % len(_TOPICS), load_catalogue().version
    tags = [
        tag_set(load_records()[record], name, "owner", catalogue_version=version, key_id="bench")
        for name, record in _TOPICS.items()
    ]
    name = chance.integers(0, single, count)
    shared = chance.random(count) < 0.05
    name[shared] = chance.integers(single, len(names), int(shared.sum()))
    table = pa.table(
        {
            "token": _binary(names[name]),
            "topic": pa.DictionaryArray.from_arrays(pa.array(topic.astype(np.int32)), list(_TOPICS)),
            "partition": pa.array(np.zeros(count, np.int32)),
            "offset": pa.array(done + np.arange(count)),
            "role": pa.array(np.ones(count, np.int8)),
            "tag_set": pa.array(np.array([item.id for item in tags], np.uint64)[topic]),
            "event_time": _times(_START_MS + chance.integers(0, _YEAR_MS, count)),
            "port": pa.array(np.where(shared, chance.integers(1_024, 65_536, count), 0).astype(np.uint16)),
            "record": pa.array(np.zeros(count, np.uint64)),
            "customer": pa.repeat(pa.scalar(NOTHING, pa.binary(TOKEN_BYTES)), count),
        },
        ROW_SCHEMA,
    )
    ranges = [OffsetRange(name, 0, done, done + count - 1, 0) for name in _TOPICS]
    return LineageBatch(table, tag_sets=tags, ranges=ranges)


def _claims(at: Ints, **said: Any) -> pa.Table:
    """A table of `CLAIM_SCHEMA`; what is not said is neutral."""
    count = len(at)
    values: dict[str, Any] = {
        "mark": Mark.OPEN.code,
        "port_to": ALL_PORTS[1],
        "source": "radius",
        "topic": "network.assignments",
    }
    values |= {"at": at} | said
    columns = []
    for wanted in CLAIM_SCHEMA:
        value = values.get(wanted.name, 0)
        if pa.types.is_dictionary(wanted.type):
            column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [value])
        elif pa.types.is_fixed_size_binary(wanted.type):
            column = _binary(value if wanted.name in said else np.zeros((count, TOKEN_BYTES), np.uint8))
        elif pa.types.is_timestamp(wanted.type):
            column = _times(value) if wanted.name in values else pa.nulls(count, wanted.type)
        else:
            column = pa.array(np.broadcast_to(np.asarray(value), count)).cast(wanted.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=CLAIM_SCHEMA)


def _binary(values: Tokens) -> pa.Array:
    held = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(TOKEN_BYTES), len(values), [None, held])


def _times(milliseconds: Ints) -> pa.Array:
    return pa.array(milliseconds.astype("datetime64[ms]"))


if __name__ == "__main__":
    sys.exit(main())
