"""Access and erasure requests, step by step over the ledger.

Every step reads the ledger, does what is next and writes what it did; so any step may be repeated after a crash, and
a step that runs twice sends the same command again (same id) or finds that there is nothing left to do.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from schemas.company import Company
from schemas.errors import DecodeError, InnsynError, InputError, Unavailable, place_of
from schemas.keys import Keyring
from schemas.messages import ErasureReceipt, RightsRequest, message_of
from schemas.policy import RetentionAnchors
from schemas.times import days_make_sense
from schemas.tokens import Tokenizer
from schemas.vocabulary import Resolution
from sinks.ports.changes import IndexMarks
from sinks.ports.erasure import IndexEraser
from sinks.ports.lineage import IndexReader
from sinks.ports.requests import RequestLog
from streams.answers.attribution import Resolver, snapshot_of
from streams.answers.lookup import disclosed
from streams.rights.acts import Acts
from streams.rights.case import TRIES, CaseFile, Overtaken, Recorded, busy
from streams.rights.erasing import Erasing
from streams.rights.follow_ups import FollowUps
from streams.rights.overlap import open_of, subjects_of
from streams.rights.protocol.events import About, Answered, Attention, Looked, OpenRequest
from streams.rights.protocol.messages import Identifiers, Send, canonical_identifiers
from streams.rights.protocol.states import RequestState, State, due_at
from streams.rights.reopen import Recheck
from streams.rights.sealed import Destroying
from streams.rights.sending import Sending
from streams.rights.subject import SubjectFinder
from streams.rights.touched import Touched

TYPES = ("access", "erasure")
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Broken(InnsynError):
    """A step failed by a fault of ours; `str` says where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error) if isinstance(error, Broken) else f"a step failed, {place_of(error)}")


LARGEST_GIVEN = 256 * 1024
"""Bytes of what a person gave and wrote, sealed, that are taken from Kafka: a hundred identifiers and a long letter."""
UNOPENED = "unopened"
"""Reason of a request whose seal does not open: no key of that request is here, or another sealed it."""


class RightsService:
    """Blocking; safe from several threads, and beside other processes: a step that another one overtook is done anew on
    what the ledger says then. A step that fails by a fault of ours sets the one request to `attention`, with the place.

    Every method may raise Broken, IndexUnavailable or BrokerUnavailable; after these two the request stands where the
    ledger says, and the same call, or `resume`, goes on from there.
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
        changed: Callable[[], object] = object,
        keys_kept: timedelta = timedelta(days=90),
        marks: IndexMarks | None = None,
    ) -> None:
        """`tokenizer()` gives that of the keys which the index knows now, the default that of the keyring's only one.

        `changed()` gives something that stays equal as long as the index has learnt nothing; the default never.
        `marks` tells whether what an answer rested on has changed, where `reader` and that of `identities` are those of
        `touched`; without it every answer is looked at again. `keys_kept`: how long after its end what was given with
        a request can be read.
        """
        self._file = CaseFile(ledger, keyring, clock)
        self._reader = reader
        self._company = company
        self._random = random
        self._subjects = SubjectFinder(self._file, identities, tokenizer or keyring.tokenizer)
        touched = Touched(marks) if marks is not None else None
        self._late = Recheck(self._file, self._subjects, reader, company.catalogue, changed, touched)
        self._sending = Sending(self._file, self._subjects, send)
        self._erasing = Erasing(
            self._file, self._subjects, reader, identities, eraser, company, self._sending, self._late
        )
        self._acts = Acts(self._file, self._erasing, self._sending)
        self._follow_ups = FollowUps(
            self._file, self._subjects, self._sending, lambda name: self._step(name, self._about)
        )
        self._destroying = Destroying(self._file, keyring, keys_kept)
        self._tried: set[str] = set()
        self._lock = threading.RLock()

    def create(
        self,
        type: str,
        identifiers: Identifiers,
        *,
        reason: str | None,
        channel: str,
        received_at: datetime,
        anchors: RetentionAnchors | None = None,
    ) -> RequestState:
        """Record a request and announce it on `rights.requests`; `beside` names the person's other open requests.

        `anchors` are the days that start retention clocks, as far as the case handler knows them. What the person
        gave and wrote is sealed under the request's own key. Raises InputError, InvalidIdentifier; Recorded where it is
        in the ledger, but index or Kafka went away then.
        """
        if type not in TYPES:
            raise InputError(f"{type!r} is no request that is served; use one of {', '.join(TYPES)}")
        named = canonical_identifiers(identifiers)
        known = anchors or RetentionAnchors()
        days_make_sense(known, received_at, self._file.now())
        due_at(received_at)
        for _ in range(TRIES):
            request_id = f"r-{self._random(8).hex()}"
            sealed = self._file.seal(request_id, named, reason)
            if self._file.record_received(request_id, type, channel, received_at, sealed, known):
                try:
                    made = self._step(request_id, self._about_if_known)
                    self._sending.announce(made)
                except Unavailable as error:
                    raise Recorded(error, request_id) from error
                return made
        raise Unavailable("no id for a new request is free; repeat")

    def get(self, request_id: str) -> RequestState:
        """The request as it stands. Raises InputError for an unknown id."""
        return self._file.get(request_id)

    def requests(self) -> list[RequestState]:
        """Every request, oldest first."""
        return self._file.every()

    def on_request(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded RightsRequest: record it if it is new here, then do what is next. None for one that cannot be.

        Whoever may write to Kafka could fill the list with what nobody can read. Raises DecodeError for that:
        `request_too_large`, or `unopened`, which may be taken again when its key is back.
        """
        message = message_of(RightsRequest, value)
        request_id = message.request_id
        if not self._file.length(request_id):
            sealed, received_at = message.sealed_identifiers, message.received_at
            try:
                days_make_sense(RetentionAnchors(), received_at, self._file.now())
            except InputError:
                return None
            if len(sealed) > LARGEST_GIVEN:
                raise DecodeError("request_too_large")
            if not self._file.opens(request_id, sealed):
                raise DecodeError(UNOPENED)
            self._file.receive(
                request_id, message.type, message.channel, received_at, sealed, RetentionAnchors()
            )
            self._step(request_id, self._about_if_known)
        return self._advance_recorded(request_id)

    def advance(self, request_id: str) -> RequestState:
        """Do the next steps that wait for nobody. What stops them is in the state's `problems`."""
        return self._ending(self._step(request_id, self._advance))

    def resume(self) -> list[RequestState]:
        """Go on with every request that waits for nobody, as after a restart. Returns those.

        What stands at `attention` waits for a person: `advance` or `resend` it when the cause is mended. What stands
        there by a fault of ours is tried once by each process, which may be of another version. One request that cannot
        go on does not stop the others.
        """
        waits = [item.request_id for item in self.requests() if item.movable or self._may_be_mended(item)]
        return self._each(waits, self.advance)

    def plan(self, request_id: str) -> RequestState:
        """Plan an erasure, once, and send the commands not sent yet. Raises InputError, KeyUnavailable."""
        return self._step(request_id, self._erasing.planned)

    def resend(self, request_id: str) -> RequestState:
        """Send every command again that is not settled: the next attempt, under the same id.

        Where no system has to be told, the request is announced again, so that its next step is tried anew. Raises
        InputError for one that has ended, KeyUnavailable.
        """
        return self._step(request_id, self._acts.resend)

    def accept(self, request_id: str, system: str, reason: str) -> RequestState:
        """Take the answer of a system for enough although the numbers say otherwise. Raises InputError."""
        return self._step(request_id, lambda request: self._acts.accept(request, system, reason))

    def close(self, request_id: str, reason: str) -> RequestState:
        """End a request although not all of it was done.

        The index forgets what systems did in full; what the others hold stays in it and is found. No late findings
        are looked for, and those there are need no follow-up. Raises InputError.
        """
        return self._ending(self._step(request_id, lambda request: self._acts.close(request, reason)))

    def cancel(self, request_id: str, reason: str | None = None) -> RequestState:
        """Take a request back. No system is told any more and the index forgets nothing; what was told stays told.

        Raises InputError for one that has ended or that the index forgets already.
        """
        return self._ending(self._step(request_id, lambda request: self._acts.cancel(request, reason)))

    def on_receipt(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded ErasureReceipt. One that cannot be is set aside and shown; a repeated one changes nothing.

        Returns the request, None for an unknown one. After the last that settles its command the index forgets.
        """
        receipt = message_of(ErasureReceipt, value)
        request_id = receipt.request_id
        if self._file.find(request_id) is None:
            return None
        try:
            request = self._step(request_id, lambda request: self._erasing.receive(request, receipt, value))
        except Broken as error:
            fault = error
            self._step(request_id, lambda request: self._stopped(request, fault))
            raise
        return self._advance_recorded(request_id) if request.settled and request.movable else request

    def finish(self, request_id: str) -> RequestState:
        """Let the index forget, look whether it did, and complete. Nothing happens before every command is settled."""
        return self._ending(self._step(request_id, self._erasing.finish))

    def recheck(self, now: datetime) -> list[RequestState]:
        """Look whether anything came to light that answers given earlier lack; returns the requests with a new finding,
        the last of their `late_findings`. The first one opens a request again.

        A finding is recorded once; it is recorded again when it is of something else, has shrunk, or is twice as many.
        Does nothing while the index has learnt nothing since the last look.
        """
        mark = self._late.mark()
        due = [request.request_id for request in self._late.due(mark)]
        opened = self._each(due, lambda name: self._step(name, lambda item: self._look(item, now)))
        self._late.done(mark)
        return [request for request in opened if request is not None]

    def destroy_keys(self, now: datetime) -> list[str]:
        """Destroy the keys of requests that have ended long enough ago: nobody reads any more what the person gave.

        Late findings are looked for by the tokens of then; a follow-up needs the person's identifiers anew. Returns the
        ids of those requests.
        """
        with self._lock:
            destroyed = self._destroying.run(now)
            self._late.unreadable(destroyed)
            return destroyed

    def key_problems(self) -> Sequence[str]:
        """Keys of requests that are missing, as of the last `destroy_keys`."""
        return self._destroying.problems()

    def follow_up(self, request_id: str) -> RequestState:
        """Deal with late findings: a new request of the same person and type, received when they were found.

        The old one is completed again and names it. Safe to repeat. Raises InputError if nothing came to light,
        KeyUnavailable.
        """
        return self._step(request_id, self._follow_ups.made)

    def _step(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        """Do the work on the request as it stands; anew on a fresh read when another process wrote in between."""
        with self._lock:
            for _ in range(TRIES):
                try:
                    return work(self.get(request_id))
                except Overtaken:
                    continue
                except InnsynError:
                    raise
                except Exception as error:
                    _log.error("request cannot be worked on", request=request_id, fault=place_of(error))
                    raise Broken(error) from error
        raise busy(request_id)

    def _look(self, request: RequestState, now: datetime) -> RequestState | None:
        found = failed = None
        try:
            found = self._late.look(request, now)
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - it is said on the request, and the others are looked at
            failed = str(error) if isinstance(error, InnsynError) else str(Broken(error))
        if failed != request.unchecked:
            self._file.note(request.request_id, Looked(failed, request.length))
        return found

    def _each(self, request_ids: Iterable[str], work: Callable[[str], T]) -> list[T]:
        """The work on each. One that fails is logged; what was away is raised when all others were served."""
        done, away = [], None
        for request_id in request_ids:
            try:
                done.append(work(request_id))
            except Unavailable as error:
                away = away or error
            except Exception as error:  # noqa: BLE001 - one request is no reason to leave the others
                _log.error("request cannot be worked on", request=request_id, fault=place_of(error))
        if away is not None:
            raise away
        return done

    def _may_be_mended(self, request: RequestState) -> bool:
        return request.broke and request.state is State.ATTENTION and request.request_id not in self._tried

    def _advance_recorded(self, request_id: str) -> RequestState:
        try:
            return self.advance(request_id)
        except Unavailable as error:
            raise Recorded(error, request_id) from error

    def _ending(self, request: RequestState) -> RequestState:
        """If it has ended, let those go on that waited for it. Where that fails, `resume` does it."""
        if request.ended and request.type == "erasure":
            with suppress(Unavailable):
                for other in self.requests():
                    if not other.ended and request.request_id in other.behind:
                        self._sending.announce(other)
        return request

    def _about(self, request: RequestState) -> RequestState:
        """Record whom it is about, and what else is open for them."""
        givens = self._subjects.given(request.request_id)
        person = self._subjects.of(request)
        subjects = subjects_of(person, givens)
        others = [
            OpenRequest(item.request_id, item.type, item.state.value)
            for item in open_of(self.requests(), subjects, person.spans)
            if item.request_id != request.request_id
        ]
        return self._file.decide(request, About(tuple(subjects), tuple(others)))

    def _about_if_known(self, request: RequestState) -> RequestState:
        """Whoever cannot be known here stands at attention in the next step."""
        try:
            return self._about(request)
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - the request is recorded, whatever is wrong with it
            _log.warning(
                "nobody can tell whom a request is about", request=request.request_id, fault=place_of(error)
            )
            return request

    def _about_once(self, request: RequestState) -> RequestState:
        # Without it the request would not wait for an erasure of the same person.
        return self._about(request) if request.plan is None and not request.subjects else request

    def _advance(self, request: RequestState) -> RequestState:
        if request.ended or request.unread:
            return request
        try:
            if request.type == "access":
                return self._answer(request)
            if request.type == "erasure":
                return self._erasing.advance(self._about_once(request))
            raise InputError(f"requests of type {request.type} are not served; answer the person by hand")
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - it ends this request's turn, not the worker
            return self._stopped(self.get(request.request_id), error)

    def _stopped(self, request: RequestState, error: Exception) -> RequestState:
        """At attention with why; without anything of the person's, which the text of a foreign error may hold."""
        if isinstance(error, InnsynError) and not isinstance(error, Broken):
            return self._file.decide(request, Attention(str(error)))
        reason = str(Broken(error))
        _log.error("request stands at attention", request=request.request_id, why=reason)
        self._tried.add(request.request_id)
        if request.state is State.ATTENTION and request.problem == reason:
            return request
        return self._file.decide(request, Attention(reason, broke=True, after=request.length))

    def _answer(self, request: RequestState) -> RequestState:
        now = self._file.now()
        person = self._subjects.of(request)
        if person.resolution == Resolution.AMBIGUOUS:
            unclear = self._subjects.unclear(request, person)
            return self._file.decide(request, Attention(unclear, Resolution.AMBIGUOUS))
        anchors = self._file.anchors(request.request_id)
        _, report = disclosed(person, self._reader, self._company.catalogue, anchors, now)
        answered = Answered(
            report=report,
            identity=snapshot_of(person).json(),
            resolution=Resolution(report["resolution"]),
            remarks=tuple(person.problems),
        )
        self._late.answered()
        return self._file.decide(request, answered, now)
