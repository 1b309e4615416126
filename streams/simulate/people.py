"""Draws the customers of a plan: people, households, contracts, browsers and equipment."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from faker import Faker

from streams.simulate.customers import Browser, Customer, Device, Phase, SimPerson
from streams.simulate.identities import Identities, plain
from streams.simulate.plan import Plan

PLACES = (
    ("0150", "Oslo"),
    ("5003", "Bergen"),
    ("7010", "Trondheim"),
    ("9008", "Tromsø"),
    ("4005", "Stavanger"),
)
BROADBAND = ("Fiber 100", "Fiber 500", "Fiber 1000")
BROWSERS = (("Firefox 146", "Linux"), ("Firefox 146", "Windows"), ("Chrome 143", "Windows"),
            ("Chrome 143", "Android"), ("Safari 26", "iOS"), ("Safari 26", "macOS"))  # fmt: skip

# What becomes of a customer, in turn: r runs all the time, b begins within the span, e ends within it, c ends and
# comes back within it, f ended before it, g ended before it and comes back.
FATES = "rcberrbgrrerfrbrrcrr"


def people(plan: Plan, rng: random.Random) -> tuple[tuple[Customer, ...], Identities]:
    """(customers, what goes on drawing identities that none of them has)."""
    names = Faker("no_NO")
    names.seed_instance(rng.getrandbits(32))
    drawn = Identities(rng)
    return tuple(_customer(plan, rng, names, drawn, index) for index in range(plan.customers)), drawn


def place_code(place: str) -> str:
    return {"Oslo": "osl", "Bergen": "bgo", "Trondheim": "trd", "Tromsø": "tos", "Stavanger": "svg"}[place]


def email_of(holder: SimPerson, index: int) -> str:
    first, *_, last = (plain(part) for part in holder.name.split())
    return f"{first}.{last}{index}@example.no"


def username_of(holder: SimPerson, index: int) -> str:
    first, *_, last = (plain(part) for part in holder.name.split())
    return f"{first[:4]}{last[:4]}{index}"


def _customer(plan: Plan, rng: random.Random, names: Faker, drawn: Identities, index: int) -> Customer:
    postcode, place = rng.choice(PLACES)
    holder = _person(plan, rng, names, age=(18, 85))
    first, *_, last = (plain(part) for part in holder.name.split())
    phases = _phases(plan, rng, FATES[index % len(FATES)])
    number = drawn.customer_number()
    products = _products(rng)
    members = tuple(
        _person(plan, rng, names, age=(18, 85) if which == 0 else (0, 20))
        for which in range(rng.choices((0, 1, 2, 3, 4), (30, 30, 16, 16, 8))[0])
    )
    return Customer(
        index=index,
        number=number,
        holder=holder,
        members=members,
        fodselsnummer=drawn.fodselsnummer(holder.birth, holder.gender),
        email=email_of(holder, index),
        phone=drawn.phone(),
        username=username_of(holder, index),
        account_number=drawn.account_number(),
        chat_handle=f"{first.title()} {last[0].upper()}{index}",
        social_handle=f"@{first}_{last}{index}",
        address=f"{names.street_name()} {rng.randrange(1, 120)}, {postcode} {place}",
        place=place,
        line_id=f"{place_code(place)}-olt{index % 7}-1/{index // 48}/{index % 48}",
        nas=f"bras1.{place_code(place)}",
        shared=index % 10 == 9,
        products=products,
        contract_ids=tuple(f"A-{100_000 + 4 * index + nth}" for nth in range(len(products))),
        phases=phases,
        browsers=tuple(
            _browser(plan, rng, drawn, number, nth == 0 and rng.random() < 0.7, phases[0])
            for nth in range(1 + min(len(members), 2))
        ),
        devices=_devices(drawn, products),
        invoice_day=1 + index % 28,
        direct_debit=rng.random() < 0.4,
    )


def _person(plan: Plan, rng: random.Random, names: Faker, age: tuple[int, int]) -> SimPerson:
    gender = rng.choice(("kvinne", "mann"))
    given = names.first_name_female() if gender == "kvinne" else names.first_name_male()
    birth = plan.start.date() - timedelta(days=rng.randrange(age[0] * 366, age[1] * 365))
    return SimPerson(f"{given} {names.last_name()}", gender, birth)


def _products(rng: random.Random) -> tuple[str, ...]:
    chosen = [rng.choice(BROADBAND)]
    if rng.random() < 0.7:
        chosen.append("TV Grunnpakke")
    if rng.random() < 0.5:
        chosen.append("Mobil 10 GB")
    return tuple(chosen)


def _devices(drawn: Identities, products: tuple[str, ...]) -> tuple[Device, ...]:
    devices = [Device("router", drawn.serial("RT"), drawn.mac(), "Eksempel Ruter X")]
    if "TV Grunnpakke" in products:
        devices.append(Device("tv_box", drawn.serial("STB"), drawn.mac(), "Eksempel TV-boks 3"))
    if "Mobil 10 GB" in products:
        devices.append(Device("phone", drawn.serial("MOB"), None, "Eksempel Telefon 9", drawn.imei()))
    return tuple(devices)


def _phases(plan: Plan, rng: random.Random, fate: str) -> tuple[Phase, ...]:
    span = timedelta(days=plan.days)
    before = plan.start - timedelta(seconds=rng.randrange(30 * 86_400, 1_000 * 86_400))

    def within(low: float, high: float) -> datetime:
        return plan.start + timedelta(seconds=int(span.total_seconds() * rng.uniform(low, high)))

    def phase(begin: datetime, end: datetime | None) -> Phase:
        # A run that follows another is signed after that one ended: half an hour is less than any gap below.
        lead = timedelta(minutes=30) if begin > plan.start else timedelta(days=3)
        return Phase(begin - lead, begin, end)

    if fate == "b":
        return (phase(within(0.05, 0.7), None),)
    if fate == "e":
        return (phase(before, within(0.2, 0.8)),)
    if fate == "c":
        return phase(before, within(0.1, 0.4)), phase(within(0.55, 0.8), None)
    if fate in "fg":
        ended = before + timedelta(seconds=int((plan.start - before).total_seconds() * rng.uniform(0.3, 0.8)))
        former = phase(before, ended)
        return (former, phase(within(0.2, 0.7), None)) if fate == "g" else (former,)
    return (phase(before, None),)


def _browser(
    plan: Plan, rng: random.Random, drawn: Identities, home: str, logs_in: bool, phase: Phase
) -> Browser:
    family, system = rng.choice(BROWSERS)
    choice = rng.choices(("all", "necessary", "none"), (60, 30, 10))[0]
    earliest = max(phase.begin, plan.start - timedelta(days=180))
    decided = earliest + timedelta(seconds=int((plan.end - earliest).total_seconds() * 0.6 * rng.random()))
    withdrawn = None
    if choice == "all" and rng.random() < 0.15:
        withdrawn = decided + timedelta(seconds=int((plan.end - decided).total_seconds() * rng.random()) + 1)
    # Some choose while they are logged in, the others log in later or never.
    login = decided + timedelta(seconds=0 if rng.random() < 0.5 else rng.randrange(60, 2 * 86_400))
    sent = choice == "all" and login < (withdrawn or plan.end)
    owners = ((login, home),) if logs_in and sent else ()
    return Browser(drawn.cookie_id(), family, system, choice, decided, withdrawn, home, owners)
