"""A rights request as it stands: what is known of it, what it waits for, what a person has to look at. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from schemas.vocabulary import CommandState, Resolution, Right
from sinks.ports.lineage import Span
from streams.answers.attribution import IdentitySnapshot
from streams.rights.protocol.answering import AnswerSetAside
from streams.rights.protocol.came_back import CameBack, came_back_line
from streams.rights.protocol.command import UNANSWERED, Command
from streams.rights.protocol.command_lines import after, problem
from streams.rights.protocol.deadlines import Pause
from streams.rights.protocol.events import LateFound, OpenRequest, Unclear
from streams.rights.protocol.expiring import KeptSince, ready_to_expire
from streams.rights.protocol.handling import Waived
from streams.rights.protocol.lines import (
    approving,
    aside_line,
    by_link_events_line,
    late_line,
    review_line,
    unclear_line,
    unread_line,
    waits_lines,
)
from streams.rights.protocol.parts import Note, Run, State
from streams.rights.protocol.scope import EVERYTHING, Scope
from streams.rights.protocol.withholding import NOTHING_WITHHELD, Withholding, withholding_of

__all__ = ["RequestState", "State", "digest_of"]


@dataclass(frozen=True)
class RequestState:
    """All that is known of a request. `plan` and `report` are JSON without personal values, as stored.

    `identity` is what it was carried out with, `resolution` what the identifiers gave then. `late_findings`: what came
    to light after the answer, newest last; `follow_up`: the request that deals with them. `came_back`: what of it an
    erasure had taken away, and where it came from. `reread`, `about`: as `reread` and `subjects` of `Received`.
    `inherited`: where the erased person that this request follows up was found, which links no longer tell. `subjects`:
    tokens of whom it is about, as hex. `beside`: other requests of the person that were open when it was made;
    `behind`: those it waits for, `expiring`: those of them by which systems delete what ran out. `replanned_at`: when
    it was last planned anew. `forgotten_as_planned`: the index did forget by the plan as it is now, but not what is
    `unforgotten`: systems withheld it then and were asked for it anew since. `runs`: of forgetting that nobody said
    were through; `going` is what no run before them counted. `set_aside`: answers that cannot be. `remarks`: what the
    answer leaves out. `undated`: the day of receipt that was given cannot be, so `received_at` is when it was recorded.
    `broke`: the last step failed by a fault of ours. `unread`: events of the ledger that cannot be read, one line each:
    what they say is not known, so nothing is done but close or cancel. `unlooked`: why nobody can tell whether anything
    came to light later. `by`: the credential by which it was made. `asked`, `checked`: whether whoever makes it was
    asked who they are, and whether somebody checked it; `pauses`: when the clock stood for that. `more`: months by
    which it was extended. `answered_at`: when there was an answer; `told`: whether it was sent. `reviews`: commands of
    systems that withheld something until a day that has come. `approval`: whether a second person has to approve the
    plan or answer; `approved`: the digest of what was, `approvers`: by which credentials. `scope`: what it is limited
    to. `lifting`: the restriction that it asked for ends, or has ended. `unclear`: what nobody can tell to be the
    person's, at which it stands; `waived`: with how much of that a person let it complete. `notified`: recipients that
    were told, or of whom a person said why they cannot be. `kept`: of a retention run, where the data lie of people
    whose data were kept when it was planned; `kept_since`: who came in before systems were told; `expired_at`: systems
    of which the index has forgotten what has run out. `length`: of the ledger it was read from.
    """

    request_id: str
    type: str
    channel: str
    received_at: datetime
    due: date
    state: State = State.RECEIVED
    plan: Mapping[str, Any] | None = None
    planned_at: datetime | None = None
    replanned_at: datetime | None = None
    commands: Mapping[str, Command] = field(default_factory=dict)
    problem: str | None = None
    forgotten: Mapping[str, int] | None = None
    report: Mapping[str, Any] | None = None
    held: tuple[Mapping[str, Any], ...] = ()
    completed_at: datetime | None = None
    identity: IdentitySnapshot | None = field(default=None, repr=False)
    inherited: Sequence[Span] = field(default=(), repr=False)
    resolution: Resolution | None = None
    late_findings: tuple[LateFound, ...] = ()
    follow_up: str | None = None
    came_back: CameBack | None = None
    by_link: tuple[str, ...] = ()
    subjects: frozenset[str] = field(default=frozenset(), repr=False)
    beside: tuple[OpenRequest, ...] = ()
    behind: tuple[str, ...] = ()
    expiring: tuple[str, ...] = ()
    set_aside: tuple[AnswerSetAside, ...] = ()
    remarks: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    closing: bool = False
    forgotten_as_planned: bool = False
    unforgotten: Withholding = NOTHING_WITHHELD
    runs: tuple[Run, ...] = field(default=(), repr=False)
    ended_at: datetime | None = None
    undated: bool = False
    broke: bool = False
    unread: tuple[str, ...] = ()
    unlooked: str | None = None
    key_destroyed_at: datetime | None = None
    by: str | None = None
    reread: bool = False
    about: tuple[str, ...] = field(default=(), repr=False)
    asked: bool = False
    checked: bool = False
    pauses: tuple[Pause, ...] = ()
    more: int = 0
    answered_at: datetime | None = None
    told: bool = False
    reviews: tuple[str, ...] = ()
    approval: bool = False
    approved: str | None = None
    approvers: frozenset[str] = frozenset()
    scope: Scope = EVERYTHING
    lifting: bool = False
    notified: frozenset[str] = frozenset()
    unclear: Unclear | None = None
    waived: Waived | None = None
    kept: Sequence[Span] = field(default=(), repr=False)
    kept_since: KeptSince | None = None
    expired_at: frozenset[str] = frozenset()
    length: int = field(default=0, compare=False)

    @property
    def restricts(self) -> bool:
        """Whether processing is restricted by it now, at some system that was told so."""
        return not self.lifting and any(item.restricts for item in self.commands.values())

    @property
    def erases(self) -> bool:
        """Whether all that is found of the person goes by it."""
        return self.type == Right.ERASURE

    @property
    def to_notify(self) -> tuple[str, ...]:
        """Recipients who have to be told of it and were not (GDPR Art. 19); of an erasure once it is completed, as it
        does not wait for them."""
        if self.closing or self.lifting or (self.ended and not (self.forgets and self.carried_out)):
            return ()
        if self.forgets and not self.carried_out:
            return ()
        return tuple(name for name in (self.plan or {}).get("recipients", ()) if name not in self.notified)

    @property
    def forgets(self) -> bool:
        """Whether systems erase by it and the index forgets: all that may go, what rested on a consent, or what has run
        out."""
        return self.erases or self.runs_out or self.type == Right.WITHDRAWAL

    @property
    def runs_out(self) -> bool:
        """Whether nobody asked for it: data have run out by their retention rule."""
        return self.type == Right.RETENTION

    @property
    def of_everybody(self) -> bool:
        """Whether it is a run of retention, about the data of a day and not about a person."""
        return self.runs_out and not (self.subjects or self.about or self.inherited)

    @property
    def to_expire(self) -> frozenset[str]:
        """Of a retention run, systems of which the index can forget what has run out now; see `ready_to_expire`."""
        if not self.of_everybody or self.plan is None or self.ended or self.awaits_approval:
            return frozenset()
        alone = self.closing or self.settled
        return ready_to_expire(self.plan, self.commands.values(), self.expired_at, alone=alone)

    @property
    def corrects(self) -> bool:
        """Whether systems are to write what is right."""
        return self.type == Right.RECTIFICATION

    @property
    def objects(self) -> bool:
        """Whether it is an objection, which reaches some purposes alone."""
        return self.type == Right.OBJECTION

    @property
    def stores_alone(self) -> bool:
        """Whether systems are to go on storing and do nothing else."""
        return self.objects or self.type == Right.RESTRICTION

    @property
    def takes_along(self) -> bool:
        """Whether the person wants the data to take them elsewhere, and not all that is held."""
        return self.type == Right.PORTABILITY

    @property
    def may_be_asked(self) -> bool:
        """Whether whoever makes it can still be asked who they are: nothing was told to them or to a system."""
        return self.plan is None and self.report is None and not self.ended

    @property
    def digest(self) -> str | None:
        """What stands for the plan, or for the answer where there is one: other digits for each other one."""
        shown = self.report if self.report is not None else self.plan
        return None if shown is None else digest_of(shown)

    @property
    def awaits_approval(self) -> bool:
        """Whether a second person has to approve the plan or answer as it is now; where nobody knows by which
        credential it was made, two have to, as one of them may have made it."""
        return self.approval and not self.ended and len(self.approved_by) < (2 if self.by is None else 1)

    @property
    def approved_by(self) -> frozenset[str]:
        """The credentials by which the plan or answer as it is now was approved."""
        return self.approvers if self.approved == self.digest else frozenset()

    @property
    def paused_since(self) -> datetime | None:
        """Since when the clock stands until they answer."""
        return next((item.since for item in self.pauses if item.until is None), None)

    @property
    def carried_out(self) -> bool:
        """Whether the request was answered, whatever came to light since."""
        return self.state in (State.COMPLETED, State.REOPENED)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself: carried out, closed or cancelled."""
        return self.carried_out or self.state in (State.CLOSED, State.CANCELLED)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Systems that were told and have not answered for good, or the requests of the person that come first."""
        if self.state in (State.CLOSED, State.CANCELLED):
            return ()
        # A system that nobody may tell yet has nothing to answer.
        open_now = [
            item
            for item in self.commands.values()
            if (item.state in UNANSWERED or item.retrying or item.awaits_parts) and not item.settled
        ]
        untold = CommandState.UNSENT if self.awaits_approval else None
        waits = (item.system for item in open_now if item.state is not untold)
        return tuple(dict.fromkeys((*self.behind, *waits)))

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person has to look at, one line each: what was refused first, then what is in doubt."""
        return tuple(dict.fromkeys(self._problems()))

    def _problems(self) -> Iterator[str]:
        if self.unread:
            yield unread_line(self.request_id, self.unread, ended=self.ended)
        commands = self.commands.values()
        lines: Iterable[str | None]
        if self.state in (State.CLOSED, State.CANCELLED):
            lines = (after(item, self.state.value) for item in commands)
        else:
            first = sorted(commands, key=lambda item: (not item.refused, not item.doubtful))
            urgent = [problem(item) for item in first if item.urgent]
            others = [problem(item) for item in first if not item.urgent]
            lines = [*urgent, self._standing, *others]
        yield from filter(None, lines)
        yield from self._asks_for
        yield from (aside_line(item) for item in self.set_aside)
        if self.by_link and all(item.planned is None for item in commands):
            yield by_link_events_line(self.by_link)
        yield from self.remarks
        if self.undated:
            yield "the day of receipt that was given cannot be; the deadline counts from the day it was recorded"
        if self.unlooked is not None:
            yield f"what came to light since cannot be looked for: {self.unlooked}"
        yield from (review_line(self.commands[name]) for name in self.reviews)
        if self.state is State.REOPENED and self.late_findings:
            yield late_line(self.request_id, self.late_findings[-1])
            if self.came_back is not None:
                yield came_back_line(
                    self.request_id, self.came_back, None if self.inherited else self.planned_at
                )

    @property
    def _asks_for(self) -> Iterator[str]:
        """What only a person can do next, and how."""
        if self.unclear is not None and not self.ended:
            yield unclear_line(self.request_id, self.unclear)
        yield from waits_lines(self.behind, self.expiring, of_everybody=self.of_everybody)
        if self.state is State.UNCHECKED:
            yield f"nobody has checked who makes it; `innsyn requests check {self.request_id} --how ...` when it was"
        for name in () if self.awaits_approval or self.forgets else self.to_notify:
            yield (
                f"{name} was given such data and has to be told (GDPR Art. 19); `innsyn requests notified"
                f" {self.request_id} --recipient {name} --how ...` when it was"
            )
        if self.awaits_approval:
            first = self.by is None and not self.approved_by
            who = "who made it is not known, so two people have" if first else "a second person has"
            token = "each under another INNSYN_API_TOKEN" if first else "under another INNSYN_API_TOKEN"
            yield f"{who} to approve it, {token}; `{approving(self.request_id, self.digest, run=self.of_everybody)}`"
        elif self.state is State.ANSWERED:
            yield f"the answer is to be sent; `innsyn requests told {self.request_id} --how ...` when it is"

    @property
    def _standing(self) -> str | None:
        """Why the request itself goes no further, and what may be done."""
        if self.problem is None or self.state is not State.ATTENTION:
            return self.problem
        return (
            f"{self.problem}; `innsyn requests resend {self.request_id}` tries again, `innsyn requests cancel"
            f" {self.request_id}` takes it back"
        )

    @property
    def interrupted_at(self) -> datetime | None:
        """When the last run of forgetting began that nobody said was through, unless it was planned anew since."""
        return None if not self.runs or self.runs[-1].replanned else self.counted_at

    @property
    def counted_at(self) -> datetime | None:
        """When it was last counted what goes, of runs that nobody said were through; they may go on elsewhere."""
        return self.runs[-1].as_of if self.runs else None

    @property
    def forgetting(self) -> frozenset[int]:
        """The tag sets that runs which are not through are about."""
        return frozenset(tag_set for run in self.runs for tag_set in run.tag_sets)

    @property
    def settled(self) -> bool:
        """Whether every command there is was done, in full or accepted as it is."""
        return self.plan is not None and all(item.settled for item in self.commands.values())

    @property
    def withheld(self) -> Withholding:
        """What systems keep of what they were told to erase, as the law has it: it stays in the index."""
        return withholding_of(self.commands.values())

    @property
    def movable(self) -> bool:
        """Whether a next step waits for nobody."""
        if self.ended or self.unread or (self.broke and self.state is State.ATTENTION):
            return False
        if self.awaits_approval and not self.closing:
            return False
        if any(item.state is CommandState.UNSENT and not item.settled for item in self.commands.values()):
            return True
        if self.to_expire:
            return True
        return (
            self.closing
            or self.state in (State.RECEIVED, State.PLANNED, State.FORGETTING)
            or (self.settled and self.state not in (State.ATTENTION, State.ANSWERED))
        )


def digest_of(shown: Mapping[str, Any]) -> str:
    """16 hex digits of SHA-256 over the canonical JSON of a plan or report."""
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
