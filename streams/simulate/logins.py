"""Log-ins to the customers' own pages: from the first one on, a browser's cookie is the customer's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from operator import itemgetter

from streams.simulate.network import source
from streams.simulate.plan import Burst, SimEvent, event, in_time_order, moments
from streams.simulate.world import Browser, Customer, World

LOGINS = "web.logins"
LOGINS_PER_DAY = 0.15  # For each customer, besides the first one in each browser.
FAILED, MISTYPED = 0.08, 0.3  # Share that fails; share of those with a user name that is nobody's.


def logins(world: World) -> Iterator[SimEvent]:
    """Who logged in where, also who tried in vain."""
    rng = world.plan.random(LOGINS)
    first = [
        (at, [_login(world, rng, world.by_number[number], browser, at)])
        for customer in world.customers
        for browser in customer.browsers
        if browser.home == customer.number
        for at, number in browser.owners
    ]
    first.sort(key=itemgetter(0))
    times = moments(world.plan, rng, LOGINS_PER_DAY * len(world.customers))
    return in_time_order(merge(first, _later(world, rng, times), key=itemgetter(0)))


def _later(world: World, rng: random.Random, times: Iterator[datetime]) -> Iterator[Burst]:
    for at in times:
        browser = rng.choice(world.anybody(rng).browsers)
        customer = world.by_number[browser.owner(at) or browser.home]
        if not customer.known(at):
            continue
        if rng.random() < FAILED:
            yield at, [_failed(world, rng, customer, browser, at)]
        else:
            # Where nobody logged in yet, the first log-in stands already in the browser's history.
            yield at, [_login(world, rng, customer, browser if browser.owner(at) else None, at)]


def _login(
    world: World, rng: random.Random, customer: Customer, browser: Browser | None, at: datetime
) -> SimEvent:
    """`browser` None: on a device that sends no cookie."""
    cookie = browser.state(at)[1] if browser else None
    return _event(world, rng, customer, customer.username_at(at), cookie, at, ok=True)


def _failed(world: World, rng: random.Random, customer: Customer, browser: Browser, at: datetime) -> SimEvent:
    username = customer.username_at(at) + ("x" if rng.random() < MISTYPED else "")
    return _event(world, rng, customer, username, browser.state(at)[1], at, ok=False)


def _event(
    world: World,
    rng: random.Random,
    customer: Customer,
    username: str,
    cookie: str | None,
    at: datetime,
    *,
    ok: bool,
) -> SimEvent:
    address, port, lease = source(world, rng, customer, at)
    value = {
        "customer_number": customer.number if ok else None,
        "username": username,
        "cookie_id": cookie,
        "client_address": address,
        "client_port": port,
        "result": "ok" if ok else "failed",
        "occurred_at": at,
    }
    owner = world.holder("cookie_id", cookie, at) if cookie else None
    who = (customer.number if ok else None, world.holder("username", username, at), owner)
    return event(
        LOGINS, at, value, tuple(dict.fromkeys(n for n in who if n)), lease.customer_number if lease else None
    )
