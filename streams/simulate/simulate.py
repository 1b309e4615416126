"""Our own Norwegian provider: all streams of events merged, and the truth about them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import takewhile
from operator import attrgetter

from schemas.errors import InputError
from streams.simulate import assignments, billing, contact, details, logins, network, register, web
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.truth import Truth
from streams.simulate.world import World, build_world

__all__ = ["STREAMS", "TOPICS", "Truth", "events", "tally", "truth"]

_AT = attrgetter("at")

# Topics of each stream, and what makes its events in time order.
STREAMS: tuple[tuple[frozenset[str], Callable[[World], Iterator[SimEvent]]], ...] = (
    (
        frozenset(
            [register.CREDIT, details.CUSTOMERS, register.CONTRACTS, register.EQUIPMENT, register.NOTICES,
             register.DISCLOSURES]
        ),
        register.register,
    ),
    (frozenset([assignments.ASSIGNMENTS]), assignments.assignments),
    (frozenset([logins.LOGINS]), logins.logins),
    (frozenset([web.CONSENTS]), web.consents),
    (frozenset([billing.INVOICES, billing.PAYMENTS]), billing.billing),
    (frozenset([web.VISITS]), web.visits),
    (frozenset([network.TRAFFIC]), network.traffic),
    (frozenset([web.VIEWINGS]), web.viewings),
    (frozenset([contact.CHATS]), contact.chats),
    (frozenset([contact.CASES, contact.CASE_NOTES]), contact.cases),
    (frozenset([contact.SOCIAL]), contact.social),
)  # fmt: skip
TOPICS = tuple(sorted(name for topics, _ in STREAMS for name in topics))


def events(plan: Plan, topics: Collection[str] = (), world: World | None = None) -> Iterator[SimEvent]:
    """Events of the plan in time order, all topics unless some are named. The same arguments give the same events.

    `world` spares building it again; it must be the plan's. Errors: InputError for a topic that has no stream.
    """
    for name in topics:
        if name not in TOPICS:
            raise InputError(f"the simulator writes no topic {name}; name one of {', '.join(TOPICS)}")
    there = world or build_world(plan)
    wanted = frozenset(topics or TOPICS)
    end = plan.end
    streams = (takewhile(lambda item: item.at < end, make(there)) for made, make in STREAMS if made & wanted)
    merged = heapq.merge(*streams, key=_AT)
    return (item for item in merged if item.topic in wanted) if topics else merged


def truth(plan: Plan, topics: Collection[str] = (), world: World | None = None) -> Truth:
    """The truth about all events of the plan."""
    there = world or build_world(plan)
    return tally(events(plan, topics, there), there)


def tally(items: Iterable[SimEvent], world: World | None = None) -> Truth:
    """The truth about these events; with the world also what a perfect resolver finds in them."""
    told = Truth(world)
    for item in items:
        told.add(item)
    return told
