"""The public web site and the TV service: visits, consents and viewings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from streams.simulate.identities import foreign_address
from streams.simulate.network import source
from streams.simulate.people import BROWSERS
from streams.simulate.plan import Burst, SimEvent, event, in_time_order, moments
from streams.simulate.world import Browser, Customer, World

VISITS, CONSENTS, VIEWINGS = "web.visits", "privacy.consents", "tv.viewings"
VISITS_PER_DAY = 0.6  # Sessions, for each customer.
VIEWINGS_PER_DAY = 1.5
STRANGERS = 0.2
PAGES = (
    "/",
    "/bredband/fiber",
    "/bredband/priser",
    "/tv/kanaler",
    "/mobil",
    "/driftsmeldinger",
    "/hjelp",
    "/hjelp/ruter",
    "/min-side",
    "/min-side/faktura",
    "/personvern",
    "/flytte",
    "/bestill",
)
REFERRERS = ("https://search.example.com/", "https://www.example.org/tilbud", None, None)
CHANNELS = ("Kanal Eksempel", "Eksempel Sport", "Eksempel Barn", "Eksempel Nyheter")
PROGRAMMES = ("Kveldsnytt", "Fjellet, del 2", "Håndball direkte", "Bakeskolen", "Skjærgården", "Vêret i dag")
SEARCHES = ("serie om fjell", "barnefilm", "matprogram", "krim frå Vestlandet", "football highlights")


def visits(world: World) -> Iterator[SimEvent]:
    """Sessions of a few pages, by customers' households and by strangers."""
    rng = world.plan.random(VISITS)
    times = moments(world.plan, rng, VISITS_PER_DAY * len(world.customers) / (1 - STRANGERS))
    return in_time_order((at, _session(world, rng, at)) for at in times)


def _session(world: World, rng: random.Random, at: datetime) -> Iterator[SimEvent]:
    if rng.random() < STRANGERS:
        yield from _stranger(rng, at)
        return
    browser = rng.choice(world.anybody(rng).browsers)
    # A browser that changed hands is used where it stands now.
    customer = world.by_number[browser.owner(at) or browser.home]
    referrer = rng.choice(REFERRERS)
    for _ in range(1 + int(rng.random() * 6)):
        address, port, lease = source(world, rng, customer, at)
        consent, cookie = browser.state(at)
        owner = browser.owner(at) if cookie else None
        observed = lease.customer_number if lease else None
        if port and lease and lease.port_from is not None and rng.random() < 0.05:
            port = observed = None  # Without the port nobody can tell the lines behind the address apart.
        value = _visit(rng, at, address, port, browser.family, browser.system)
        value |= {"referrer": referrer, "location": customer.place if lease else None}
        value |= {"cookie_id": cookie, "cookie_consent": consent}
        yield event(VISITS, at, value, (owner,) if owner else (), observed)
        referrer = "https://www.eksempelnett.example.no" + value["page"]
        at += timedelta(milliseconds=2_000 + int(rng.random() * 60_000))


def _stranger(rng: random.Random, at: datetime) -> Iterator[SimEvent]:
    address = foreign_address(rng)
    family, system = rng.choice(BROWSERS)
    for _ in range(1 + int(rng.random() * 4)):
        yield event(VISITS, at, _visit(rng, at, address, 32_768 + int(rng.random() * 28_000), family, system))
        at += timedelta(milliseconds=2_000 + int(rng.random() * 60_000))


def _visit(
    rng: random.Random, at: datetime, address: str, port: int | None, browser: str, system: str
) -> dict[str, Any]:
    return {
        "occurred_at": at,
        "client_address": address,
        "client_port": port,
        "method": "GET" if rng.random() < 0.93 else "POST",
        "status": 200 if rng.random() < 0.95 else rng.choice((304, 404, 500, None)),
        "page": rng.choice(PAGES),
        "referrer": None,
        "browser": browser,
        "operating_system": system,
        "location": None,
        "cookie_id": None,
        "cookie_consent": "unknown",
    }


def consents(world: World) -> Iterator[SimEvent]:
    """Cookie choices in browsers, and the choice of personal recommendations on the customer's own page."""
    rng = world.plan.random(CONSENTS)
    bursts: list[Burst] = [
        (browser.decided, list(_cookie_choice(browser)))
        for customer in world.customers
        for browser in customer.browsers
        if browser.home == customer.number
    ]
    bursts += [burst for customer in world.customers for burst in _recommendations(world, rng, customer)]
    bursts.sort(key=lambda burst: burst[0])
    return in_time_order(bursts)


def _cookie_choice(browser: Browser) -> Iterator[SimEvent]:
    purposes = ("P-ANALYTICS", "P-MARKETING")
    for purpose in purposes:
        decision = "given" if browser.choice == "all" else "refused"
        number = browser.owner(browser.decided)
        yield _decision(number, browser.cookie_id, purpose, decision, "web", browser.decided)
    for purpose in purposes if browser.withdrawn else ():
        assert browser.withdrawn is not None
        number = browser.owner(browser.withdrawn)
        yield _decision(number, browser.cookie_id, purpose, "withdrawn", "web", browser.withdrawn)


def _recommendations(world: World, rng: random.Random, customer: Customer) -> Iterator[Burst]:
    if "TV Grunnpakke" not in customer.products or rng.random() < 0.5:
        return
    at = customer.phases[0].begin + timedelta(hours=rng.randrange(1, 48))
    yield at, [_decision(customer.number, None, "P-PERSONAL", "given", "min-side", at)]
    if rng.random() < 0.3:
        later = max(at, world.plan.start) + timedelta(seconds=rng.randrange(1, 86_400 * world.plan.days))
        yield later, [_decision(customer.number, None, "P-PERSONAL", "withdrawn", "min-side", later)]


def _decision(
    number: str | None, cookie: str | None, purpose: str, decision: str, channel: str, at: datetime
) -> SimEvent:
    value = {
        "customer_number": number,
        "cookie_id": cookie,
        "purpose": purpose,
        "decision": decision,
        "text_version": "cookies-12" if channel == "web" else "tv-anbefalinger-3",
        "channel": channel,
        "decided_at": at,
    }
    return event(CONSENTS, at, value, (number,) if number else ())


def viewings(world: World) -> Iterator[SimEvent]:
    """What the TV boxes of customers with TV play."""
    rng = world.plan.random(VIEWINGS)
    times = moments(world.plan, rng, VIEWINGS_PER_DAY * len(world.customers))
    return in_time_order((at, _viewing(world, rng, at)) for at in times)


def _viewing(world: World, rng: random.Random, at: datetime) -> Iterator[SimEvent]:
    customer = world.anybody(rng)
    box = customer.device("tv_box")
    if box is None or not customer.active(at):
        return
    kind = rng.choices(("live", "on_demand", "recording"), (60, 30, 10))[0]
    value = {
        "customer_number": customer.number,
        "device_serial": box.serial,
        "channel": None if kind == "on_demand" else rng.choice(CHANNELS),
        "programme": rng.choice(PROGRAMMES),
        "kind": kind,
        "search_text": rng.choice(SEARCHES) if kind == "on_demand" and rng.random() < 0.5 else None,
        "started_at": at,
        "stopped_at": at + timedelta(seconds=rng.randrange(60, 7_200)) if rng.random() < 0.9 else None,
    }
    yield event(VIEWINGS, at, value, (customer.number,))
