"""Where one system stands with what it was told to do, and whether its answer is enough. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.messages import Outcome
from schemas.vocabulary import CommandKind, CommandState

RECORDS_PER_EVENT = 10
"""How many records a system may keep of one event before its answer is doubted: an invoice has lines and a letter."""
REFUSALS = (CommandState.PARTIAL, CommandState.WITHHELD, CommandState.FAILED)
UNANSWERED = (CommandState.UNSENT, CommandState.SENT, CommandState.ACCEPTED)
EVERY = "*"
"""Stands, among the kinds of records, for all of them."""


@dataclass(frozen=True)
class Command:
    """Where one system stands.

    `planned`: records that the index found there to erase; None: nobody counted. `events`: that tell of them; None:
    planned when each counted as a record.
    `records`: the same by kind of record, with those that may not be counted aloud. `least`: of how many records an
    answer has to tell at least, by kind and of EVERY one, where that is another number: an earlier answer told of some
    already, and what is planned came on top (answers add up); or some of them nobody knows to be there still.
    `by_link`: how many of them nothing that was sent names; `by_key`: how many their own key alone. `known`: events of
    the person that the index knew there when the answer came, asked where it said more than planned. `outcomes`: what
    it did to its records, by kind (`schemas.messages.Outcome`), if it says so. `described`: some of them may not be
    counted aloud. `accepted`: a person took the answer for enough, with a reason. `after_end`: it came after the
    request ended.
    `retryable`: it could not just then. `lawful`: what it withholds it may, until the review date, as `citation` says;
    `unlawful` why not.
    `heard_at`: when its last answer was recorded, of any attempt.
    `escalated`: it was told in vain so long that a person has to look. `kind`: what it is told, None: to erase; then
    `erased` is how many records it copied, corrected, restricted or freed. `by_hand`: nothing is sent, its people do it
    and a person says so. `parts`, `copy_digest`: of a copy, see `schemas.messages.RightsReceipt`; `copied`: all of
    it is here. `reread`: it erased these before, and only the index has them again, so it need not find them.
    `others_stay`: of what has run out of everybody, people were named whose records stay.
    """

    command_id: str
    system: str
    state: CommandState = CommandState.UNSENT
    attempt: int = 0
    erased: int = 0
    held: int = 0
    ground: str | None = None
    review_date: str | None = None
    reason: str | None = None
    reported_at: str | None = None
    heard_at: str | None = None
    sent_at: str | None = None
    planned: int | None = None
    by_link: int = 0
    known: int | None = None
    described: bool = False
    records: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    accepted: bool = False
    after_end: bool = False
    retryable: bool = False
    citation: str | None = None
    lawful: bool = False
    unlawful: str | None = None
    escalated: bool = False
    events: int | None = None
    kind: CommandKind | None = None
    by_hand: bool = False
    parts: int = 0
    copy_digest: str | None = None
    reread: bool = False
    copied: bool = False
    by_key: int = 0
    others_stay: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be waited for: done, and as much as was planned, or accepted as it is; withheld as
        the law has it; or nothing found where nothing was."""
        if self.state is CommandState.TAKEN_BACK:
            return True
        if self.by_hand or self.for_a_person or (self.copies and self.accepted):
            return self.accepted
        match self.state:
            case CommandState.DONE:
                return self.accepted or not (self.short or self.excessive or self.awaits_parts)
            case CommandState.NOT_FOUND:
                return self.accepted or self.reread or (self.planned is not None and self.asked == 0)
        return self.withholds

    @property
    def restricts(self) -> bool:
        """Whether it was told to restrict, or its people said that they did."""
        told = self.accepted if self.by_hand else self.attempt > 0
        return self.kind is CommandKind.RESTRICT and told

    @property
    def given_up(self) -> bool:
        """Whether it was to erase and is waited for no more: the request was closed, and its restriction lifted."""
        return self.kind is None and self.state is CommandState.TAKEN_BACK

    @property
    def copies(self) -> bool:
        """Whether it was asked for a copy, without which a person may decide to answer."""
        return self.kind is CommandKind.ACCESS

    @property
    def sent_parts(self) -> bool:
        """Whether it said that it sent parts of its copy, and not all of them are known to be here."""
        said = self.state in (CommandState.DONE, CommandState.PARTIAL)
        return self.copies and said and self.parts > 0 and not self.copied

    @property
    def awaits_parts(self) -> bool:
        """Whether those parts are waited for."""
        return self.sent_parts and not self.accepted

    @property
    def for_a_person(self) -> bool:
        """Whether it did not do, or not all of, what is no erasure: whether it may is a person's to say."""
        return self.kind is not None and self.state in (CommandState.PARTIAL, CommandState.WITHHELD)

    @property
    def withholds(self) -> bool:
        """Whether it keeps what it was told to erase, all that it did not erase, and may until the review date."""
        return self.may_withhold and (self.accepted or not self.short)

    @property
    def erased_kinds(self) -> frozenset[str]:
        """Kinds of records of which it says that every one that was planned is erased, where the answer tells kinds
        apart."""
        told, short = told_of(self), self.short_of()
        return frozenset(name for name in self.records if told[name] and name not in short)

    @property
    def may_withhold(self) -> bool:
        """Whether it says that it withholds something, and the law has it so."""
        return self.state is CommandState.WITHHELD and self.lawful

    @property
    def retrying(self) -> bool:
        """Whether it could not just then, and is told again by itself."""
        return self.state is CommandState.FAILED and self.retryable

    @property
    def pending(self) -> bool:
        """Whether it was told and has not answered for good."""
        if self.by_hand:
            return not self.settled
        if self.copies and self.accepted:
            return False
        return self.state in (CommandState.SENT, CommandState.ACCEPTED) or self.retrying or self.awaits_parts

    @property
    def refused(self) -> bool:
        return (
            self.state in REFUSALS
            and not self.for_a_person
            and not (self.copies and self.accepted)
            and not self.may_withhold
            and not (self.retrying and not self.escalated)
        )

    @property
    def doubtful(self) -> bool:
        """Done, nothing found or lawfully withheld by its own word, and not enough, or more than can be."""
        if self.by_hand or self.for_a_person:
            return not self.settled
        spoke = self.state in (CommandState.DONE, CommandState.NOT_FOUND) or self.may_withhold
        return spoke and not self.settled and (self.short or self.excessive or not self.awaits_parts)

    @property
    def urgent(self) -> bool:
        """Whether a person has to look at it."""
        return self.refused or self.doubtful or (self.escalated and self.pending)

    @property
    def short(self) -> bool:
        """Fewer records erased than events planned, in all or of one kind, where the answer tells them apart.

        More of one kind do not make up for another. Records held back are no excuse, unless the law has it so: then
        they count, of whatever kind they are.
        """
        if self.planned is None or self.reread:
            return False
        if self.may_withhold:
            return self.erased + self.held < self.asked
        return self.erased < self.asked or bool(self.short_of())

    @property
    def asked(self) -> int:
        """Of how many records an answer has to tell at least."""
        return self.least.get(EVERY, self.total)

    @property
    def told_events(self) -> int:
        """How many events the index knew of what the system was told to erase."""
        return self.total if self.events is None else self.events

    @property
    def total(self) -> int:
        """Records planned there, also those that may not be counted aloud."""
        return sum(self.records.values()) if self.records else self.planned or 0

    def short_of(self) -> dict[str, tuple[int, int]]:
        """Of which kinds fewer records are told of than they must be: how many are asked for, and told of."""
        if not self.outcomes:
            return {}
        told = told_of(self)
        asked = {name: self.least.get(name, count) for name, count in self.records.items()}
        return {name: (count, told[name]) for name, count in asked.items() if told[name] < count}

    @property
    def excessive(self) -> bool:
        """More records erased than the events there can have been; than there are, where those of others stay."""
        if self.known is None:
            return False
        return self.erased > (self.total if self.others_stay else RECORDS_PER_EVENT * max(self.known, 1))


def told_of(command: Command) -> Counter[str]:
    """How many records of each kind the answer tells of."""
    told = Counter[str]()
    for item in command.outcomes:
        told[item.record] += item.deleted + item.redacted
    return told
