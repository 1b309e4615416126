"""What an index fed with the simulated events has to find: as it was meant, and as a perfect resolver sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.simulate.plan import SimEvent
from streams.simulate.resolver import Resolver
from streams.simulate.world import World

Counts = Counter[tuple[str, str]]
"""Events by (customer number, topic)."""


def _counts() -> Counts:
    return Counter()


@dataclass
class Truth:
    """Counts of events by (customer number, topic); each event once in each of them.

    What the simulator meant, by the number of the customer record:
    `named`: events with one of `Customer.identifiers(at)` in a field. `observed`: events at an address (and port)
    that the customer held then. `found`: either of them. `mentioned`: events with an identifier of the customer
    inside the text. `events`: all, by topic.

    What a perfect resolver finds when it is asked for a customer number and has read all events; only with `world`.
    By the number under which the customer goes on: the events of a record found to be a duplicate are the other's.
    `unique`: events with an identifier that belonged to this customer alone at that time, as the feeds show it.
    `gaps`: further events that may be the customer's by a session whose end was lost: they lie after its last report,
    in a gap that the feeds cannot show. An index may find each of them, as the customer's or as shared, or not.
    `ambiguous`: further events at a shared address without its port while the customer was one of several holders.
    `doubtful`: further events that may look as ambiguous for this customer, because of a lost release.
    `locked`: further events kept for the police alone (ekomloven § 3-13) that name the customer; never to be counted.
    `only_mentioned`: further events in whose text alone an identifier of the customer stands.
    `nobody`: by topic, events that are in none of `unique`, `gaps`, `ambiguous` and `locked` of any customer.
    """

    world: World | None = field(default=None, repr=False)
    events: Counter[str] = field(default_factory=Counter, repr=False)
    named: Counts = field(default_factory=_counts, repr=False)
    observed: Counts = field(default_factory=_counts, repr=False)
    found: Counts = field(default_factory=_counts, repr=False)
    mentioned: Counts = field(default_factory=_counts, repr=False)
    unique: Counts = field(default_factory=_counts, repr=False)
    gaps: Counts = field(default_factory=_counts, repr=False)
    ambiguous: Counts = field(default_factory=_counts, repr=False)
    doubtful: Counts = field(default_factory=_counts, repr=False)
    locked: Counts = field(default_factory=_counts, repr=False)
    only_mentioned: Counts = field(default_factory=_counts, repr=False)
    nobody: Counter[str] = field(default_factory=Counter, repr=False)

    def __post_init__(self) -> None:
        self._resolver = Resolver(self.world) if self.world else None

    def add(self, item: SimEvent) -> SimEvent:
        """Count one event and hand it on. With `world`, events are to come in their order."""
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
        if self._resolver is not None:
            self._resolve(self._resolver, item)
        return item

    def _resolve(self, resolver: Resolver, item: SimEvent) -> None:
        answer = resolver.answer(item)
        for counts, numbers in (
            (self.unique, answer.unique),
            (self.gaps, answer.gap),
            (self.ambiguous, answer.ambiguous),
            (self.doubtful, answer.doubtful),
            (self.locked, answer.locked),
            (self.only_mentioned, answer.mentioned),
        ):
            for number in numbers:
                counts[number, item.topic] += 1
        if not (answer.unique or answer.gap or answer.ambiguous or answer.locked):
            self.nobody[item.topic] += 1

    def of(
        self, customer_number: str, counted: Mapping[tuple[str, str], int] | None = None
    ) -> dict[str, int]:
        """Events of one customer by topic, those `found` unless another count is given."""
        counts = self.found if counted is None else counted
        return {
            topic: count for (number, topic), count in sorted(counts.items()) if number == customer_number
        }
