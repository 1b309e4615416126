"""The customer relation itself: credit checks, contracts, equipment, notices and disclosures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from streams.simulate.customers import DELIVERED, RETURNED
from streams.simulate.details import as_signed, updates
from streams.simulate.people import BROADBAND
from streams.simulate.plan import SimEvent, event, in_time_order
from streams.simulate.world import Customer, Phase, World

CONTRACTS, EQUIPMENT = "orders.contracts", "provisioning.equipment"
CREDIT, NOTICES, DISCLOSURES = "credit.checks", "privacy.notices", "privacy.disclosures"
BUREAU = "Eksempel Kredittopplysning AS"
END_REASONS = ("moved", "other_provider", "price", "not_needed")
RECEIVERS = (
    ("Eksempel politidistrikt", "police", "statutory_order", "ekomloven § 3-10", ("C-01", "C-17")),
    (
        "Eksempel Inkasso AS",
        "collection_agency",
        "independent_controller",
        "GDPR Art. 6(1)(f)",
        ("C-01", "C-07"),
    ),
    (
        "Eksempel Nummeropplysning AS",
        "directory_service",
        "independent_controller",
        "ekomloven § 12-5",
        ("C-01",),
    ),
)
DISCLOSED_EACH = 40  # One customer in so many.


def register(world: World) -> Iterator[SimEvent]:
    """All of it in time order."""
    rng = world.plan.random("register")
    bursts = [
        (phase.signed, list(_phase(world, rng, customer, nth, phase)))
        for customer in world.customers
        for nth, phase in enumerate(customer.phases)
    ]
    for customer in world.customers[::DISCLOSED_EACH]:
        first = max(world.plan.start, customer.phases[0].begin)
        at = first + timedelta(seconds=rng.randrange(int((world.plan.end - first).total_seconds())))
        bursts.append((at, list(_disclosure(rng, customer, at))))
    bursts += [(item.at, [item]) for customer in world.customers for item in updates(customer)]
    bursts.sort(key=lambda burst: burst[0])
    return in_time_order(bursts)


def _phase(
    world: World, rng: random.Random, customer: Customer, nth: int, phase: Phase
) -> Iterator[SimEvent]:
    yield from _credit_check(rng, customer, nth, phase.signed)
    yield as_signed(customer, phase)
    yield _notice(
        customer, f"V-{2 * customer.index + nth}-I", "collection", phase.signed + timedelta(minutes=6)
    )
    kind = "returned" if nth else "started"
    yield from _contracts(rng, customer, kind, phase.begin)
    yield from _equipment(customer, "delivered", phase.begin - DELIVERED)
    yield from _equipment(customer, "activated", phase.begin + timedelta(minutes=20))
    if phase.end is not None:
        yield from _contracts(rng, customer, "ended", phase.end)
        yield from _equipment(customer, "returned", phase.end + RETURNED)
    elif rng.random() < 0.1:
        at = max(phase.begin, world.plan.start)
        at += timedelta(seconds=rng.randrange(1, int((world.plan.end - at).total_seconds())))
        yield _contract(rng, customer, 0, "changed", at)


def _credit_check(rng: random.Random, customer: Customer, nth: int, at: datetime) -> Iterator[SimEvent]:
    frozen = rng.random() < 0.03
    score = rng.randrange(20, 100)
    value = {
        "reference": f"KS-{200_000 + 2 * customer.index + nth}",
        "customer_number": customer.number if nth else None,
        "fodselsnummer": customer.fodselsnummer,
        "bureau": BUREAU,
        "score": None if frozen else score,
        "remarks": None if frozen else int(score < 35),
        "credit_freeze": frozen,
        "outcome": "deposit" if frozen or score < 40 else "approved",
        "automated": not frozen,
        "requested_at": at,
    }
    yield event(CREDIT, at, value, (customer.number,))
    told = at + timedelta(minutes=2)
    yield _notice(customer, f"V-{2 * customer.index + nth}-K", "third_party", told)


def _contracts(rng: random.Random, customer: Customer, kind: str, at: datetime) -> Iterator[SimEvent]:
    for place in range(len(customer.products)):
        yield _contract(rng, customer, place, kind, at)


def _contract(rng: random.Random, customer: Customer, place: int, kind: str, at: datetime) -> SimEvent:
    fresh = kind in ("started", "returned")
    value = {
        "contract_id": customer.contract_ids[place],
        "customer_number": customer.number,
        "product": BROADBAND[-1] if kind == "changed" else customer.products[place],
        "kind": kind,
        "binding": at.date() + timedelta(days=365) if fresh and place == 0 else None,
        "address": customer.address if fresh else None,
        "end_reason": rng.choice(END_REASONS) if kind == "ended" else None,
        "occurred_at": at,
    }
    return event(CONTRACTS, at, value, (customer.number,))


def _equipment(customer: Customer, happened: str, at: datetime) -> Iterator[SimEvent]:
    for device in customer.devices:
        value = {
            "device_serial": device.serial,
            "mac": device.mac,
            "customer_number": customer.number,
            "model": device.model,
            "imei": device.imei,
            "event": happened,
            "occurred_at": at,
        }
        yield event(EQUIPMENT, at, value, (customer.number,))


def _disclosure(rng: random.Random, customer: Customer, at: datetime) -> Iterator[SimEvent]:
    recipient, recipient_class, instrument, basis, categories = rng.choice(RECEIVERS)
    value = {
        "disclosure_id": f"U-{at.year}-{customer.index:05}",
        "customer_number": customer.number,
        "recipient": recipient,
        "recipient_class": recipient_class,
        "instrument": instrument,
        "basis": basis,
        "case_reference": f"{at.year}/{rng.randrange(10**6):06}" if recipient_class == "police" else None,
        "categories": list(categories),
        "disclosed_at": at,
    }
    yield event(DISCLOSURES, at, value, (customer.number,))
    yield _notice(customer, f"V-{customer.index}-U", "disclosure", at + timedelta(hours=1))


def _notice(customer: Customer, notice_id: str, occasion: str, at: datetime) -> SimEvent:
    # Whoever was told at sign-up is not told again at every later step (GDPR Art. 13(4)).
    exempt = occasion == "collection" and customer.index % 25 == 24
    value = {
        "notice_id": notice_id,
        "customer_number": customer.number,
        "occasion": occasion,
        "notice_version": "2026-01",
        "source": BUREAU if occasion == "third_party" else None,
        "categories": {"third_party": ["C-05"], "disclosure": ["C-01"]}.get(
            occasion, ["C-01", "C-02", "C-09"]
        ),
        "exemption": "already_informed" if exempt else None,
        "evidence": "personvernerklæring 2026-01" if exempt else None,
        "channel": "none" if exempt else "email",
        "sent_at": at,
    }
    return event(NOTICES, at, value, (customer.number,))
