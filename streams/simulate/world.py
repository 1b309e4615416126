"""The model company's customers together: who holds which identifier and address when."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from streams.simulate.changes import changed
from streams.simulate.customers import DELIVERED, RETURNED, Browser, Customer, Device, Phase, SimPerson
from streams.simulate.leases import Lease, LeaseBook, NasRestart, Span, assign_leases
from streams.simulate.people import people, place_code
from streams.simulate.plan import Plan

__all__ = ["Browser", "Customer", "Device", "Phase", "SimPerson", "World", "build_world"]

_RECONNECT = timedelta(seconds=45)  # A line is away so long when its user name changes.

# Since when, until when (None: still), customer number.
Held = tuple[datetime, datetime | None, str]


@dataclass(frozen=True)
class World:
    plan: Plan
    customers: tuple[Customer, ...]
    outside_phones: tuple[str, ...]
    restart: NasRestart

    @cached_property
    def leases(self) -> LeaseBook:
        """Who held which address when."""
        spans = [span for customer in self.customers for span in _spans(customer)]
        return assign_leases(self.plan, spans, self.restart)

    @cached_property
    def by_number(self) -> Mapping[str, Customer]:
        return {customer.number: customer for customer in self.customers}

    @cached_property
    def _holders(self) -> Mapping[tuple[str, str], list[Held]]:
        found: dict[tuple[str, str], list[Held]] = defaultdict(list)
        for customer in self.customers:
            for key, since, until in _registered(customer):
                found[key].append((since, until, customer.number))
            for browser in customer.browsers:
                if browser.home == customer.number:
                    found["cookie_id", browser.cookie_id] += _owned(browser)
        return found

    def holder(self, kind: str, value: str, at: datetime) -> str | None:
        """Customer number of whoever an identifier of the register, a cookie or equipment belonged to then."""
        for since, until, number in self._holders.get((kind, value), ()):
            if since <= at and (until is None or at < until):
                return number
        return None

    def one(self, number: str) -> str:
        """The customer number under which a record goes on in the end, if it was found to be a duplicate."""
        merged = self.by_number[number].merged
        return (merged[-1][1] if merged else None) or number

    def lease(self, customer: Customer, at: datetime) -> Lease | None:
        return self.leases.held(customer.number, at)

    def anybody(self, rng: random.Random) -> Customer:
        return rng.choice(self.customers)

    def other(self, rng: random.Random, customer: Customer, at: datetime) -> Customer | None:
        """Another customer with a running contract, if chance finds one."""
        found = rng.choice(self.customers)
        return found if found is not customer and found.active(at) else None


def build_world(plan: Plan) -> World:
    """The customers of the plan. All of it follows from the plan."""
    rng = plan.random("world")
    customers, drawn = people(plan, rng)
    phones = tuple(drawn.phone() for _ in range(100))
    moment = plan.start + timedelta(days=plan.days // 2, hours=2)
    restart = NasRestart(f"bras1.{place_code('Bergen')}", moment)
    return World(plan, changed(plan, customers, drawn), phones, restart)


def _spans(customer: Customer) -> list[Span]:
    """Times in which the line is up; a new user name cuts its session."""
    cuts = [old.until for old in customer.former if old.kind == "username"]
    spans: list[Span] = []
    for phase in customer.phases:
        begin = phase.begin
        for cut in cuts:
            if phase.holds(cut):
                spans.append((customer.number, customer.nas, customer.shared, customer.index, begin, cut))
                begin = cut + _RECONNECT
        spans.append((customer.number, customer.nas, customer.shared, customer.index, begin, phase.end))
    return spans


def _registered(customer: Customer) -> list[tuple[tuple[str, str], datetime, datetime | None]]:
    """What the register says, from the day of signing on, and equipment on loan."""
    signed = customer.phases[0].signed
    found: list[tuple[tuple[str, str], datetime, datetime | None]] = [
        (("fodselsnummer", customer.fodselsnummer), signed, None)
    ]
    for kind, last in (("email", customer.email), ("phone", customer.phone), ("username", customer.username)):
        since = signed
        for old in customer.former:
            if old.kind == kind:
                found.append(((kind, old.value), since, old.until))
                since = old.until
        found.append(((kind, last), since, None))
    for device in customer.devices:
        for phase in customer.phases:
            over = None if phase.end is None else phase.end + RETURNED
            found.append((("device_serial", device.serial), phase.begin - DELIVERED, over))
            if device.mac:
                found.append((("mac", device.mac), phase.begin - DELIVERED, over))
    return found


def _owned(browser: Browser) -> list[Held]:
    ends: list[datetime | None] = [*(since for since, _ in browser.owners[1:]), None]
    return [(since, until, number) for (since, number), until in zip(browser.owners, ends, strict=False)]
