"""What access servers and the address translator report of addresses, over a network that loses, repeats and delays."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from streams.simulate.identities import inside_address
from streams.simulate.leases import INTERIM, SHARED_NAS, Lease
from streams.simulate.plan import Burst, SimEvent, event, in_time_order
from streams.simulate.world import Customer, World

ASSIGNMENTS = "network.assignments"
# Servers of some places know less: one the line alone, one only the hardware address of the router.
LINE_ONLY, HARDWARE_ONLY = "bras1.tos", "bras1.svg"
TELLS_INTERVAL = (
    "bras1.osl",
    "bras1.bgo",
)  # Servers that send Acct-Interim-Interval (RFC 2869 section 5.16).
TWICE, LATE, SPOOLED = 0.03, 0.05, 0.01  # Share of the reports.
_MILLISECOND = timedelta(milliseconds=1)


def assignments(world: World) -> Iterator[SimEvent]:
    """Start, interims and stop of every lease; blocks are allocated and released; a server restarts.

    In the order in which the reports arrive; `occurred_at` is when the server says that it was.
    """
    return in_time_order(_bursts(world))


def _bursts(world: World) -> Iterator[Burst]:
    rng = world.plan.random(ASSIGNMENTS)
    restart = world.restart
    restarted = False
    for lease in world.leases.leases:
        if not restarted and lease.begin > restart.at:
            restarted = True
            yield restart.at, [_restart(world)]
        yield lease.begin, _lease_events(world, rng, lease)
    if not restarted:
        yield restart.at, [_restart(world)]


def _restart(world: World) -> SimEvent:
    nothing = dict.fromkeys(
        ("address", "delegated_prefix", "port_from", "port_to", "customer_number", "username", "mac", "line_id",
         "client_id", "inside_address", "session_seconds", "lease_seconds", "interim_seconds")
    )  # fmt: skip
    nas, at = world.restart.nas, world.restart.at
    more = {"kind": "on", "session_id": f"{nas}-on", "nas": nas, "source": "radius", "purpose": "operations"}
    return event(ASSIGNMENTS, at, nothing | more | {"occurred_at": at})


def _lease_events(world: World, rng: random.Random, lease: Lease) -> Iterator[SimEvent]:
    shared = lease.nas == SHARED_NAS
    reports = [(lease.begin, "alloc" if shared else "start")] if lease.started else []
    if not shared:
        reports += [(at, "interim") for at in _interims(lease)]
    if lease.ended == "stop":
        reports.append((lease.end, "release" if shared else "stop"))
    customer = world.by_number[lease.customer_number]
    always = _of_lease(customer, lease)
    yield from _sent(world, rng, lease, always, reports)
    if lease.ended == "stop":
        # Ekomloven § 3-13 wants who had a public address when; that store is fed apart from the network's own, once
        # the subscriber is known.
        named = {**always, "customer_number": customer.number, "purpose": "retention"}
        yield _report(lease, named, "release" if shared else "stop", lease.end, lease.end)
    if lease.inside is not None:
        inside = [(lease.begin, "start"), *((at, "interim") for at in _interims(lease))]
        if lease.end < world.plan.end:
            inside.append((lease.end, "stop"))
        yield from _sent(world, rng, lease, _of_inside(customer, lease, always), inside)


def _interims(lease: Lease) -> Iterator[datetime]:
    at = lease.begin + INTERIM
    while at < lease.end:
        yield at
        at += INTERIM


def _sent(
    world: World,
    rng: random.Random,
    lease: Lease,
    always: Mapping[str, Any],
    reports: Iterable[tuple[datetime, str]],
) -> Iterator[SimEvent]:
    for at, kind in reports:
        for arrival in _arrivals(world, rng, at):
            yield _report(lease, always, kind, at, arrival)


def _arrivals(world: World, rng: random.Random, at: datetime) -> list[datetime]:
    """When the packets of one report arrive. None is still under way when the simulation ends."""
    if not world.plan.faults:
        return [at]
    chance = rng.random()
    if chance < TWICE:
        times = [at, at + timedelta(milliseconds=rng.randrange(1_000, 15_000))]
    elif chance < TWICE + LATE:
        times = [at + timedelta(milliseconds=rng.randrange(2_000, 1_800_000))]
    elif chance < TWICE + LATE + SPOOLED:
        times = [at + timedelta(milliseconds=rng.randrange(3_600_000, 36 * 3_600_000))]
    else:
        return [at]
    last = max(world.plan.end - _MILLISECOND, at)
    return [min(time, last) for time in times]


def _of_lease(customer: Customer, lease: Lease) -> Mapping[str, Any]:
    """What every report of the lease says."""
    shared = lease.nas == SHARED_NAS
    router = customer.device("router")
    unnamed = shared or lease.nas in (LINE_ONLY, HARDWARE_ONLY)
    return {
        "kind": "",
        "address": lease.address,
        "delegated_prefix": lease.prefix,
        "port_from": lease.port_from,
        "port_to": lease.port_to,
        "customer_number": customer.number if shared and lease.inside is None else None,
        "username": None if unnamed else customer.username_at(lease.begin),
        "mac": None if shared or router is None else router.mac,
        "line_id": None if shared or lease.nas == HARDWARE_ONLY else customer.line_id,
        "client_id": None,
        "inside_address": inside_address(customer.index) if shared else None,
        "session_id": lease.session_id,
        "nas": lease.nas,
        "session_seconds": None,
        "lease_seconds": None,
        "interim_seconds": INTERIM // timedelta(seconds=1) if lease.nas in TELLS_INTERVAL else None,
        "source": "cgnat" if shared else "radius",
        "purpose": "operations",
        "occurred_at": None,
    }


def _of_inside(customer: Customer, lease: Lease, block: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the access server says of a line behind the translator: who has the inside address."""
    nas = customer.nas.replace("bras1", "bras2")
    more = {
        "address": lease.inside,
        "username": customer.username_at(lease.begin),
        "line_id": customer.line_id,
    }
    less = dict.fromkeys(("port_from", "port_to", "inside_address"))
    return {**block, **less, **more, "nas": nas, "session_id": f"{lease.session_id}-in", "source": "radius"}


def _report(lease: Lease, always: Mapping[str, Any], kind: str, at: datetime, arrival: datetime) -> SimEvent:
    seconds = None if kind in ("start", "alloc") else (at - lease.begin) // timedelta(seconds=1)
    value = {**always, "kind": kind, "session_seconds": seconds, "occurred_at": at}
    named = value["customer_number"] or value["username"] or value["mac"]
    # The end is the first moment at which nobody holds the address.
    observed = lease.customer_number if at < lease.end else None
    return event(ASSIGNMENTS, arrival, value, (lease.customer_number,) if named else (), observed)
