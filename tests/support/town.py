"""An index in memory in which addresses belong to people: two neighbours, an address that moves, one that is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from console.api.services import Services
from schemas.catalogue import load_catalogue
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.memory.index import MemoryIndex
from sinks.ports.identity import ALL_PORTS, CLAIM_SCHEMA, NOTHING, OpenClaims, Rank
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.identity.identities import Identities
from tests.support.api import rights, services
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring

KARI, OLA = "10042", "10043"
MOVED, SHARED, STRANGE = "192.0.2.7", "198.51.100.9", "203.0.113.5"


def moment(hour: int, minute: int = 0) -> datetime:
    """Of the day on which everything happens."""
    return datetime(2026, 5, 1, hour, minute, tzinfo=UTC)


class Town:
    """An index that learns by `visit`, `lease` and `report`, each at a moment; nothing is in it at first."""

    def __init__(self, keys: Path) -> None:
        self.folder = keys
        self.keyring = ReadyKeyring(keys).made()
        self.index = MemoryIndex()
        self.identities = Identities(self.index, load_catalogue().identity_sources)
        self._offsets: dict[str, int] = {}

    def services(self, **other: Any) -> Services:
        """Services of the API on this index."""
        given = {
            "reader": self.index,
            "identities": self.identities,
            "rights": rights(self.index, self.keyring),
        }
        return services(self.folder, **given | other)

    def token(self, kind: str, value: str) -> bytes:
        return self.keyring.tokenizer().token(KINDS[kind], value)

    def visit(self, address: str, at: datetime, learnt: datetime, *, port: int = 0) -> None:
        """A web visit from an address."""
        self._event("WebVisit", "web.visits", "ip", address, at, learnt, port=port)

    def visit_named(self, cookie: str, customer: str, at: datetime, learnt: datetime) -> None:
        """A web visit by a browser that names the customer beside."""
        tags, named = self.tags("WebVisit", "web.visits"), self.token("customer_number", customer)
        self._write(tags, self.token("cookie_id", cookie), at, learnt, 0, named)

    def merge(self, customer: str, into: str, at: datetime, learnt: datetime) -> None:
        """One customer record is found to be a duplicate of another."""
        offset = self._next("crm.customers")
        claim = {
            "form": ClaimForm.MERGE.code,
            "mark": Mark.SEEN.code,
            "token": self.token("customer_number", customer),
            "length": 0,
            "port_from": ALL_PORTS[0],
            "port_to": ALL_PORTS[1],
            "subject": self.token("customer_number", into),
            "group": self.token("cookie_id", f"merge {customer}"),
            "line": NOTHING,
            "server": NOTHING,
            "at": at.replace(tzinfo=None),
            "proof": Proof.HOLDER.code,
            "rank": 0,
            "source": "register",
            "topic": "crm.customers",
            "partition": 0,
            "offset": offset,
            "part": 0,
        }
        self._write_claim(claim, learnt)

    def visit_of(self, customer: str, at: datetime, learnt: datetime) -> None:
        """A web visit of which all that is known is who it was."""
        self._event("WebVisit", "web.visits", "customer_number", customer, at, learnt)

    def invoice(self, customer: str, at: datetime, learnt: datetime) -> None:
        """An invoice to a customer."""
        self._event("Invoice", "billing.invoices", "customer_number", customer, at, learnt)

    def left(self, topic: str, system: str) -> TagSet:
        """A browser of Kari's on a topic of a system, neither of which the company has any more."""
        there = replace(self.tags("WebVisit", "web.visits"), topic=topic, system=system)
        named = self.token("customer_number", KARI)
        self._write(there, self.token("cookie_id", "former"), moment(9), moment(15), 0, named)
        return there

    def retained(self, customer: str, at: datetime, learnt: datetime) -> None:
        """An assignment that is kept for the police alone."""
        tags = self.tags("AddressAssignment", "network.assignments", retention=("T06",))
        self._write(tags, self.token("customer_number", customer), at, learnt, 0)

    def lease(
        self,
        address: str,
        customer: str,
        since: datetime,
        until: datetime | None,
        learnt: datetime,
        *,
        ports: tuple[int, int] = ALL_PORTS,
    ) -> None:
        """An assignment of an address to a customer, ended or open."""
        group = self.token("cookie_id", f"{address} {customer} {since} {ports}")
        self._claim(address, customer, since, Mark.OPEN, learnt, ports, group)
        if until is not None:
            self._claim(address, customer, until, Mark.CLOSE, learnt, ports, group)

    def tags(self, record: str, topic: str, retention: tuple[str, ...] | None = None) -> TagSet:
        schema = load_records()[record]
        variant = None
        if retention is not None:
            more = {"purposes": ("P-IPRET",), "legal_basis": {"P-IPRET": "c"}, "retention": retention}
            variant = schema.annotation.model_copy(update=more)
        return tag_set(
            schema,
            topic,
            "owner",
            catalogue_version=load_catalogue().version,
            key_id=self.keyring.tokenizer().key_id,
            variant=variant,
        )

    def _event(
        self, record: str, topic: str, kind: str, value: str, at: datetime, learnt: datetime, *, port: int = 0
    ) -> None:
        self._write(self.tags(record, topic), self.token(kind, value), at, learnt, port)

    def _write(
        self,
        tags: TagSet,
        token: bytes,
        at: datetime,
        learnt: datetime,
        port: int,
        customer: bytes = NOTHING,
    ) -> None:
        offset = self._next(tags.topic)
        row = {
            "token": token,
            "topic": tags.topic,
            "partition": 0,
            "offset": offset,
            "role": 1,
            "tag_set": tags.id,
            "event_time": at.replace(tzinfo=None),
            "port": port,
            "customer": customer,
        }
        rows = pa.Table.from_pylist([row], schema=ROW_SCHEMA)
        ranges = [OffsetRange(tags.topic, 0, offset, offset, 1)]
        self.index.write(LineageBatch(rows, tag_sets=[tags], ranges=ranges), lambda: learnt)

    def _claim(
        self,
        address: str,
        customer: str,
        at: datetime,
        mark: Mark,
        learnt: datetime,
        ports: tuple[int, int],
        group: bytes,
    ) -> None:
        offset = self._next("network.assignments")
        claim = {
            "form": ClaimForm.SESSION.code,
            "mark": mark.code,
            "token": self.token("ip", address),
            "length": 0,
            "port_from": ports[0],
            "port_to": ports[1],
            "subject": self.token("customer_number", customer),
            "group": group,
            "line": NOTHING,
            "server": NOTHING,
            "at": at.replace(tzinfo=None),
            "since": None,
            "until": None,
            "proof": Proof.SUBSCRIBER.code,
            "rank": Rank.CUSTOMER_NUMBER,
            "source": "nat_map",
            "topic": "network.assignments",
            "partition": 0,
            "offset": offset,
            "part": 0,
        }
        self._write_claim(claim, learnt)

    def _write_claim(self, claim: Mapping[str, Any], learnt: datetime) -> None:
        claims = pa.Table.from_pylist([claim], schema=CLAIM_SCHEMA)
        ranges = [OffsetRange(claim["topic"], 0, claim["offset"], claim["offset"], 1)]
        self.index.write(
            LineageBatch(ROW_SCHEMA.empty_table(), claims=OpenClaims(claims), ranges=ranges), lambda: learnt
        )

    def _next(self, topic: str) -> int:
        self._offsets[topic] = self._offsets.get(topic, -1) + 1
        return self._offsets[topic]


def town(keys: Path) -> Town:
    """Kari had MOVED from ten to twelve, Ola from twelve to two; SHARED by ports, Kari 1000-1999, Ola 2000-2999.

    Visits from MOVED at 11, 13 and 15 (nobody's); from SHARED at 11 behind 1500, 2500 and no port; one from STRANGE.
    Kari has an invoice. All of it learnt by three.
    """
    made = Town(keys)
    learnt = moment(15)
    made.lease(MOVED, KARI, moment(10), moment(12), learnt)
    made.lease(MOVED, OLA, moment(12), moment(14), learnt)
    made.lease(SHARED, KARI, moment(9), moment(20), learnt, ports=(1000, 1999))
    made.lease(SHARED, OLA, moment(9), moment(20), learnt, ports=(2000, 2999))
    for hour in (11, 13, 15):
        made.visit(MOVED, moment(hour), learnt)
    for port in (1500, 2500, 0):
        made.visit(SHARED, moment(11), learnt, port=port)
    made.visit(STRANGE, moment(11), learnt)
    made.invoice(KARI, moment(8), learnt)
    return made
