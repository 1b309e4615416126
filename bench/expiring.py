"""How long it takes that people's data run out at once, in a large index. `python -m bench.expiring`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog

from bench.erasures import FIRST, NOW, Counting, Office
from bench.questions import World
from schemas.tags import tag_set
from schemas.vocabulary import Role
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.ports.clocks import CLOCK_SCHEMA
from sinks.ports.identifiers import IDENTIFIER_SCHEMA, bound_to
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.sinks import Sinks
from streams.tagging.sealing import key_name
from tests.support.approved_rules import approve_rules

_ENDED = NOW - timedelta(days=100)
_TOPIC = "crm.customers"


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.expiring", description=__doc__)
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index")
    wanted.add_argument("--claims", type=int, default=1_000_000, help="claims of access sessions in it")
    wanted.add_argument(
        "--people", type=int, default=1_000, help="people whose contract ended long enough ago"
    )
    asked = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Counting(f"chdb://{Path(folder) / 'index'}")) as index,
    ):
        world = World(np.random.default_rng(7))
        world.fill(index, asked.rows, asked.claims)
        sinks = clickhouse_sinks(index)
        office = Office(sinks, Path(folder), world, index)
        _leave(sinks, office, asked.people)
        found = _expire(office, asked.people)
        print(json.dumps({"rows": asked.rows, "people": asked.people, **found}, indent=1))
    return 0


def _leave(sinks: Sinks, office: Office, people: int) -> None:
    """Details of so many customers, and that their contract has ended."""
    record = office.company.every_record["CustomerDetails"]
    tags = tag_set(
        record,
        _TOPIC,
        Role.OWNER,
        catalogue_version=office.company.catalogue.version,
        key_id=office.world.tokenizer.key_id,
    )
    tokens = [office.token(FIRST + number) for number in range(people)]
    ended = _ENDED.replace(tzinfo=None)
    rows: dict[str, Any] = {
        "token": tokens,
        "topic": [_TOPIC] * people,
        "partition": [0] * people,
        "offset": list(range(people)),
        "role": [Role.OWNER.code] * people,
        "tag_set": [tags.id] * people,
        "event_time": [ended] * people,
        "port": [0] * people,
        "record": [0] * people,
    }
    clocks = [
        {
            **{name: column[number] for name, column in rows.items() if name in CLOCK_SCHEMA.names},
            "clock": "contract_end",
            "thing": tokens[number],
            "since": ended,
            "started": ended,
            "part": 0,
        }
        for number in range(people)
    ]
    name = key_name(NOW)
    kind = office.company.kinds.customer.name
    sealed = [
        office.keyring.seal(
            name, office.world.customer(FIRST + number).encode(), bound_to(tokens[number], kind)
        )
        for number in range(people)
    ]
    known = [tokens, [kind] * people, [0] * people, [name] * people, sealed]
    identifiers = pa.table(dict(zip(IDENTIFIER_SCHEMA.names, known, strict=True)), IDENTIFIER_SCHEMA)
    table = pa.table({name: pa.array(rows[name], ROW_SCHEMA.field(name).type) for name in rows})
    said = pa.Table.from_pylist(clocks, CLOCK_SCHEMA)
    sinks.writer().write(
        LineageBatch(table, tag_sets=[tags], clocks=said, identifiers=identifiers, key_id=tags.key_id),
        lambda: NOW,
    )


def _expire(office: Office, people: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    made: list[str] = []
    approve_rules(office.service, NOW)

    def begin() -> None:
        begun = office.service.expire_people(NOW, people)
        made.extend(item.request_id for item in begun.requests)

    with office.phase("found", people, found):
        begin()
    with office.phase("planned_and_told", people, found):
        office.service.resume()
    receipts: Sequence[Mapping[str, Any]] = office.answers(office.there())
    with office.phase("forgotten", people, found):
        office.service.on_receipts(receipts)
    found["commands"] = len(receipts)
    states = {item.request_id: item.state.value for item in office.service.requests()}
    found["states"] = Counter(states[name] for name in made)
    return found


if __name__ == "__main__":
    sys.exit(main())
