"""What keeps a person's data beyond what rules say of events alone: clocks that started, and preservation orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.policy import RetentionAnchors
from sinks.ports.lineage import Span
from streams.answers.clocks import Clocks, EarlierDays, KnownAnchors
from streams.answers.frozen import NOWHERE, Frozen


class Orders(Protocol):
    """As `streams.answers.preservation.Preservation`."""

    def frozen(self, now: datetime) -> Frozen: ...

    def destroy_keys(self, now: datetime) -> list[str]: ...


@dataclass(frozen=True)
class Keeping:
    """`clocks`: what events say of them; None: what is typed is all that is known. `orders`: preservation orders; None:
    there are none. Every method may raise IndexUnavailable and KeyUnavailable."""

    clocks: Clocks | None = None
    orders: Orders | None = None

    def anchors_for(
        self,
        spans: Sequence[Span],
        given: RetentionAnchors,
        known_at: datetime | None = None,
        earlier: EarlierDays | None = None,
    ) -> KnownAnchors:
        """The clocks of the person to whom the spans lead; a day that is `given` goes before."""
        if self.clocks is not None:
            return self.clocks.anchors_for(spans, given, known_at, earlier)
        before = dict(earlier.days) if earlier is not None else {}
        return KnownAnchors(RetentionAnchors(**{**before, **given.days()}), given, (), before)

    def frozen(self, now: datetime) -> Frozen:
        """All that preservation orders hold."""
        return NOWHERE if self.orders is None else self.orders.frozen(now)

    def destroy_keys(self, now: datetime) -> list[str]:
        """Destroy the keys of orders that have ended: nobody reads any more whom they were about. Their ids."""
        return [] if self.orders is None else self.orders.destroy_keys(now)


NOTHING_KEPT = Keeping()
