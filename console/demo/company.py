"""The invented company of the demo: its people, its systems of record, and the one who asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from schemas.company import load_company
from schemas.tokens import IdentifierKind
from schemas.vocabulary import Role
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.store import SqliteStore
from streams.simulate.model import records
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import Truth
from streams.simulate.world import Customer, World


@dataclass
class Company:
    """The invented company: its people, its events, and the systems that keep them."""

    plan: Plan
    world: World
    truth: Truth
    stores: Mapping[str, SqliteStore]  # by system
    addresses: defaultdict[str, list[Named]] = field(default_factory=lambda: defaultdict(list), repr=False)

    def add(self, item: SimEvent) -> None:
        """Count an event, and keep which address it came from in which second, if that was one customer's alone."""
        number = item.observed
        before = self.truth.unique[number or "", item.topic]
        self.truth.add(item)
        if number is not None and self.truth.unique[number, item.topic] > before:
            self.addresses[number] += addresses(item)


def addresses(item: SimEvent) -> list[Named]:
    """The addresses of an event's owner, with the time and the port at which they were used."""
    record = records()[item.record]
    at = item.value[record.annotation.event_time]
    return [
        Named(who.kind, item.value[who.field], at, item.value.get(who.port_field) if who.port_field else None)
        for who in record.identifiers
        if who.kind == IdentifierKind.IP and who.role == Role.OWNER and item.value.get(who.field)
    ]


def systems(home: Path, stack: ExitStack) -> dict[str, SqliteStore]:
    """A SQLite file for every system that erases on command."""
    company = load_company()
    names = (system.id for system in company.catalogue.systems.values() if system.erasure == "command")
    stores = {name: SqliteStore(home / "systems" / f"{name}.sqlite", company.records) for name in names}
    for store in stores.values():
        stack.callback(store.close)
    return stores


def leaver(company: Company) -> Customer:
    """The former customer about whom the company knows most, among those with an invoice."""

    def known(customer: Customer) -> tuple[bool, int]:
        counts = company.truth.of(customer.number, company.truth.unique)
        left = not customer.active(company.plan.end) and "billing.invoices" in counts
        return left, sum(counts.values())

    return max(company.world.customers, key=known)


def query(person: Customer) -> dict[str, Any]:
    identifiers = [{"kind": "customer_number", "value": person.number}]
    return {"identifiers": identifiers, "anchors": {"contract_end": contract_end(person)}}


def contract_end(person: Customer) -> date | None:
    end = max((phase.end for phase in person.phases if phase.end is not None), default=None)
    return end.date() if end else None
