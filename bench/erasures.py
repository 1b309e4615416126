"""How long erasures take that come together, in an index of ten million rows. `python -m bench.erasures`."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from bench.questions import World
from schemas.codec import decode
from schemas.company import load_company
from schemas.jobkeys import JobKey
from schemas.keys import Keyring
from schemas.own import own_record
from schemas.systemkeys import SystemKeyring, SystemKeys
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.ports.lineage import Span
from sinks.ports.sinks import Sinks
from streams.answers.clocks import Clocks
from streams.answers.keeping import Keeping
from streams.answers.preservation import Preservation
from streams.identity.identities import Identities
from streams.identity.values import SealedValues
from streams.rights.case import CaseFile
from streams.rights.protocol.messages import DELETION, Named, opened, receipt_message
from streams.rights.right import Clocked
from streams.rights.service import RightsService

NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)
FIRST = 12_000
"""The first of the customers who ask; none of them is behind a shared address."""


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.erasures", description=__doc__)
    wanted.add_argument("--rows", type=int, default=10_000_000, help="rows of the index")
    wanted.add_argument("--claims", type=int, default=1_000_000, help="claims of access sessions in it")
    wanted.add_argument("--requests", type=int, default=1_000, help="erasures asked for at once")
    wanted.add_argument(
        "--folder", type=Path, help="an index is made here where there is none; it is changed"
    )
    asked = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        there = (folder / "index").exists()
        with closing(Counting(f"chdb://{folder / 'index'}")) as index:
            world = World(np.random.default_rng(7))
            if not there:
                world.fill(index, asked.rows, asked.claims)
            office = Office(clickhouse_sinks(index), folder, world, index)
            found = office.erase(asked.requests)
            print(json.dumps({"rows": asked.rows, "requests": asked.requests, **found}, indent=1))
    return 0


class Counting(ClickHouse):
    """Counts the statements."""

    statements = 0

    def _client(self) -> Any:
        self.statements += 1
        return super()._client()


class ReadySystems(SystemKeyring):
    """Every system has a key as soon as it is told something, read once."""

    def of(self, system: str) -> SystemKeys:
        return self.made(system) if not self.path(system).exists() else super().of(system)


class ReadyKeyring(Keyring):
    """The keys of an installation that has added every system."""

    @property
    def systems(self) -> SystemKeyring:
        return ReadySystems(self.folder)


class Office:
    """Carries requests out on an index, with systems that answer at once."""

    def __init__(self, sinks: Sinks, folder: Path, world: World, index: Counting) -> None:
        self.world, self.index = world, index
        self.sent: list[tuple[str, bytes]] = []
        self.keyring = ReadyKeyring(folder / "keys").made()
        self.company = load_company()
        self.people = Identities(sinks.claims, self.company.identity_sources, sinks.beside)
        clocks = Clocks(sinks.clocks, self.company.catalogue.calendar)
        orders = Preservation(
            sinks.preservation,
            self.keyring,
            self.people,
            lambda: world.tokenizer,
            self.company.kinds,
            self.company.catalogue.calendar,
        )
        self.reader = sinks.reader
        self.file = CaseFile(sinks.requests, self.keyring, lambda: NOW)
        self.service = RightsService(
            sinks.requests,
            sinks.reader,
            sinks.eraser,
            self.people,
            self.keyring,
            self.company,
            lambda topic, message, key: self.sent.append((topic, message)),
            lambda: NOW,
            tokenizer=lambda: world.tokenizer,
            marks=sinks.marks,
            values=SealedValues(
                sinks.identifiers, self.keyring, claims=sinks.claims, records=sinks.record_keys
            ),
            open_letters=sinks.dead_letters.open,
            keeping=Keeping(clocks, orders),
            suppression=sinks.suppression,
            copies=sinks.copies,
            clocked=Clocked(sinks.clocks, sinks.expiry, sessions=sinks.retained),
        )

    def erase(self, requests: int) -> dict[str, Any]:
        """Seconds and statements of each phase, and what became of the requests."""
        found: dict[str, Any] = {}
        number = len(self.service.requests())
        people = range(FIRST + number, FIRST + number + requests)

        asked = [self._asked(number) for number in people]
        with self.phase("planned_and_told", requests, found):
            self.service.on_requests(asked)
        there = self.there()
        with self.phase("jobs", requests, found):
            receipts = self.answers(there)
        with self.phase("forgotten", requests, found):
            self.service.on_receipts(receipts)
        found["commands"] = len(receipts)
        states = {item.request_id: item.state.value for item in self.service.requests()}
        found["states"] = Counter(states[value["request_id"]] for value in asked)
        found["events_left"] = sum(self._events(number) for number in people)
        return found

    @contextmanager
    def phase(self, name: str, count: int, found: dict[str, Any]) -> Iterator[None]:
        """What is done meanwhile, of so many at once, measured."""
        before, began, used = self.index.statements, time.perf_counter(), time.process_time()
        yield
        seconds, used = time.perf_counter() - began, time.process_time() - used
        found[name] = {
            "seconds": round(seconds, 2),
            "processor_seconds": round(used, 2),
            "each_ms": round(1000 * seconds / count, 1),
            "statements_each": round((self.index.statements - before) / count, 2),
        }

    def token(self, number: int) -> bytes:
        """That of the customer number."""
        return self.world.tokenizer.token(self.company.kinds.customer, self.world.customer(number))

    def _asked(self, number: int) -> dict[str, Any]:
        """The announcement of a request, as whoever took it writes it."""
        request_id = f"r-{secrets.token_hex(8)}"
        given = [Named("customer_number", self.world.customer(number))]
        return {
            "request_id": request_id,
            "type": "erasure",
            "sealed_identifiers": self.file.seal(request_id, given, None),
            "channel": "bench",
            "reason": None,
            "received_at": NOW,
        }

    def _events(self, number: int) -> int:
        """How many events answers still show under the customer number."""
        return self.reader.find([Span(self.token(number))]).total_events

    def there(self) -> dict[str, int]:
        """By command how many records the system has of the person: what its job would count while it deletes."""
        return {
            name: command.planned or 0
            for request in self.service.requests()
            for name, command in request.commands.items()
        }

    def answers(self, there: Mapping[str, int]) -> list[Mapping[str, Any]]:
        """What each system answers, which does what a job does but for deleting: proves and opens its command, and
        signs that it is done."""
        record = own_record("ErasureCommand")
        # A job reads its keys when it starts.
        keys: dict[str, JobKey] = {}
        answers: list[Mapping[str, Any]] = []
        for topic, message in self.sent:
            if not topic.startswith(DELETION):
                continue
            command = decode(record, message)
            key = keys.get(command["system"]) or self.keyring.systems.job(command["system"]).current
            keys[command["system"]] = key
            opened(command, key)
            said = {
                "command_id": command["command_id"],
                "request_id": command["request_id"],
                "system": command["system"],
                "attempt": command["attempt"],
                "state": "done",
                "erased": there[command["command_id"]],
                "held": 0,
                "reported_at": NOW,
                "outcomes": [],
                **dict.fromkeys(("ground", "review_date", "reason", "citation", "retryable")),
            }
            answers.append(receipt_message(said, key))
        return answers


if __name__ == "__main__":
    sys.exit(main())
