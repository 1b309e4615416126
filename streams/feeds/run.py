"""The account of one run over a source: what was sent, found again, refused and noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.feeds.checkpoint import Checkpoint, Skip
from streams.feeds.source import Source

Message = tuple[int, int]
"""Line and part: which event of which record."""


@dataclass(frozen=True)
class Report:
    """What became of a source over all its runs: records `read` = sent ones + `skipped` ones.

    `sent` counts events, of which one record may give several; `sent_now` are this run's. `noticed` are records that
    were sent and are odd. `resumed_after` is the line the checkpoint stood at; `found` counts messages beyond it that
    an interrupted run had sent; `finished_before` means that nothing was left to do.
    """

    name: str
    feed_id: str | None
    label: str
    topic: str
    read: int
    sent: int
    sent_now: int
    skipped: Mapping[str, Skip]
    noticed: Mapping[str, Skip]
    resumed_after: int
    found: int
    finished_before: bool


@dataclass
class Run:
    """The counts of a run, going on from a checkpoint. `found`: what was sent after it."""

    start: Checkpoint
    found: frozenset[Message]
    sent: int = 0
    found_again: int = 0
    more: int = 0
    skipped: dict[str, Skip] = field(default_factory=dict)
    noticed: dict[str, Skip] = field(default_factory=dict)

    @classmethod
    def after(cls, checkpoint: Checkpoint, found: frozenset[Message] = frozenset()) -> Run:
        skipped, noticed = dict(checkpoint.skipped), dict(checkpoint.noticed)
        return cls(checkpoint, found, skipped=skipped, noticed=noticed)

    def at(self, lines: int, offsets: Mapping[int, int], finished: bool) -> Checkpoint:
        return self.start.model_copy(
            update={
                "lines": lines,
                "offsets": offsets,
                "sent": self._all_sent,
                "more": self.start.more + self.more,
                "skipped": dict(self.skipped),
                "noticed": dict(self.noticed),
                "finished": finished,
            }
        )

    def report(self, source: Source, *, finished_before: bool) -> Report:
        refused = sum(skip.count for skip in self.skipped.values())
        return Report(
            name=source.name,
            feed_id=source.feed_id,
            label=source.label,
            topic=self.start.topic,
            read=self._all_sent - self.start.more - self.more + refused,
            sent=self._all_sent,
            sent_now=self.sent,
            skipped=self.skipped,
            noticed=self.noticed,
            resumed_after=0 if finished_before else self.start.lines,
            found=self.found_again,
            finished_before=finished_before,
        )

    @property
    def _all_sent(self) -> int:
        return self.start.sent + self.sent + self.found_again


def count(skips: dict[str, Skip], reason: str, line: int) -> None:
    skips[reason] = skips.get(reason, Skip()).with_line(line)
