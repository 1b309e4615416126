"""Our own Norwegian provider: all streams of events merged, and the truth about them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from operator import attrgetter

from schemas.errors import InputError
from streams.simulate import billing, contact, network, register, web
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.world import World, build_world

_AT = attrgetter("at")

# Topics of each stream, and what makes its events in time order.
STREAMS: tuple[tuple[frozenset[str], Callable[[World], Iterator[SimEvent]]], ...] = (
    (
        frozenset(
            [register.CREDIT, register.CUSTOMERS, register.CONTRACTS, register.EQUIPMENT, register.NOTICES,
             register.DISCLOSURES]
        ),
        register.register,
    ),
    (frozenset([network.ASSIGNMENTS]), network.assignments),
    (frozenset([web.CONSENTS]), web.consents),
    (frozenset([billing.INVOICES, billing.PAYMENTS]), billing.billing),
    (frozenset([web.VISITS]), web.visits),
    (frozenset([network.TRAFFIC]), network.traffic),
    (frozenset([web.VIEWINGS]), web.viewings),
    (frozenset([contact.CHATS]), contact.chats),
    (frozenset([contact.CASES]), contact.cases),
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


@dataclass
class Truth:
    """What an index fed with the events has to find, counted from what the simulator meant.

    Keys are (customer number, topic). `named`: events with one of `Customer.identifiers()` in a field.
    `observed`: events at an address (and port) that the customer held then. `found`: either of them, each event
    once. `mentioned`: events with an identifier of the customer inside the text. `events`: all, by topic.
    """

    events: Counter[str] = field(default_factory=Counter, repr=False)
    named: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False)
    observed: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False)
    found: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False)
    mentioned: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False)

    def add(self, item: SimEvent) -> SimEvent:
        """Count one event and hand it on."""
        topic = item.topic
        self.events[topic] += 1
        for number in item.named:
            self.named[number, topic] += 1
            self.found[number, topic] += 1
        if item.observed is not None:
            self.observed[item.observed, topic] += 1
            if item.observed not in item.named:
                self.found[item.observed, topic] += 1
        for number in {mention.customer_number for mention in item.mentioned}:
            self.mentioned[number, topic] += 1
        return item

    def of(
        self, customer_number: str, counted: Mapping[tuple[str, str], int] | None = None
    ) -> dict[str, int]:
        """Events of one customer by topic, those `found` unless another count is given."""
        counts = self.found if counted is None else counted
        return {
            topic: count for (number, topic), count in sorted(counts.items()) if number == customer_number
        }


def truth(plan: Plan, topics: Collection[str] = (), world: World | None = None) -> Truth:
    """The truth about all events of the plan."""
    return tally(events(plan, topics, world))


def tally(items: Iterable[SimEvent]) -> Truth:
    """The truth about these events."""
    told = Truth()
    for item in items:
        told.add(item)
    return told
