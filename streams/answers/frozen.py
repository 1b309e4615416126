"""What preservation orders hold (straffeprosessloven § 215 a): while one runs nothing of the person is erased. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from schemas.catalogue import Catalogue
from schemas.errors import InputError
from sinks.ports.lineage import Span

CITATION = "straffeprosessloven § 215 a"


class HeldByLaw(InputError):
    """A preservation order holds the person's data: nobody may erase or change any of it now."""


def freezing(catalogue: Catalogue) -> tuple[str | None, str, tuple[str, ...]]:
    """The catalogue's rule for it, its citation and purposes; no rule and no purpose where it has none in force."""
    rules = (rule for rule in catalogue.retention_rules.values() if rule.active and rule.effect == "freeze")
    rule = next(rules, None)
    return (rule.id, rule.authority, tuple(rule.purposes)) if rule else (None, CITATION, ())


@dataclass(frozen=True)
class Frozen:
    """Where everything is held by a preservation order, each with its last day. The default: nowhere."""

    held: Mapping[Span, date] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.held)

    @property
    def spans(self) -> Sequence[Span]:
        return tuple(self.held)

    @property
    def tokens(self) -> frozenset[bytes]:
        """Of all that is held, if only for a time."""
        return frozenset(span.token for span in self.held)

    def holds(self, spans: Iterable[Span]) -> bool:
        """Whether any of it is held under these spans."""
        return self.until(spans) is not None

    def until(self, spans: Iterable[Span]) -> date | None:
        """The last day on which any of it is held under these spans, None where nothing is."""
        by_token: defaultdict[bytes, list[tuple[Span, date]]] = defaultdict(list)
        for span, day in self.held.items():
            by_token[span.token].append((span, day))
        days = (day for span in spans for held, day in by_token.get(span.token, ()) if _overlap(span, held))
        return max(days, default=None)

    def refuse(self, spans: Iterable[Span]) -> None:
        """Raises HeldByLaw where any of it is held."""
        if self.holds(spans):
            raise HeldByLaw(
                f"held by law ({CITATION}): nothing of this person may be erased or changed now; resend the request"
                " once that has ended"
            )


NOWHERE = Frozen()


def _overlap(one: Span, other: Span) -> bool:
    begins = one.since is None or other.until is None or one.since < other.until
    ends = other.since is None or one.until is None or other.since < one.until
    return begins and ends and one.port_from <= other.port_to and other.port_from <= one.port_to
