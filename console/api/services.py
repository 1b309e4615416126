"""What the API is made of: handed in, so that it runs on any index, clock and rights service."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Protocol

from prometheus_client import CollectorRegistry

from console.api.protection.doors import Doors
from console.api.protection.pool import DEFAULT_LIMITS, QuestionLimits
from console.api.protection.recorder import Recorder
from console.health.health import Health
from console.operations.dead_letters import DeadLetterDesk
from console.operations.replay import Replays
from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.policy import RetentionAnchors
from schemas.tokens import Tokenizer
from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, ToldBy
from sinks.ports.clocks import OwnerReader
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.expiry import ExpiryReader
from sinks.ports.facts import FactReader
from sinks.ports.lineage import IndexReader, Span
from sinks.ports.processed import ProcessedReader
from sinks.ports.reports import Reports
from streams.answers.attribution import Resolver
from streams.answers.breach import BreachFinder
from streams.answers.erased import Erased, Ledger
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.naming import Values
from streams.answers.preservation import Preservation
from streams.answers.restricted import Restricted
from streams.duties.desk import Desk
from streams.evidence.book import LogBook
from streams.identity.model import Given, ResolvedSubject
from streams.rights.bundle import Written
from streams.rights.copies_redacted import Mentions
from streams.rights.people_expiry import Begun
from streams.rights.protocol.messages import Identifiers
from streams.rights.protocol.scope import EVERYTHING, Scope
from streams.rights.protocol.states import RequestState
from streams.rights.runs import Looked
from streams.rights.suppressing import LookedOut


class Rights(Protocol):
    """The rights workflow, as far as the API uses it. Contract: `streams.rights.service.RightsService`."""

    def create(
        self,
        type: str,
        identifiers: Identifiers,
        *,
        reason: str | None,
        channel: str,
        received_at: datetime,
        anchors: RetentionAnchors | None = None,
        checked: CheckedHow | None = None,
        by: str | None = None,
        scope: Scope = EVERYTHING,
        corrections: Mapping[str, Any] | None = None,
    ) -> RequestState:
        """Record a request and announce it. Raises InputError, Unavailable."""

    def get(self, request_id: str) -> RequestState:
        """One request as it stands. Raises InputError for an unknown id."""

    def requests(self) -> Sequence[RequestState]:
        """Every request, oldest first."""

    @property
    def subjects(self) -> Ledger:
        """What requests of a person say beside an answer about them."""

    def follow_up(self, request_id: str, by: str | None = None) -> RequestState:
        """A new request for what came to light after that one. Raises InputError, Unavailable."""

    def resend(self, request_id: str) -> RequestState:
        """Tell again whoever is not done. Raises InputError, KeyUnavailable, Unavailable."""

    def accept(self, request_id: str, system: str, reason: str) -> RequestState:
        """Take a system's answer for enough. Raises InputError, Unavailable."""

    def waive(self, request_id: str, reason: str) -> RequestState:
        """Let an erasure complete although something stays unclear. Raises InputError, Unavailable."""

    def close(self, request_id: str, reason: str) -> RequestState:
        """End it although not all was done. Raises InputError, Unavailable."""

    def cancel(self, request_id: str, reason: str | None = None) -> RequestState:
        """Take it back. Raises InputError, Unavailable."""

    def ask(self, request_id: str, doubt: Doubt) -> RequestState:
        """Whoever makes it was asked who they are. Raises InputError, Unavailable."""

    def check(
        self, request_id: str, how: CheckedHow, what: CheckedWhat = CheckedWhat.IDENTITY
    ) -> RequestState:
        """Somebody has checked who makes it. Raises InputError, Unavailable."""

    def extend(self, request_id: str, months: int, reason: str) -> RequestState:
        """Give it more time. Raises InputError, Unavailable."""

    def approve(self, request_id: str, digest: str, by: str) -> RequestState:
        """A second person approves the plan or answer of that digest. Raises InputError, Unavailable."""

    def tell(self, request_id: str, how: ToldBy) -> RequestState:
        """The answer was sent. Raises InputError, Unavailable."""

    def notify(
        self, request_id: str, recipient: str, how: ToldBy | None, impossible: str | None = None
    ) -> RequestState:
        """A recipient was told, or cannot be. Raises InputError, Unavailable."""

    def bundle(
        self, request_id: str, to: IO[bytes], lang: str, kept: frozenset[str], mentions: Mentions
    ) -> Written:
        """Write the archive that the person is sent. Raises InputError, KeyUnavailable, Unavailable."""

    def corrections(self, request_id: str) -> Mapping[str, Any]:
        """What each field shall say, in clear. Raises InputError, KeyUnavailable, Unavailable."""

    def lift(self, request_id: str, how: ToldBy, reason: str) -> RequestState:
        """End a restriction, of which the person was told. Raises InputError, Unavailable."""

    def looked_out_for(self) -> Sequence[LookedOut]:
        """What erasures took away, and what of it came back. Raises Unavailable."""

    def look_out_no_more(self, request_id: str, reason: str, by: str) -> LookedOut:
        """What one took away is looked out for no more. Raises InputError, Unavailable."""

    def run_retention(self, now: datetime, by: str) -> Looked:
        """Begin a retention run. Raises InputError, Unavailable."""

    def kept_spans(self) -> Sequence[Span]:
        """Where the data lie of everybody whose data stay although they have run out. Raises Unavailable."""

    def expire_people(self, now: datetime) -> Begun:
        """Begin what has run out for people by their own clocks. Raises Unavailable."""


def _unread(text: str) -> Sequence[tuple[str, str | None]]:
    """Nobody looks texts through, so each has to be read."""
    return [("not looked through", None)]


def _no_dead_letters(*_: object) -> Sequence[Mapping[str, Any]]:
    return ()


@dataclass(frozen=True)
class Services:
    """`dead_letters` and `open_letters` are those of `console.wiring.answering.Answering`; `clock` gives an aware time.

    `values`: what stands behind tokens, for the plan of an erasure. `keeping`: what keeps data besides rules.
    `preservation`: the orders of which that is one part; None where they are not served.
    `expiry`: counts what has run out; None where that is not served; `owners`: whose own clocks run out.
    `breaches`, `facts`: None where no index is served.
    `reports`, `processed`: questions about many; None where the index has no views.
    `duties`: findings and controls; None where they are not served.
    `notices`: what somebody should mend, but does not keep a part from working.
    `limits`: of questions about people.
    `recorder`: of questions about people; `doors`: how often may be knocked; `book`: the transparency log.
    `approver_token`: another one that opens the API, of whoever approves what was asked under `token`.
    `mentions`: what a free text names, for whoever decides whether it is given.
    `replays`: None where no tagger runs. `desk`: retries and drops dead letters, None without a broker.
    """

    reader: IndexReader
    identities: Resolver
    tokens: Callable[[], Tokenizer]
    company: Company
    rights: Rights
    metrics: CollectorRegistry
    clock: Callable[[], datetime]
    health: Health
    token: str = field(repr=False)
    recorder: Recorder
    doors: Doors
    book: LogBook
    dead_letters: Callable[..., Sequence[Mapping[str, Any]]] = _no_dead_letters
    open_letters: Callable[[], Sequence[OpenLetters]] = tuple
    values: Values | None = None
    keeping: Keeping = NOTHING_KEPT
    preservation: Preservation | None = None
    expiry: ExpiryReader | None = None
    owners: OwnerReader | None = None
    breaches: BreachFinder | None = None
    facts: FactReader | None = None
    reports: Reports | None = None
    processed: ProcessedReader | None = None
    duties: Desk | None = None
    random: Callable[[int], bytes] = secrets.token_bytes
    notices: Callable[[], Sequence[str]] = tuple
    limits: QuestionLimits = DEFAULT_LIMITS
    replays: Replays | None = None
    approver_token: str | None = field(default=None, repr=False)
    desk: DeadLetterDesk | None = None
    mentions: Mentions = _unread

    @property
    def catalogue(self) -> Catalogue:
        return self.company.catalogue

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the keys that the index knows now. Raises KeyUnavailable, IndexUnavailable."""
        return self.tokens()

    def fresh_id(self, letter: str) -> str:
        """An id that nothing has yet."""
        return f"{letter}-{self.random(8).hex()}"

    def waiting(self) -> Mapping[str, int] | None:
        return self.health.waiting()

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        return self.rights.subjects.erased(person, given)

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        return self.rights.subjects.restricted(person, given)
