"""The model company's customers: who they are, what they have and when. All of it follows from the plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from faker import Faker

from streams.simulate.identities import Identities, plain
from streams.simulate.leases import Lease, LeaseBook, NasRestart, assign_leases
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
_FATES = "rcberrbgrrerfrbrrcrr"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    gender: str
    birth: date


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of a customer's contracts: signed, delivered at `begin`, over at `end` (None: runs on)."""

    signed: datetime
    begin: datetime
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.begin <= at and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser of a household. `choice` is in force from `decided` until `withdrawn`, if ever."""

    cookie_id: str
    family: str
    system: str
    choice: str
    decided: datetime
    withdrawn: datetime | None
    owner: str | None  # Customer number, if the customer logged in with it.

    def state(self, at: datetime) -> tuple[str, str | None]:
        """(cookie choice in force, cookie identifier sent)."""
        if at < self.decided:
            return "unknown", None
        if self.choice == "all" and (self.withdrawn is None or at < self.withdrawn):
            return "all", self.cookie_id
        return ("necessary" if self.choice == "all" else self.choice), None


@dataclass(frozen=True, slots=True)
class Device:
    kind: str
    serial: str
    mac: str | None
    model: str
    imei: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """The person who signs for a household, and the household. The representation names nobody."""

    index: int
    number: str
    holder: Person
    members: tuple[Person, ...]
    fodselsnummer: str
    email: str
    phone: str
    username: str
    account_number: str
    chat_handle: str
    social_handle: str
    address: str
    place: str
    line_id: str
    nas: str
    shared: bool  # Behind shared addresses (RFC 6888).
    products: tuple[str, ...]
    contract_ids: tuple[str, ...]
    phases: tuple[Phase, ...]
    browsers: tuple[Browser, ...]
    devices: tuple[Device, ...]
    invoice_day: int
    direct_debit: bool

    def __repr__(self) -> str:
        return f"Customer(index={self.index})"

    def active(self, at: datetime) -> bool:
        return any(phase.holds(at) for phase in self.phases)

    def known(self, at: datetime) -> bool:
        """Whether the company has met the customer by then."""
        return at >= self.phases[0].begin

    def device(self, kind: str) -> Device | None:
        return next((device for device in self.devices if device.kind == kind), None)

    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """(kind, value) of everything that names this customer, addresses left out."""
        return (
            ("customer_number", self.number),
            ("fodselsnummer", self.fodselsnummer),
            ("email", self.email),
            ("phone", self.phone),
            ("username", self.username),
            ("account_number", self.account_number),
            ("chat_handle", self.chat_handle),
            ("social_handle", self.social_handle),
            *(("cookie_id", browser.cookie_id) for browser in self.browsers if browser.owner),
            *(("device_serial", device.serial) for device in self.devices),
            *(("mac", device.mac) for device in self.devices if device.mac),
        )


@dataclass(frozen=True)
class World:
    plan: Plan
    customers: tuple[Customer, ...]
    outside_phones: tuple[str, ...]
    restart: NasRestart

    @cached_property
    def leases(self) -> LeaseBook:
        """Who held which address when."""
        spans = [
            (customer.number, customer.nas, customer.shared, customer.index, phase.begin, phase.end)
            for customer in self.customers
            for phase in customer.phases
        ]
        return assign_leases(self.plan, spans, self.restart)

    @cached_property
    def by_number(self) -> Mapping[str, Customer]:
        return {customer.number: customer for customer in self.customers}

    def lease(self, customer: Customer, at: datetime) -> Lease | None:
        return self.leases.held(customer.number, at)

    def anybody(self, rng: random.Random) -> Customer:
        return rng.choice(self.customers)

    def other(self, rng: random.Random, customer: Customer, at: datetime) -> Customer | None:
        """Another customer with a running contract, if chance finds one."""
        found = rng.choice(self.customers)
        return found if found is not customer and found.active(at) else None


def build_world(plan: Plan) -> World:
    """The customers of the plan."""
    rng = plan.random("world")
    names = Faker("no_NO")
    names.seed_instance(rng.getrandbits(32))
    drawn = Identities(rng)
    customers = tuple(_customer(plan, rng, names, drawn, index) for index in range(plan.customers))
    phones = tuple(drawn.phone() for _ in range(100))
    moment = plan.start + timedelta(days=plan.days // 2, hours=2)
    return World(plan, customers, phones, NasRestart(f"bras1.{_code('Bergen')}", moment))


def _customer(plan: Plan, rng: random.Random, names: Faker, drawn: Identities, index: int) -> Customer:
    postcode, place = rng.choice(PLACES)
    holder = _person(plan, rng, names, age=(18, 85))
    first, *_, last = (plain(part) for part in holder.name.split())
    phases = _phases(plan, rng, _FATES[index % len(_FATES)])
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
        email=f"{first}.{last}{index}@example.no",
        phone=drawn.phone(),
        username=f"{first[:4]}{last[:4]}{index}",
        account_number=drawn.account_number(),
        chat_handle=f"{first.title()} {last[0].upper()}{index}",
        social_handle=f"@{first}_{last}{index}",
        address=f"{names.street_name()} {rng.randrange(1, 120)}, {postcode} {place}",
        place=place,
        line_id=f"{_code(place)}-olt{index % 7}-1/{index // 48}/{index % 48}",
        nas=f"bras1.{_code(place)}",
        shared=index % 10 == 9,
        products=products,
        contract_ids=tuple(f"A-{100_000 + 4 * index + nth}" for nth in range(len(products))),
        phases=phases,
        browsers=tuple(
            _browser(plan, rng, drawn, number if nth == 0 and rng.random() < 0.7 else None, phases[0])
            for nth in range(1 + min(len(members), 2))
        ),
        devices=_devices(drawn, products),
        invoice_day=1 + index % 28,
        direct_debit=rng.random() < 0.4,
    )


def _code(place: str) -> str:
    return {"Oslo": "osl", "Bergen": "bgo", "Trondheim": "trd", "Tromsø": "tos", "Stavanger": "svg"}[place]


def _person(plan: Plan, rng: random.Random, names: Faker, age: tuple[int, int]) -> Person:
    gender = rng.choice(("kvinne", "mann"))
    given = names.first_name_female() if gender == "kvinne" else names.first_name_male()
    birth = plan.start.date() - timedelta(days=rng.randrange(age[0] * 366, age[1] * 365))
    return Person(f"{given} {names.last_name()}", gender, birth)


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


def _browser(plan: Plan, rng: random.Random, drawn: Identities, owner: str | None, phase: Phase) -> Browser:
    family, system = rng.choice(BROWSERS)
    choice = rng.choices(("all", "necessary", "none"), (60, 30, 10))[0]
    earliest = max(phase.begin, plan.start - timedelta(days=180))
    decided = earliest + timedelta(seconds=int((plan.end - earliest).total_seconds() * 0.6 * rng.random()))
    withdrawn = None
    if choice == "all" and rng.random() < 0.15:
        withdrawn = decided + timedelta(seconds=int((plan.end - decided).total_seconds() * rng.random()) + 1)
    return Browser(drawn.cookie_id(), family, system, choice, decided, withdrawn, owner)
