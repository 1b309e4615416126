"""The account of one run over a source: what was sent, found again, refused and noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.feeds.lines.reasons import CUT_SHORT
from streams.feeds.run.checkpoint import Checkpoint, Settled, Skip, Tail

FEED_HEADER = "innsyn-feed"
LINE_HEADER = "innsyn-line"
PART_HEADER = "innsyn-part"
MARK_HEADER = "innsyn-mark"

Message = tuple[int, int]
"""Line and part: which event of which record."""


@dataclass(frozen=True)
class Report:
    """What became of a source over all its runs: records `read` = sent ones + `skipped` ones.

    `sent` counts events, of which one record may give several; `sent_now` are this run's. `noticed` are records that
    were sent and are odd; `others` are lines about something else. `resumed_after` is the line the checkpoint stood at;
    `found` counts messages beyond it that were there already; `finished_before` means that nothing was left to do.
    `remarks` are how it was read, reasons of `streams.feeds.lines.reasons`.
    """

    name: str
    feed_id: str | None
    label: str
    topic: str
    read: int
    sent: int
    sent_now: int
    others: int
    skipped: Mapping[str, Skip]
    noticed: Mapping[str, Skip]
    resumed_after: int
    found: int
    finished_before: bool
    remarks: tuple[str, ...] = ()

    @property
    def refused(self) -> int:
        return sum(skip.count for skip in self.skipped.values())

    @property
    def complete(self) -> bool:
        """Whether all of the source was there, and something of it could be read, if there was anything."""
        return CUT_SHORT not in self.remarks and (self.sent > 0 or self.refused == 0)


@dataclass
class Run:
    """The counts of a run, going on from a checkpoint. `found`: what was sent after it."""

    start: Checkpoint
    found: frozenset[Message] = frozenset()
    sent: int = 0
    found_again: int = 0
    more: int = 0
    others: int = 0
    skipped: dict[str, Skip] = field(default_factory=dict)
    noticed: dict[str, Skip] = field(default_factory=dict)

    @classmethod
    def after(cls, checkpoint: Checkpoint, found: frozenset[Message] = frozenset()) -> Run:
        skipped, noticed = dict(checkpoint.skipped), dict(checkpoint.noticed)
        return cls(checkpoint, found, skipped=skipped, noticed=noticed)

    def settled(self, lines: int) -> Settled:
        return Settled(
            lines=lines,
            sent=self._all_sent,
            more=self.start.more + self.more,
            others=self.start.others + self.others,
            skipped=dict(self.skipped),
            noticed=dict(self.noticed),
        )

    def at(self, lines: int, offsets: Mapping[int, int]) -> Checkpoint:
        return self.start.model_copy(update={**dict(self.settled(lines)), "offsets": offsets})

    def finished(self, lines: int, offsets: Mapping[int, int], tail: Tail | None) -> Checkpoint:
        """All of the extent is settled."""
        return self.at(lines, offsets).model_copy(update={"finished": True, "tail": tail})

    @property
    def _all_sent(self) -> int:
        return self.start.sent + self.sent + self.found_again


def count(skips: dict[str, Skip], reason: str, line: int) -> None:
    skips[reason] = skips.get(reason, Skip()).with_line(line)
