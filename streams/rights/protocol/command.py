"""Where one system stands with what it was told to erase, and whether its answer is enough. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.counted import counted
from schemas.messages import Outcome
from schemas.vocabulary import CommandKind, CommandState
from streams.answers.attribution import BY_LINK, by_link_line
from streams.rights.protocol.reasons import told

RECORDS_PER_EVENT = 10
"""How many records a system may keep of one event before its answer is doubted: an invoice has lines and a letter."""
REFUSALS = (CommandState.PARTIAL, CommandState.WITHHELD, CommandState.FAILED)
UNANSWERED = (CommandState.UNSENT, CommandState.SENT, CommandState.ACCEPTED)
EVERY = "*"
"""Stands, among the kinds of records, for all of them."""
_DO = {
    CommandKind.ACCESS: "send its copy",
    CommandKind.RECTIFICATION: "correct",
    CommandKind.RESTRICT: "restrict",
    CommandKind.LIFT: "end the restriction",
}
_DID = {
    CommandKind.ACCESS: "copied",
    CommandKind.RECTIFICATION: "corrected",
    CommandKind.RESTRICT: "restricted",
    CommandKind.LIFT: "freed",
}
_BY_HAND = {
    CommandKind.ACCESS: "the copy is to be fetched",
    CommandKind.RECTIFICATION: "what is wrong is to be corrected",
    CommandKind.RESTRICT: "processing is to be restricted",
    CommandKind.LIFT: "the restriction is to be ended",
}


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
        if self.by_hand or self._for_a_person or (self.copies and self.accepted):
            return self.accepted
        match self.state:
            case CommandState.DONE:
                return self.accepted or not (self.short or self.excessive or self.awaits_parts)
            case CommandState.NOT_FOUND:
                return self.accepted or self.reread or (self.planned is not None and self._asked == 0)
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
    def _for_a_person(self) -> bool:
        """Whether it did not do, or not all of, what is no erasure: whether it may is a person's to say."""
        return self.kind is not None and self.state in (CommandState.PARTIAL, CommandState.WITHHELD)

    @property
    def withholds(self) -> bool:
        """Whether it keeps what it was told to erase, all that it did not erase, and may until the review date."""
        return self._may_withhold and (self.accepted or not self.short)

    @property
    def erased_kinds(self) -> frozenset[str]:
        """Kinds of records of which it says that every one that was planned is erased, where the answer tells kinds
        apart."""
        told, short = told_of(self), self._short_of()
        return frozenset(name for name in self.records if told[name] and name not in short)

    @property
    def _may_withhold(self) -> bool:
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
            and not self._for_a_person
            and not (self.copies and self.accepted)
            and not self._may_withhold
            and not (self.retrying and not self.escalated)
        )

    @property
    def doubtful(self) -> bool:
        """Done, nothing found or lawfully withheld by its own word, and not enough, or more than can be."""
        if self.by_hand or self._for_a_person:
            return not self.settled
        spoke = self.state in (CommandState.DONE, CommandState.NOT_FOUND) or self._may_withhold
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
        if self._may_withhold:
            return self.erased + self.held < self._asked
        return self.erased < self._asked or bool(self._short_of())

    @property
    def _asked(self) -> int:
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

    def _short_of(self) -> dict[str, tuple[int, int]]:
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

    @property
    def problem(self) -> str | None:
        """One line for the person who must act or look, or None."""
        if self.refused:
            request_id = self.command_id.partition("/")[0]
            without = self._without or f"`innsyn requests close {request_id} --reason ...` to end without it"
            return (
                f"{self._refusal()}; `innsyn requests resend {request_id}` when that is mended, or {without}"
            )
        if self.escalated and self.pending:
            return self._in_vain()
        if self.doubtful or self.state in (CommandState.DONE, CommandState.NOT_FOUND):
            return None if self.accepted else self._doubt()
        if self.state in UNANSWERED and self.by_link:
            # Of an erasure some may not be counted aloud; of a correction one of each kind is planned.
            planned = self.planned if self.kind is None else self.total
            return by_link_line(self.system, self.by_link, planned or 0, self._did)
        return None

    def after(self, ended: str) -> str | None:
        """One line on a system that was told, where the request ended (`closed`, `cancelled`) without it, or None."""
        if self.by_hand:
            return None if self.accepted else f"{self.system}: nobody said that it was done there by hand"
        said = f"{self.system}: {self.state}, {counted(self.erased, 'record')} {self._did}"
        shown = "the index still shows what it knew there; a new request brings it in line"
        if self.state in (CommandState.SENT, CommandState.ACCEPTED):
            return (
                f"{self.system}: was told to {self._do} and has not answered; it may still do so, and {shown}"
            )
        if self.after_end:
            return f"{said}: answered after the request was {ended}; {shown}"
        if self.state is CommandState.UNSENT:
            return None
        if ended == "cancelled" and self.erased:
            return f"{said} before the request was cancelled; {shown}"
        if self.doubtful:
            return self._numbers()
        return self._refusal() if self.refused else None

    @property
    def _did(self) -> str:
        return "erased" if self.kind is None else _DID[self.kind]

    @property
    def _do(self) -> str:
        return "erase" if self.kind is None else _DO[self.kind]

    def _refusal(self) -> str:
        parts = [f"{self.system}: {self.state}"]
        if self.held:
            parts.append(f"{counted(self.held, 'record')} held")
        if self.ground:
            parts.append(f"by {self.ground}")
        if self.review_date:
            parts.append(f"review on {self.review_date}")
        if kinds := self._kept_kinds():
            parts.append(f"({', '.join(kinds)})")
        if whys := [why for why in (self.reason and told(self.reason), self.unlawful) if why]:
            parts.append(f"({'; '.join(whys)})")
        return " ".join(parts)

    def _kept_kinds(self) -> list[str]:
        """Of which kinds the records are that it holds; nothing of what may not be counted aloud, or where its numbers
        do not tell the kinds apart."""
        if self.described or not self.held or not (self.outcomes or len(self.records) == 1):
            return []
        told = told_of(self)
        left = {name: count - told[name] for name, count in self.records.items() if count > told[name]}
        agrees = sum(left.values()) == self.held
        return [f"{count:,} {name}" for name, count in left.items() if agrees]

    def _doubt(self) -> str | None:
        request_id = self.command_id.partition("/")[0]
        if self.by_hand:
            return (
                f"{self.system}: {_BY_HAND[self.kind or CommandKind.ACCESS]} by hand, since no job of it does that on"
                f" command; then `innsyn requests accept {request_id} --system {self.system} --reason ...`"
            )
        act = (
            f"; `innsyn requests resend {request_id}` when that is mended, or `innsyn requests accept {request_id}"
            f" --system {self.system} --reason ...` if it is enough"
        )
        numbers = self._numbers()
        return numbers and numbers + (act if self.doubtful else "")

    def _in_vain(self) -> str:
        request_id, times = self.command_id.partition("/")[0], counted(self.attempt, "time")
        lacks = "its copy is not whole" if self.awaits_parts else "has not answered"
        return (
            f"{self.system}: told {times}, last on {(self.sent_at or '')[:10]}, and {lacks}; ask its team,"
            f" `innsyn requests resend {request_id}` tells it again{self._without and f', {self._without}'}"
        )

    @property
    def _without(self) -> str:
        """How a person answers without a copy; empty of anything else."""
        if not self.copies:
            return ""
        request_id = self.command_id.partition("/")[0]
        return (
            f"`innsyn requests accept {request_id} --system {self.system} --reason ...` to answer without it"
        )

    def _numbers(self) -> str | None:
        if self._for_a_person:
            return self._refusal()
        if self.state is CommandState.NOT_FOUND:
            counted_there = self.planned is not None and not self.described
            planned = f"the {self.total:,} planned" if counted_there else "what was planned"
            return f"{self.system}: found nothing of {planned}" if self.doubtful else None
        if self.short:
            linked = (
                f"{self.by_link:,} of them are {BY_LINK}" if self.by_link else "the others may still be there"
            )
            return f"{self.system}: {self._shortfall()}: {linked}"
        # Planned is without the records of those who stay.
        there_are = self.total if self.others_stay else self.known
        if self.known is None or there_are is None or self.erased <= there_are:
            return None
        there = (
            "than the index knows there"
            if self.described
            else f"than the {there_are:,} the index knows there"
        )
        looked = f"{self.system}: reported {counted(self.erased, 'record')} {self._did}, more {there}"
        whose = "nobody's who is kept" if self.others_stay else "no other person's"
        return f"{looked}; see that {whose} are gone"

    def _shortfall(self) -> str:
        """The numbers that do not agree; of records that may not be counted aloud, none."""
        planned = self.planned or 0
        if self._may_withhold:
            said = f"reported {self.erased:,} erased and {self.held:,} held by {self.ground}"
            return f"{said}, fewer than planned" if self.described else f"planned {self.total:,}, {said}"
        if self.erased < planned:
            short = [] if self.described else self._short_of().items()
            named = ", ".join(f"{told:,} of {asked:,} {name}" for name, (asked, told) in short)
            return f"planned {planned:,}, reported {self.erased:,} {self._did}{named and f' ({named})'}"
        if self.described:
            return f"reported {self.erased:,} {self._did}, fewer than planned"
        kinds = [
            f"planned {asked:,} {name}, reported {told:,}" for name, (asked, told) in self._short_of().items()
        ]
        asked = f"{self.least.get(EVERY, planned):,}, {planned:,} of them since an earlier answer"
        return (
            " and ".join(kinds) + f" {self._did}"
            if kinds
            else f"planned {asked}, reported {self.erased:,} {self._did}"
        )


def told_of(command: Command) -> Counter[str]:
    """How many records of each kind the answer tells of."""
    told = Counter[str]()
    for item in command.outcomes:
        told[item.record] += item.deleted + item.redacted
    return told
