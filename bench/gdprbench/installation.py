"""A running instance with an index of its own, asked over HTTP on the loopback by one client.

What other implementations put in its place: something that takes events, delivers their systems' messages, and answers
the questions of docs/gdprbench.md. Kafka's messages are delivered at once, in this process: its time is in no figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.gdprbench.score import Refused
from console.api.protection.doors import Doors
from console.api.protection.recorder import Recorder
from console.api.services import Services
from schemas.records import RecordSchema
from sinks.clickhouse.audit import ClickHouseAudit
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.clickhouse.suppression import ClickHouseSuppression
from sinks.memory.audit import MemoryAudit
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.memory.suppression import MemorySuppression
from sinks.ports.audit import AuditLog
from sinks.ports.requests import RequestLog
from sinks.ports.resurrected import Arrival
from sinks.ports.suppression import SuppressionLedger
from streams.answers.breach import BreachFinder
from streams.answers.keeping import NOTHING_KEPT
from streams.identity.identities import Identities
from streams.identity.values import Value
from tests.support.api import services
from tests.support.index import Index, memory_index, running, sql_index
from tests.support.instance import running as serving
from tests.support.office import NOW, Office
from tests.support.suppressing import Watching

TOKEN, APPROVER = "an-invented-token-for-tests", "an-invented-token-of-approvers"
Person = Mapping[str, str]
"""Kinds and values of identifiers."""
QUERY, AUDITED = "/v1/lineage/query", "POST /v1/lineage/query"


class Installation:
    """Events are `publish`ed, questions are `ask`ed. `sizes`: what each answer counted, by path, as the record of
    questions has to have it."""

    def __init__(
        self, folder: Path, stack: ExitStack, on: str, records: Mapping[str, RecordSchema] | None = None
    ) -> None:
        """`on`: memory or chdb. `records`: schemas instead of the company's."""
        index, kept = _in_memory() if on == "memory" else _embedded(folder / "index", stack)
        self._watching = Watching(index.writer, kept.suppression)
        self._office = Office(
            folder,
            replace(index, writer=self._watching),
            stack,
            records=records,
            sealing=True,
            suppression=kept.suppression,
        )
        self._office.jobs_answer = True
        self._office.serve(NOTHING_KEPT, kept.requests)
        served = self._services(folder / "api", kept.audit)
        address = stack.enter_context(serving(folder / "home", served))
        self._api = stack.enter_context(httpx.Client(base_url=address, timeout=600))
        self.sizes: defaultdict[str, list[int]] = defaultdict(list)

    def _services(self, folder: Path, audit: AuditLog) -> Services:
        office = self._office
        tools, index = office.service._tools, office.index
        people = Identities(index.claims, office.catalogue.identity_sources)
        return services(
            folder,
            reader=index.reader,
            identities=tools.identities,
            tokens=office.keyring.tokenizer,
            rights=office.service,
            approver_token=APPROVER,
            # No user waits for the next one.
            doors=Doors(lookups=1e9, burst=10**9),
            clock=lambda: office.now,
            company=office.service._company,
            recorder=Recorder(audit),
            facts=index.facts,
            breaches=BreachFinder(
                index.exposed, index.claims, people, _Nobody(), office.service._company, tuple
            ),
        )

    @property
    def now(self) -> datetime:
        return self._office.now

    def later(self, time: timedelta) -> None:
        """The clock goes on."""
        self._office.now += time

    def publish(self, topic: str, *events: Mapping[str, Any]) -> None:
        """Events as producers send them: in the store of their system, and read by the tagger as one batch."""
        self._watching.arrival = Arrival.PRODUCER
        self._office.put(topic, *events)

    def replay(self) -> None:
        """Every topic is read again from its beginning."""
        self._watching.arrival = Arrival.REPLAY
        self._office.replay()

    def minute(self) -> None:
        """What the rights worker does each minute, and all messages that follow."""
        self.later(timedelta(minutes=1))
        self._office.service.recheck(self.now)
        self._office.service.came_back(self.now)
        self._office.deliver()

    def stored(self, system: str, person: Person) -> int:
        """How many records of a system name one of the identifiers: what the system itself has, not what is said."""
        return self._office.stored(system, *person.items())

    def stored_fields(self, system: str, record: str) -> list[dict[str, str]]:
        """The rows of a system's table, without what is empty in them and their own numbers."""
        with self._office.stores[system]._transaction() as connection:
            rows = connection.execute(f'SELECT * FROM "{record}"')
            names = [column[0] for column in rows.description]
            return [
                {
                    name: text
                    for name, text in zip(names, row, strict=True)
                    if text is not None and name != "_row"
                }
                for row in rows.fetchall()
            ]

    def ask(self, path: str, body: Mapping[str, Any], *, token: str = TOKEN) -> dict[str, Any]:
        """POST. Raises Refused."""
        answer = self._answer(
            self._api.post(path, json=body, headers={"Authorization": f"Bearer {token}"}), path
        )
        self.sizes[path].append(int(answer.get("total_events", 0)))
        return answer

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET. Raises Refused."""
        return self._answer(
            self._api.get(path, params=params, headers={"Authorization": f"Bearer {TOKEN}"}), path
        )

    def audited(self, action: str) -> list[dict[str, Any]]:
        """The questions of a kind that were answered, by the record of questions."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get("/v1/audit", action=action, limit=1000, cursor=cursor)
            found += [item for item in page["items"] if item["status"] == 200]
            cursor = page["next_cursor"]
        return found

    def _answer(self, answer: httpx.Response, path: str) -> dict[str, Any]:
        if not answer.is_success:
            raise Refused(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        said: dict[str, Any] = answer.json()
        return said

    def look_up(self, person: Person, **limits: Any) -> dict[str, Any]:
        """POST /v1/lineage/query."""
        return self.ask(QUERY, {**about(person), **limits})

    def events(self, person: Person, **limits: Any) -> int:
        """How many events it finds."""
        return int(self.look_up(person, **limits)["total_events"])

    def exercise(self, right: str, person: Person, **more: Any) -> dict[str, Any]:
        """A right exercised, as far as it comes by itself; recipients are told. The request as it stands then."""
        made = self.ask("/v1/requests", {**about(person), "type": right, "channel": "bench", **more})
        self._office.deliver()
        path = f"/v1/requests/{made['request_id']}"
        shown = self.get(path)
        if shown["state"] == "completed":
            return shown
        for item in shown["recipients"]:
            if not item["told"]:
                self.ask(f"{path}/notified", {"recipient": item["recipient"], "how": "email"})
        self._office.deliver()
        return self.get(path)

    def expire(self) -> str | None:
        """A retention run of everything that has run out; how it ended, None: nothing has."""
        begun = self.ask("/v1/retention/runs", {})["run"]
        if begun is None:
            return None
        self._office.deliver()
        run = self.get(f"/v1/requests/{begun}")
        if run["state"] == "planned":
            self.ask(f"/v1/requests/{begun}/approve", {"digest": run["digest"]}, token=APPROVER)
            self._office.deliver()
        return str(self.get(f"/v1/requests/{begun}")["state"])


@dataclass(frozen=True)
class _Kept:
    """What is kept beside the index."""

    audit: AuditLog
    requests: RequestLog
    suppression: SuppressionLedger


def _in_memory() -> tuple[Index, _Kept]:
    memory = MemoryIndex()
    return memory_index(memory), _Kept(MemoryAudit(), MemoryRequests(), MemorySuppression(memory))


def _embedded(folder: Path, stack: ExitStack) -> tuple[Index, _Kept]:
    database, _ = stack.enter_context(running("chdb", folder))
    migrate(database, NOW)
    kept = _Kept(ClickHouseAudit(database), ClickHouseRequests(database), ClickHouseSuppression(database))
    return sql_index(database), kept


def about(person: Person) -> dict[str, Any]:
    """A person as questions name one."""
    return {"identifiers": [{"kind": kind, "value": value} for kind, value in person.items()]}


class _Nobody:
    """No customer number is kept: nobody is to be told of a breach here."""

    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]:
        return {}
