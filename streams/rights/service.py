"""Requests of data subjects, step by step over the ledger; which steps a right has is for its own file to say.

Every step reads the ledger, does what is next and writes what it did; so any step may be repeated after a crash, and
a step that runs twice sends the same command again (same id) or finds that there is nothing left to do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any

from schemas.company import Company
from schemas.errors import InputError, Unavailable
from schemas.keys import Keyring
from schemas.messages import CopyPart, RightsRequest, message_of
from schemas.policy import RetentionAnchors
from schemas.tokens import Tokenizer
from schemas.vocabulary import CheckedHow
from sinks.ports.changes import IndexMarks
from sinks.ports.copies import CopyStore
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.erasure import IndexEraser
from sinks.ports.lineage import IndexReader
from sinks.ports.requests import RequestLog
from sinks.ports.suppression import SuppressionLedger
from streams.answers.attribution import Resolver
from streams.answers.erased import Ledger
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.naming import Namer, Values
from streams.identity.values import Same
from streams.rights.acts import Acts
from streams.rights.batches import Batches
from streams.rights.beside import Beside
from streams.rights.bundle import Written
from streams.rights.bundling import Bundling
from streams.rights.by_people import ByPeople
from streams.rights.by_time import ByTime
from streams.rights.case import CaseFile, Overtaken, Recorded
from streams.rights.copies import Copies, copies_asked
from streams.rights.copies_redacted import Mentions
from streams.rights.follow_ups import FollowUps, in_vain
from streams.rights.handled import Handled
from streams.rights.intake import Intake
from streams.rights.kept_named import KeptPeople
from streams.rights.other_rules import rules_now
from streams.rights.protocol.handling import Checked
from streams.rights.protocol.messages import Identifiers, Send, receipt_of
from streams.rights.protocol.scope import EVERYTHING, Scope
from streams.rights.protocol.states import RequestState, State
from streams.rights.receipts import Receipts
from streams.rights.registry import RIGHTS
from streams.rights.reopen import nobody_tells, recheck_of
from streams.rights.returned import may_tell
from streams.rights.right import Clocked, Retention, Tools, carry_on
from streams.rights.sealed import Destroying
from streams.rights.sending import Sending
from streams.rights.stopped import Broken, Stopped
from streams.rights.subject import SubjectFinder
from streams.rights.suppressing import LookedOut, Suppressing
from streams.rights.timely import Timely
from streams.rights.turns import Turns, outcome, outcomes


class RightsService(ByPeople, ByTime):
    """Blocking; safe from several threads, and beside other processes: a step that another one overtook is done anew on
    what the ledger says then. A step that fails by a fault of ours sets the one request to `attention`, with the place.

    Every method may raise Broken, IndexUnavailable or BrokerUnavailable; after these two the request stands where the
    ledger says, and the same call, or `resume`, goes on from there.

    `tokenizer()`: that of the keys which the index knows now, else the keyring's only one. `changed()` stays equal as
    long as the index has learnt nothing. `same`: of an index whose token key was rotated. `marks` tells whether what an
    answer rested on has changed, where `reader` and that of `identities` are those of `touched`; without it all are
    looked at again. `keys_kept`: how long after its end what was given can be read. `values`: what stands behind
    tokens; None: systems are told what was given. `open_letters`: messages that could not be read, counted. `copies`:
    where parts of copies are kept, until so long after the request's end (`copies_kept`); None: no system may be asked
    for one. `keeping`: what keeps a person's data besides rules. `suppression`: where it is kept for `suppressed_for`
    what was erased; None: nobody looks out. `clocked`: by what
    people are found of whom something has run out; None: nobody looks. `retention`: by what it is deleted of
    everybody; None: it is not.
    """

    def __init__(
        self,
        ledger: RequestLog,
        reader: IndexReader,
        eraser: IndexEraser,
        identities: Resolver,
        keyring: Keyring,
        company: Company,
        send: Send,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes] = secrets.token_bytes,
        tokenizer: Callable[[], Tokenizer] | None = None,
        changed: Callable[[], object] = nobody_tells,
        keys_kept: timedelta = timedelta(days=90),
        marks: IndexMarks | None = None,
        values: Values | None = None,
        open_letters: Callable[[], Sequence[OpenLetters]] = tuple,
        keeping: Keeping = NOTHING_KEPT,
        suppression: SuppressionLedger | None = None,
        suppressed_for: timedelta = timedelta(days=1_826),
        copies: CopyStore | None = None,
        copies_kept: timedelta = timedelta(days=30),
        same: Same | None = None,
        clocked: Clocked | None = None,
        retention: Retention | None = None,
    ) -> None:
        self.copies_asked = copies_asked(company, copies)
        self._file = CaseFile(ledger, keyring, clock, company.catalogue.calendar)
        self._turns, self._intake = Turns(self._file), Intake(self._file, company, random)
        namer, tokens = Namer(company, values), tokenizer or keyring.tokenizer
        self._subjects = SubjectFinder(self._file, identities, tokens, company.kinds, namer, same)
        self._beside = Beside(self._file, self._subjects)
        self._late = recheck_of(self._file, self._subjects, reader, company, changed, marks)
        aged = None if retention is None else retention.reader
        kept = KeptPeople(self._file, self._subjects, reader, namer, keeping, clock, aged)
        may = partial(may_tell, self._subjects, keeping, reader, clock, rules_now(company))
        self._sending = Sending(self._file, self._subjects, send, may, kept.told)
        self._tools = Tools(
            file=self._file,
            subjects=self._subjects,
            reader=reader,
            identities=identities,
            eraser=eraser,
            company=company,
            namer=namer,
            sending=self._sending,
            about=self._beside.record,
            answered=self._late.answered,
            open_letters=open_letters,
            keeping=keeping,
            forgetting=self._enter,
            clocked=clocked,
            kept=kept,
            retention=retention,
        )
        self._copies = Copies(self._file, copies, company) if copies is not None else None
        self._receipts, self._copies_kept = Receipts(self._file, reader, company, self._copies), copies_kept
        self._serve_people(company)
        self._suppressing = self._looking_out(reader, suppression, suppressed_for)
        self._destroying, self._stopped = Destroying(self._file, keyring, keys_kept), Stopped(self._file)

    def _serve_people(self, company: Company) -> None:
        """Each right, what people do, and many requests at once."""
        self._company = company
        self._rights = {name: right(self._tools) for name, right in RIGHTS.items()}
        self._acts = Acts(self._file, self._sending, self._carried_on)
        handled = self._file, self._sending, company.rights
        self._handled, self._timely = Handled(*handled), Timely(*handled)
        self._follow_ups = FollowUps(self._file, self._subjects, self._sending, self._about)
        self._batches = Batches(self._turns, self._file, self._subjects, self.advance)

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
        """Record a request and announce it on `rights.requests`; `beside` names the person's other open requests.

        `anchors` are the days that start retention clocks, as far as the case handler knows them. What the person
        gave and wrote is sealed under the request's own key. `checked`: how it was checked already who makes it;
        `by`: the credential by which it is made. `scope`: what it is limited to. `corrections`: what each
        `Record.field` shall say, sealed as well. Raises InputError, InvalidIdentifier;
        Recorded where it is in the ledger, but index or Kafka went away then.
        """
        known = anchors or RetentionAnchors()
        request_id = self._intake.made(
            type, identifiers, reason, channel, received_at, known, by, scope, corrections
        )
        try:
            if checked is not None:
                self._file.note(request_id, Checked(checked))
            made = self._turns.take_new(request_id, self._beside.record_if_known)
            self._sending.announce(made)
        except Unavailable as error:
            raise Recorded(error, request_id) from error
        return made

    def get(self, request_id: str) -> RequestState:
        """The request as it stands. Raises InputError for an unknown id."""
        return self._file.get(request_id)

    def requests(self) -> list[RequestState]:
        """Every request, oldest first."""
        return self._file.every()

    @property
    def subjects(self) -> Ledger:
        """What requests of a person say beside an answer about them."""
        return self._subjects

    def on_request(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded RightsRequest: record it if it is new here, then do what is next. None for one that cannot be.

        Whoever may write to Kafka could fill the list with what nobody can read. Raises DecodeError for that:
        `request_too_large`, or `unopened`, which may be taken again when its key is back.
        """
        return outcome(self.on_requests([value]))

    def on_requests(self, values: Sequence[Mapping[str, Any]]) -> list[RequestState | Exception | None]:
        """As `on_request`, of each: the request, or the exception with which it ended, at its place."""
        return self._batches.received([(value["request_id"], value) for value in values], self._read)

    def _read(self, value: Mapping[str, Any]) -> str | None:
        """The id of the request, recorded now or before; None for one that cannot be."""
        message = message_of(RightsRequest, value)
        new = self._intake.read(message)
        if new:
            self._turns.take(message.request_id, self._beside.record_if_known)
        return None if new is None else message.request_id

    def advance(self, request_id: str) -> RequestState:
        """Do the next steps that wait for nobody. What stops them is in the state's `problems`."""
        return self._ending(self._turns.take(request_id, self._advance))

    def resume(self) -> list[RequestState]:
        """Go on with every request that waits for nobody, as after a restart. Returns those.

        What stands at `attention` waits for a person: `advance` or `resend` it when the cause is mended. What stands
        there by a fault of ours is tried once by each process, which may be of another version. One request that cannot
        go on does not stop the others.
        """
        waits = [
            item.request_id for item in self.requests() if item.movable or self._stopped.may_be_mended(item)
        ]
        return outcomes(waits, self._batches.advance(waits))

    def on_receipt(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded ErasureReceipt or RightsReceipt. One that cannot be is set aside and shown.

        A repeated one changes nothing. Returns the request, None for an unknown one. After the last that settles its
        command the request goes on.
        """
        return outcome(self.on_receipts([value]))

    def on_receipts(self, values: Sequence[Mapping[str, Any]]) -> list[RequestState | Exception | None]:
        """As `on_receipt`, of each: the request, or the exception with which it ended, at its place."""
        given = [(value["request_id"], value) for value in values]
        return self._batches.in_turn(given, self._take, self._settled)

    def _take(self, value: Mapping[str, Any]) -> RequestState | None:
        receipt = receipt_of(value)
        request_id = receipt.request_id
        if self._file.find(request_id) is None:
            return None
        try:
            return self._turns.take(request_id, lambda request: self._receipts.take(request, receipt, value))
        except Broken as error:
            fault = error
            self._turns.take(request_id, lambda request: self._stopped.by(request, fault))
            raise

    def _settled(self, request: RequestState | None) -> RequestState | None:
        """The request, gone on if that was the last that it waited for."""
        if request is None or not ((request.settled and request.movable) or request.to_expire):
            return request
        return self._advance_recorded(request.request_id)

    def on_copy(self, value: Mapping[str, Any], message: bytes) -> RequestState | None:
        """A decoded CopyPart, and the message as it came. One that cannot be is set aside and shown.

        Returns the request, None for an unknown one. After the last part of the last copy the person can be answered.
        """
        part = message_of(CopyPart, value)
        copies = self._copies
        if copies is None or self._file.find(part.request_id) is None:
            return None
        request = self._turns.take(
            part.request_id, lambda request: copies.take(request, part, value, message)
        )
        return self._advance_recorded(part.request_id) if request.settled and request.movable else request

    def bundle(
        self, request_id: str, to: IO[bytes], lang: str, kept: frozenset[str], mentions: Mentions
    ) -> Written:
        """Write what the person is sent as an archive; see `streams.rights.bundling.Bundling.write`.

        Raises InputError, KeyUnavailable.
        """
        if self._copies is None:
            raise InputError("there is no store for copies here; start innsyn anew")
        bundling = Bundling(self._file, self._subjects, self._copies, self._company)
        return bundling.write(self._file.get(request_id), to, lang, kept, mentions)

    def corrections(self, request_id: str) -> Mapping[str, Any]:
        """What each `Record.field` shall say by a request, in clear. Raises InputError, KeyUnavailable."""
        if not self._file.get(request_id).corrects:
            raise InputError(f"{request_id} corrects nothing; `innsyn requests show` says what it does")
        return self._file.corrections(request_id)

    def looked_out_for(self) -> list[LookedOut]:
        """What erasures took away, by request, and what of it came back."""
        return self._suppressing.looked_out_for() if self._suppressing else []

    def look_out_no_more(self, request_id: str, reason: str, by: str) -> LookedOut:
        """What the erasure took away is looked out for no more; `by`: the credential. Raises InputError."""
        if self._suppressing is None:
            raise InputError("there is no suppression ledger; nothing is looked out for")
        return self._suppressing.lift(request_id, reason, by)

    def follow_up(self, request_id: str, by: str | None = None) -> RequestState:
        """Deal with late findings: a new request of the same person and type, received when they were found.

        The old one is completed again and names it. Safe to repeat. Raises InputError if nothing came to light,
        KeyUnavailable.
        """
        return self._turns.take(request_id, lambda request: self._follow_ups.made(request, by))

    def _about(self, request_id: str) -> RequestState:
        """The request with the record of whom it is about."""
        return self._turns.take(request_id, self._beside.record)

    def _looking_out(
        self, reader: IndexReader, ledger: SuppressionLedger | None, kept: timedelta
    ) -> Suppressing | None:
        if ledger is None:
            return None
        return Suppressing(self._file, self._turns, reader, self._late, self._follow_ups, ledger, kept)

    def _enter(self, request: RequestState) -> None:
        if self._suppressing:
            self._suppressing.enter(request)

    def _advance_recorded(self, request_id: str) -> RequestState:
        try:
            return self.advance(request_id)
        except Unavailable as error:
            raise Recorded(error, request_id) from error

    def _ending(self, request: RequestState) -> RequestState:
        """If it has ended, or is answered, let those go on that waited for it. Where that fails, `resume` does it."""
        if in_vain(request) and (followed := self._file.follows(request.request_id)) is not None:
            with suppress(Unavailable):
                self._turns.take(followed, self._follow_ups.reopened)
        if request.ended or request.state is State.ANSWERED:
            with suppress(Unavailable):
                for other in self._file.behind(request.request_id):
                    self._sending.announce(other)
        return request

    def _advance(self, request: RequestState) -> RequestState:
        if request.ended or request.unread:
            return request
        try:
            return self._carried_on(request)
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - it ends this request's turn, not the worker
            return self._stopped.by(self.get(request.request_id), error)

    def _carried_on(self, request: RequestState) -> RequestState:
        right = self._rights.get(request.type)
        if right is None:
            raise InputError(f"requests of type {request.type} are not served; answer the person by hand")
        return carry_on(right, request)
