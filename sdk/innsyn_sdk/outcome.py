"""What a command came to: what a handler returns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

REASONS = frozenset(
    {
        "store_unavailable", "key_unknown", "command_not_understood", "unknown_field", "superseded", "too_old",
        "clock_off", "not_authentic", "other_system", "legal_hold", "no_handler", "undated", "needs_person", "timeout",
        "internal_error",
    }
)  # fmt: skip
"""What innsyn keeps as the reason of a receipt; any other text may name somebody, so it is neither kept nor shown."""


class StoreUnavailable(Exception):
    """Raise it where the store is away: the job tries again, then answers that another attempt may do better."""


@dataclass(frozen=True)
class Outcome:
    """State and counts of a receipt; see `done`, `not_found`, `partial`, `withheld`, `failed`."""

    state: str
    deleted: tuple[tuple[str, int], ...] = ()
    redacted: tuple[tuple[str, int], ...] = ()
    erased: int = 0
    held: int = 0
    ground: str | None = None
    citation: str | None = None
    review_date: date | None = None
    reason: str | None = None
    retryable: bool | None = None
    records: tuple[tuple[str, int], ...] = ()
    parts: int = 0
    copy_digest: str | None = None

    def check(self) -> None:
        """Raises ValueError for counts that no receipt can have: below zero, beyond 2^53 - 1, or no whole numbers."""
        pairs = (*self.deleted, *self.redacted, *self.records)
        counts = (self.erased, self.held, self.parts, *(count for _, count in pairs))
        if not all(type(count) is int and 0 <= count < 2**53 for count in counts):
            raise ValueError("an outcome counts what cannot be")

    def said(self) -> dict[str, Any]:
        """As the fields of a receipt."""
        deleted, redacted = dict(self.deleted), dict(self.redacted)
        outcomes = [
            {
                "record": name,
                "deleted": deleted.get(name, 0),
                "redacted": redacted.get(name, 0),
                "stayed_for": [],
            }
            for name in sorted({*deleted, *redacted})
        ]
        names = ("state", "erased", "held", "ground", "citation", "review_date", "reason", "retryable")
        return {"outcomes": outcomes, **{name: getattr(self, name) for name in names}}

    def said_of_right(self) -> dict[str, Any]:
        """As the fields of the receipt of another right than erasure."""
        names = ("state", "parts", "ground", "citation", "review_date", "reason", "retryable")
        digest = None if self.copy_digest is None else bytes.fromhex(self.copy_digest)
        counted = [{"record": name, "count": count} for name, count in self.records]
        return {"records": counted, "copy_digest": digest, **{name: getattr(self, name) for name in names}}

    def text(self) -> str:
        """To be remembered."""
        return json.dumps(self.__dict__, default=date.isoformat)

    @staticmethod
    def read(text: str) -> Outcome:
        """What `text` wrote."""
        stored = json.loads(text)
        for name in ("deleted", "redacted", "records"):
            stored[name] = tuple((record, count) for record, count in stored[name])
        if stored["review_date"] is not None:
            stored["review_date"] = date.fromisoformat(stored["review_date"])
        return Outcome(**stored)


Counts = Mapping[str, int]
"""By record, as in `Invoice`: how many."""


def done(deleted: Counts | None = None, redacted: Counts | None = None) -> Outcome:
    """All that was to go is gone: so many records as a whole, so many lost the person's fields and stay."""
    return _counted("done", deleted, redacted)


def changed(records: Counts) -> Outcome:
    """So many records were corrected, restricted or freed: all that the command names."""
    return Outcome("done", records=tuple(sorted(records.items())))


def not_found() -> Outcome:
    """The system has nothing of the person."""
    return Outcome("not_found")


def partial(held: int, ground: str | None = None, *, deleted: Counts | None = None, redacted: Counts | None = None,
            citation: str | None = None, review_date: date | None = None, reason: str | None = None,
            ) -> Outcome:  # fmt: skip
    """Some is gone and `held` records stay, by a retention rule of innsyn's catalogue; or by the reason `undated`, as
    nobody can tell when they were."""
    return replace(_counted("partial", deleted, redacted, held, ground, citation, review_date), reason=reason)


def withheld(held: int, ground: str, citation: str, review_date: date) -> Outcome:
    """Nothing went: the law or an agreement keeps it, until it is looked at again."""
    return _counted("withheld", None, None, held, ground, citation, review_date)


def failed(reason: str, *, retryable: bool | None = None) -> Outcome:
    """Nothing is done, by a reason of the protocol such as `needs_person` or `timeout`; anything else is not kept."""
    return Outcome("failed", reason=reason, retryable=retryable)


def _counted(
    state: str,
    deleted: Counts | None,
    redacted: Counts | None,
    held: int = 0,
    ground: str | None = None,
    citation: str | None = None,
    review_date: date | None = None,
) -> Outcome:
    counts: Sequence[Counts] = (deleted or {}, redacted or {})
    gone, blanked = (tuple(sorted(item.items())) for item in counts)
    erased = sum(count for item in counts for count in item.values())
    return Outcome(state, gone, blanked, erased, held, ground, citation, review_date)
