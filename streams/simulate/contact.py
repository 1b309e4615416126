"""Contact with customer service: chats, cases and messages on social platforms."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from streams.simulate.identities import foreign_address
from streams.simulate.network import source
from streams.simulate.plan import Burst, SimEvent, event, in_time_order, moments
from streams.simulate.texts import FROM_COMPANY, FROM_PERSON, IN_PUBLIC, NOTES, OUTCOMES, write
from streams.simulate.world import Customer, World

CHATS, CASES, CASE_NOTES, SOCIAL = "support.chats", "support.cases", "support.notes", "social.messages"
CHATS_PER_DAY, CASES_PER_DAY, SOCIAL_PER_DAY = 0.08, 0.05, 0.04  # For each customer.
AGENTS = (("Ola K", "olak"), ("Siri B", "sirib"), ("Nils T", "nilst"))
REASONS = ("sale", "order", "complaint", "fault", "billing", "cancellation", "other")


def chats(world: World) -> Iterator[SimEvent]:
    """Conversations of a person with the bot and an employee."""
    rng = world.plan.random(CHATS)
    times = moments(world.plan, rng, CHATS_PER_DAY * len(world.customers))
    return in_time_order((at, _chat(world, rng, f"chat-{nth}", at)) for nth, at in enumerate(times, 100_000))


def _chat(world: World, rng: random.Random, session: str, at: datetime) -> Iterator[SimEvent]:
    customer = world.anybody(rng)
    if not customer.known(at) or rng.random() < 0.1:
        yield _welcome(rng, session, at)
        return
    # A member of the household writes only when logged in: alone, the name would point at nobody.
    member = rng.choice(customer.members) if customer.members and rng.random() < 0.2 else None
    logged_in = member is not None or rng.random() < 0.6
    handle = f"{member.name.split()[0]} {customer.index}" if member else customer.chat_handle
    agent = rng.choice(AGENTS)[0]
    for turn in range(2 + int(rng.random() * 6)):
        sender = ("person", "bot" if turn == 1 else "agent")[turn % 2]
        text, mentions = write(world, rng, FROM_PERSON if sender == "person" else FROM_COMPANY, customer, at)
        address, port, lease = source(world, rng, customer, at)
        value = {
            "session_id": session,
            "customer_number": customer.number if logged_in else None,
            "chat_handle": handle,
            "client_address": address,
            "client_port": port,
            "agent_handle": agent if sender == "agent" else None,
            "sender": sender,
            "text": text,
            "sent_at": at,
        }
        yield event(CHATS, at, value, (customer.number,), customer.number if lease else None, mentions)
        at += timedelta(milliseconds=rng.randrange(3_000, 90_000))


def _welcome(rng: random.Random, session: str, at: datetime) -> SimEvent:
    value = {
        "session_id": session,
        "customer_number": None,
        "chat_handle": None,
        "client_address": foreign_address(rng),
        "client_port": None,
        "agent_handle": None,
        "sender": "bot",
        "text": "Velkommen! Hva gjelder det?",
        "sent_at": at,
    }
    return event(CHATS, at, value)


def cases(world: World) -> Iterator[SimEvent]:
    """Cases as they stand when opened and, for most, once more when closed, and what is noted on them meanwhile."""
    rng, of_notes = world.plan.random(CASES), world.plan.random(CASE_NOTES)
    times = moments(world.plan, rng, CASES_PER_DAY * len(world.customers))
    return in_time_order(_case(world, rng, of_notes, nth, at) for nth, at in enumerate(times, 1))


def _case(world: World, rng: random.Random, of_notes: random.Random, nth: int, at: datetime) -> Burst:
    customer = world.anybody(rng)
    if not customer.known(at):
        return at, []
    notes, mentions = write(world, rng, NOTES, customer, at)
    number = f"S-{at.year}-{nth:06}"
    value = {
        "case_number": number,
        "customer_number": customer.number,
        "reason": rng.choice(REASONS),
        "notes": notes,
        "outcome": None,
        "agent": rng.choice(AGENTS)[1],
        "opened_at": at,
        "closed_at": None,
    }
    events = [event(CASES, at, value, (customer.number,), None, mentions)]
    if rng.random() < 0.8:
        closed = at + timedelta(seconds=rng.randrange(600, 6 * 86_400))
        outcome, more = write(world, rng, OUTCOMES, customer, at)
        value = value | {"outcome": outcome, "closed_at": closed}
        # Arrives when it closes; its event time is still the one of opening.
        events.append(event(CASES, closed, value, (customer.number,), None, mentions + more))
    return at, events + list(_notes(world, of_notes, customer, number, at))


def _notes(
    world: World, rng: random.Random, customer: Customer, case_number: str, at: datetime
) -> Iterator[SimEvent]:
    """Up to two notes, by the case number alone."""
    for nth in range(rng.randrange(3)):
        at += timedelta(seconds=rng.randrange(60, 300))
        text, mentions = write(world, rng, NOTES, customer, at)
        value = {
            "note_id": f"N-{case_number}-{nth}",
            "case_number": case_number,
            "author": rng.choice(AGENTS)[1],
            "text": text,
            "written_at": at,
        }
        yield event(CASE_NOTES, at, value, (customer.number,), None, mentions)


def social(world: World) -> Iterator[SimEvent]:
    """Messages and comments, some by people who are no customers."""
    rng = world.plan.random(SOCIAL)
    times = moments(world.plan, rng, SOCIAL_PER_DAY * len(world.customers))
    return in_time_order((at, [_message(world, rng, nth, at)]) for nth, at in enumerate(times, 1))


def _message(world: World, rng: random.Random, nth: int, at: datetime) -> SimEvent:
    found = world.anybody(rng)
    customer: Customer | None = found if found.known(at) and rng.random() < 0.8 else None
    text, mentions = write(world, rng, IN_PUBLIC, customer, at) if customer else (IN_PUBLIC[1], ())
    value = {
        "message_id": f"ex-{600_000 + nth}",
        "platform": "eksempelsosial",
        "channel_id": "eksempelnett",
        "social_handle": customer.social_handle if customer else f"@nysgjerrig_{rng.randrange(10_000)}",
        "customer_number": customer.number if customer and rng.random() < 0.3 else None,
        "text": text,
        "public": rng.random() < 0.6,
        "sent_at": at,
    }
    return event(SOCIAL, at, value, (customer.number,) if customer else (), None, mentions)
