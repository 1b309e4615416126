"""What the network carries: look-ups, handshakes, flows, calls and text messages, and from where."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from streams.simulate.identities import PORT_BLOCK, foreign_address, server_address
from streams.simulate.leases import Lease
from streams.simulate.plan import SimEvent, event, in_time_order, moments
from streams.simulate.world import Customer, World

TRAFFIC = "network.traffic"
SESSIONS_PER_DAY = 4.0  # Of traffic, for each customer.
RESOLVER = "198.19.255.53"
SERVICES = tuple(
    f"{name}.example.{top}"
    for top in ("no", "com", "org")
    for name in (
        "www",
        "video",
        "nyheter",
        "bank",
        "spill",
        "vaer",
        "api",
        "cdn",
        "post",
        "helse",
        "reise",
        "butikk",
    )
)


def source(
    world: World, rng: random.Random, customer: Customer, at: datetime
) -> tuple[str, int | None, Lease | None]:
    """(address, source port, lease) a customer appears with at that moment.

    Without a lease it is somebody else's network. Behind shared addresses the port lies in the lease's block.
    """
    lease = world.lease(customer, at)
    if lease is None:
        return foreign_address(rng), None, None
    if lease.port_from is not None:
        return lease.address, lease.port_from + int(rng.random() * PORT_BLOCK), lease
    if rng.random() < 0.3:
        return rng.choice(lease.device_addresses), None, lease
    return lease.address, 32_768 + int(rng.random() * 28_000), lease


def traffic(world: World) -> Iterator[SimEvent]:
    """Look-ups and handshakes from leased addresses, calls and messages between phones."""
    rng = world.plan.random(TRAFFIC)
    servers = {name: server_address(rng) for name in SERVICES}
    days = moments(world.plan, rng, SESSIONS_PER_DAY * len(world.customers))
    return in_time_order((at, _session(world, rng, servers, at)) for at in days)


def _session(world: World, rng: random.Random, servers: dict[str, str], at: datetime) -> Iterator[SimEvent]:
    customer = world.anybody(rng)
    if "Mobil 10 GB" in customer.products and rng.random() < 0.15 and customer.active(at):
        yield _call(world, rng, customer, at)
        return
    if world.lease(customer, at) is None:
        return
    for _ in range(1 + int(rng.random() * 5)):
        name = rng.choice(SERVICES)
        address, port, lease = source(world, rng, customer, at)
        if lease is None:
            return
        wait = 5 + int(rng.random() * 90)
        yield _record(customer, at, "dns", address, port, RESOLVER, name, "udp", 150 + wait, wait)
        at += timedelta(milliseconds=wait + 1)
        address, port, lease = source(world, rng, customer, at)
        if lease is None:
            return
        octets = int(rng.random() ** 4 * 50_000_000) + 4_000
        kind, protocol = ("tls", "tcp") if rng.random() < 0.9 else ("flow", "udp")
        yield _record(
            customer, at, kind, address, port, servers[name], name, protocol, octets, octets // 2_000
        )
        at += timedelta(milliseconds=500 + int(rng.random() * 60_000))


def _record(
    customer: Customer,
    at: datetime,
    kind: str,
    address: str,
    port: int | None,
    server: str,
    name: str,
    protocol: str,
    octets: int,
    duration: int,
) -> SimEvent:
    value = {
        "occurred_at": at,
        "kind": kind,
        "client_address": address,
        "client_port": port,
        "server_address": server,
        "server_name": name if kind != "flow" else None,
        "protocol": protocol,
        "octets": octets,
        "duration_ms": duration,
        "caller": None,
        "callee": None,
        "line_id": customer.line_id if kind == "flow" else None,
    }
    return event(TRAFFIC, at, value, (), customer.number)


def _call(world: World, rng: random.Random, customer: Customer, at: datetime) -> SimEvent:
    other = world.other(rng, customer, at)
    voice = rng.random() < 0.6
    value = {
        "occurred_at": at,
        "kind": "voice" if voice else "sms",
        "client_address": None,
        "client_port": None,
        "server_address": None,
        "server_name": None,
        "protocol": "sip" if voice else "sms",
        "octets": None,
        "duration_ms": rng.randrange(2_000, 1_800_000) if voice else None,
        "caller": customer.phone_at(at),
        "callee": other.phone_at(at) if other else rng.choice(world.outside_phones),
        "line_id": None,
    }
    return event(TRAFFIC, at, value, (customer.number, other.number) if other else (customer.number,))
