"""The invented company of the demo: its people, its systems of record, and the one who asks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from schemas.catalogue import load_catalogue
from streams.rights.store import SqliteStore
from streams.simulate.plan import Plan
from streams.simulate.simulate import Truth
from streams.simulate.world import Customer, World


@dataclass
class Company:
    """The invented company: its people, its events, and the systems that keep them."""

    plan: Plan
    world: World
    truth: Truth
    stores: Mapping[str, SqliteStore]  # by system


def systems(home: Path, stack: ExitStack) -> dict[str, SqliteStore]:
    """A SQLite file for every system that erases on command."""
    names = (system.id for system in load_catalogue().systems.values() if system.erasure == "command")
    stores = {name: SqliteStore(home / "systems" / f"{name}.sqlite") for name in names}
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
