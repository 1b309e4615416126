"""What the service asks of a right: which step comes next, by the state of a request alone, and to do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from schemas.company import Company
from sinks.ports.clocks import OwnerReader
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.erasure import IndexEraser
from sinks.ports.expiry import ExpiryReader, IndexExpirer
from sinks.ports.lineage import IndexReader
from sinks.ports.retained import RetainedSessions
from streams.answers.attribution import Resolver
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.naming import Namer
from streams.answers.unread import unread
from streams.rights.case import CaseFile
from streams.rights.kept_named import KeptPeople
from streams.rights.protocol.request import RequestState
from streams.rights.sending import Sending
from streams.rights.subject import SubjectFinder


class Step(StrEnum):
    """What is done next with a request."""

    ANSWER = "answer"  # by what the index holds
    PLAN = "plan"  # what becomes of everything that is held
    TELL = "tell"  # every system that was not told yet
    FORGET = "forget"  # the index removes or narrows its rows, and is asked whether it did
    END = "end"  # everybody has answered


@dataclass(frozen=True)
class Clocked:
    """By what people are found of whom something has run out by clocks of their own.

    `retained`: tells of the sessions that are kept for the police alone, for nothing but to say when they ended;
    `sessions`: how these go. `at_once`: of so many people something goes at the same time.
    """

    owners: OwnerReader
    expiry: ExpiryReader
    retained: Resolver | None = None
    sessions: RetainedSessions | None = None
    at_once: int = 200


@dataclass(frozen=True)
class Retention:
    """What retention runs are made with. `batch`: events that one takes at most, or those of the oldest day."""

    reader: ExpiryReader
    expirer: IndexExpirer
    batch: int


@dataclass(frozen=True)
class Tools:
    """What steps are done with. `about` records whom a request is about; `answered` is told of each answer given.

    `open_letters`: messages that could not be read, counted.
    `forgetting` is told before the index forgets; `keeping`: what keeps a person's data besides. `clocked`: how people
    are found whose clocks have run out. `kept`: whose data stay although they have run out; `retention` None: no run of
    that is carried out here."""

    file: CaseFile
    subjects: SubjectFinder
    reader: IndexReader
    identities: Resolver
    eraser: IndexEraser
    company: Company
    namer: Namer
    sending: Sending
    about: Callable[[RequestState], RequestState]
    answered: Callable[[], None]
    open_letters: Callable[[], Sequence[OpenLetters]]
    forgetting: Callable[[RequestState], None]
    keeping: Keeping = NOTHING_KEPT
    clocked: Clocked | None = None
    kept: KeptPeople | None = None
    retention: Retention | None = None

    def unread(self) -> Mapping[str, int]:
        """How many messages of each topic could not be read."""
        return unread(self.open_letters(), self.company)


class RightSteps(Protocol):
    """One right. `streams.rights.registry` lists them all."""

    def next(self, request: RequestState) -> Step | None:
        """The next step that waits for nobody, None where there is none. Pure."""

    def do(self, step: Step, request: RequestState) -> RequestState:
        """Do the step on the request as it was read; the request then. Each step may be repeated.

        Raises Overtaken, IndexUnavailable, BrokerUnavailable, KeyUnavailable, InputError.
        """


def carry_on(right: RightSteps, request: RequestState) -> RequestState:
    """As far as the request comes without anybody's answer. A step that is due again at once waits for something."""
    step = right.next(request)
    while step is not None:
        request = right.do(step, request)
        done, step = step, right.next(request)
        if step is done:
            break
    return request
