"""What a reference job counts while it erases, and what that comes to. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date

from innsyn_sdk.mapping import Keep
from innsyn_sdk.matching import Verdict
from innsyn_sdk.outcome import Outcome, done, not_found, partial, withheld

UNDATED = "undated"
"""Why rows stay that go when their time has come."""


@dataclass
class Tally:
    """Rows by record: gone, without the person's fields, held; and those whose time cannot be read."""

    deleted: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    held: int = 0
    undated: int = 0
    review: tuple[date, Keep] | None = None

    def add(self, record: str, verdict: Verdict) -> None:
        """Count a row. One of which all that was to go is gone already counts as redacted: it stays without it."""
        self.undated += verdict.undated
        if not verdict.mine:
            return
        if verdict.held is not None:
            keep, until = verdict.held
            self.held += 1
            if self.review is None or until < self.review[0]:
                self.review = (until, keep)
        elif verdict.delete:
            self.deleted[record] += 1
        else:
            self.redacted[record] += 1

    def outcome(self) -> Outcome:
        """What it comes to. Of several rules the one that ends first: on that day somebody looks again. Of rows that
        nobody can date no rule says that they stay."""
        if self.undated:
            # By no rule: whoever answers for the system has to look at them.
            known = partial(self.held + self.undated, deleted=self.deleted, redacted=self.redacted)
            return replace(known, reason=UNDATED)
        if self.review is not None:
            until, keep = self.review
            if not self.deleted and not self.redacted:
                return withheld(self.held, keep.rule, keep.citation, until)
            return partial(
                self.held,
                keep.rule,
                deleted=self.deleted,
                redacted=self.redacted,
                citation=keep.citation,
                review_date=until,
            )
        return done(self.deleted, self.redacted) if self.deleted or self.redacted else not_found()
