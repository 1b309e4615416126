"""Events of some age, the index that knows of them, and the systems that hold them: a world for retention runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from schemas.codec import decode
from schemas.company import Company
from schemas.own import own_record
from schemas.tags import TagSet, tag_set
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.answers.run_plan import run_from_json
from streams.rights.kept import kept_while_told
from streams.rights.protocol.messages import decoded, kept_of
from streams.rights.protocol.request import RequestState
from tests.support.company import copies_by_hand
from tests.support.histories import RECORDS
from tests.support.kinds import KINDS
from tests.support.processes import keyring
from tests.support.receipts import job_key

CUSTOMERS = ("10042", "10043")
TOPICS = {
    "tv.viewings": ("TvViewing", "tv_middleware", 43),
    "credit.checks": ("CreditCheck", "credit_gateway", 93),
    "web.logins": ("Login", "web", 91),
}
"""Of each: what it has, where its records are kept, and after so many days it has run out (T31, T14, T30)."""
NARROWED = "Login"
"""Of which only a part runs out: its cookie."""
_DAY = timedelta(days=1)


@cache
def company() -> Company:
    """No job of which delivers copies."""
    return copies_by_hand()


@cache
def token(customer: str) -> bytes:
    return keyring().tokenizer().token(KINDS["customer_number"], customer)


@cache
def tags(topic: str) -> TagSet:
    key_id, version = keyring().tokenizer().key_id, company().catalogue.version
    return tag_set(RECORDS[TOPICS[topic][0]], topic, "owner", catalogue_version=version, key_id=key_id)


@cache
def announced(message: bytes) -> dict[str, Any]:
    """A request, or a run."""
    return decode(RECORDS["RightsRequest"], message)


@cache
def commanded(message: bytes) -> dict[str, Any]:
    """An ErasureCommand or a RetentionCommand."""
    return decoded(own_record("ErasureCommand"), message)


@dataclass(eq=False)
class Event:
    """What happened to a customer; `blanked`: its system has emptied what had run out."""

    topic: str
    offset: int
    customer: str
    at: datetime
    written: datetime
    blanked: bool = False

    @property
    def record(self) -> str:
        return TOPICS[self.topic][0]

    @property
    def system(self) -> str:
        return TOPICS[self.topic][1]

    def may_be_gone(self, now: datetime) -> bool:
        """Whether it has run out, give or take some days, since months differ."""
        return now - self.at > (TOPICS[self.topic][2] - 3) * _DAY

    def must_be_gone(self, now: datetime) -> bool:
        return now - self.at > (TOPICS[self.topic][2] + 3) * _DAY


@dataclass
class AgedWorld:
    """`stores`: what each system holds, whatever the index says."""

    index: MemoryIndex = field(default_factory=MemoryIndex)
    events: list[Event] = field(default_factory=list)
    stores: dict[str, list[Event]] = field(
        default_factory=lambda: {system: [] for _, system, _ in TOPICS.values()}
    )

    def happened(self, topic: str, customer: str, days: int, now: datetime) -> None:
        """Something so many days ago, of which innsyn hears now."""
        event = Event(topic, len(self.events), customer, now - days * _DAY, now)
        row = {
            "token": token(customer),
            "topic": topic,
            "partition": 0,
            "offset": event.offset,
            "role": 1,
            "tag_set": tags(topic).id,
            "event_time": event.at.replace(tzinfo=None),
            "port": 0,
            "record": 0,
            "customer": token(customer),
        }
        ranges = [OffsetRange(topic, 0, event.offset, event.offset, 1)]
        rows = pa.Table.from_pylist([row], schema=ROW_SCHEMA)
        self.index.write(LineageBatch(rows, tag_sets=[tags(topic)], ranges=ranges), lambda: now)
        self.events.append(event)
        self.stores[event.system].append(event)

    def held(self) -> frozenset[Event]:
        """What the index holds."""
        places = {(topic, offset) for _, topic, _, offset, _ in self.index.rows}
        return frozenset(event for event in self.events if (event.topic, event.offset) in places)

    def in_store(self, event: Event) -> bool:
        """Whether its system holds what of it runs out."""
        return event in self.stores[event.system] and not event.blanked

    def erase(self, system: str, customer: str) -> None:
        store = self.stores[system]
        store[:] = [event for event in store if event.customer != customer]

    def expire(self, told: Mapping[str, Any]) -> list[Event]:
        """Delete what a RetentionCommand says, and empty what of a login has run out. Returns what it meant."""
        store = self.stores[told["system"]]
        kept = {item.value for item in kept_of(told, job_key(keyring(), told["system"]))}
        meant = [
            event
            for line in told["records"]
            for event in store
            if event.record == line["record"] and event.at < line["before"] and event.customer not in kept
        ]
        for event in meant:
            if event.record == NARROWED:
                event.blanked = True
        store[:] = [event for event in store if event not in meant or event.record == NARROWED]
        return meant


def not_taken(run: RequestState, there: Collection[Event], open_now: Collection[str]) -> list[Event]:
    """What the run was to take whole, was nobody's whose data are kept, and is there."""
    assert run.planned_at is not None
    kept = {span.token for span in kept_while_told(run)} | {token(customer) for customer in open_now}
    withheld = {item.system for item in run.commands.values() if item.withholds}
    ways = {
        item.tag_set: item.before
        for item in run_from_json((run.plan or {})["run"]).index
        if item.narrowed is None and item.system not in withheld
    }
    return [
        event
        for event in there
        if tags(event.topic).id in ways
        and event.at < ways[tags(event.topic).id]
        and event.written < run.planned_at
        and token(event.customer) not in kept
    ]
