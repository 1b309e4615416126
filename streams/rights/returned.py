"""Why no system may be told any more by a plan: since then a new relationship began that an erasure must not reach, a
clock was stopped by which data had run out, or they are restricted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from schemas.contracts import SOURCE_DELETE
from schemas.days import OPEN
from schemas.errors import InputError
from schemas.policy import MOMENTS, RetentionAnchors
from sinks.ports.lineage import Filter, Found, IndexReader, Span
from streams.answers.clocks import anchors_of_shown
from streams.answers.keeping import Keeping
from streams.rights.frozen import refuse_frozen
from streams.rights.kept import keeps
from streams.rights.other_rules import refuse_other_rules
from streams.rights.protocol.request import RequestState
from streams.rights.subject import SubjectFinder

_RELATION = frozenset("ab")  # GDPR Art. 6(1): consent, contract
_AT_ONCE = timedelta(minutes=1)
"""What is sent so soon after its plan needs no other look."""


class Returned(InputError):
    """A new relationship began since the plan, and a system that is told now would erase that as well."""


def refuse_returned(reader: IndexReader, clock: Callable[[], datetime], request: RequestState) -> None:
    """Raises Returned where systems would be told to erase by a plan that is older than a new relationship, and
    IndexUnavailable.

    Commands name no moment up to which they erase. Whose contract ran on when it was planned has no new one; of a
    withdrawn consent the person stays.
    """
    if not request.erases or request.planned_at is None or clock() - request.planned_at < _AT_ONCE:
        return
    if _ran_on(request):
        return
    since = relation_since(reader.find(*afterwards(request)), newest=False)
    if since is not None:
        raise Returned(
            f"a new relationship began after the erasure was planned ({since}); whoever is told now would erase that"
            f" too, so nobody is: `innsyn requests close {request.request_id} --reason ...` ends it with what is done,"
            " and a new request is planned by what there is then"
        )


def may_tell(
    subjects: SubjectFinder,
    keeping: Keeping,
    reader: IndexReader,
    clock: Callable[[], datetime],
    rules: str,
    request: RequestState,
) -> None:
    """Raises OtherRules, HeldByLaw or Returned where no system may be told to erase now, IndexUnavailable,
    KeyUnavailable. `rules`: the retention rules of now, as `rules_fingerprint`."""
    refuse_other_rules(request, rules)
    refuse_frozen(keeping, clock, request)
    refuse_returned(reader, clock, request)
    refuse_restarted(keeping, request)
    refuse_restricted(subjects, request)


def refuse_restarted(keeping: Keeping, request: RequestState) -> None:
    """Raises Returned where something had run out by a clock that was stopped since, and IndexUnavailable."""
    if not request.runs_out or request.identity is None:
        return
    then = anchors_of_shown((request.plan or {}).get("clocks", ())).days()
    spans = [*request.identity.spans, *afterwards(request)[0]]
    now = keeping.anchors_for(spans, RetentionAnchors()).anchors.days()
    later = sorted(name for name, day in then.items() if name not in MOMENTS and now.get(name, day) > day)
    if later:
        day = now[later[0]]
        what = "it is going on again" if day == OPEN else f"it started on {day}"
        raise Returned(
            f"{later[0]} was counted from {then[later[0]]}, and events say since that {what}: nobody is told any more;"
            f" `innsyn requests close {request.request_id} --reason ...` ends it with what is done"
        )


def refuse_restricted(subjects: SubjectFinder, request: RequestState) -> None:
    """Raises Returned where something has run out of a person who asked since that it is stored and nothing else (GDPR
    Art. 18(2)), and IndexUnavailable."""
    if not request.runs_out or request.identity is None:
        return
    spans = request.identity.spans
    for item in subjects.requests_of(request.subjects, spans):
        if item.stores_alone and not item.objects and keeps(item):
            raise Returned(
                f"{item.request_id} restricts the processing of this person's data: nobody is told any more;"
                f" `innsyn requests close {request.request_id} --reason ...` ends it with what is done"
            )


def relation_since(found: Found, *, newest: bool = True) -> str | None:
    """What of this says that there is a relationship: the newest event (else the first) that rests on a contract or on
    a consent (GDPR Art. 6(1)(a) and (b)); in words, None for nothing."""
    said = [
        item
        for item in found.holdings
        if item.tags.operation != SOURCE_DELETE and _RELATION.intersection(item.tags.legal_basis.values())
    ]
    if not said:
        return None
    if newest:
        shown = max(said, key=lambda item: item.last_seen)
        return f"{shown.tags.record} in {shown.tags.system}, {shown.last_seen:%Y-%m-%d}"
    shown = min(said, key=lambda item: (item.first_seen, item.tags.system, item.tags.record))
    return f"{shown.tags.record} in {shown.tags.system}, {shown.first_seen:%Y-%m-%d}"


def afterwards(request: RequestState) -> tuple[list[Span], Filter]:
    """Where events lie that were the person's own after the erasure was planned: under whom it was about, not under an
    address or a cookie, which may be another's by then."""
    identity = request.identity
    subjects: Iterable[bytes] = identity.subjects if identity else ()
    return [Span(token) for token in sorted(subjects)], Filter(since=request.planned_at)


def _ran_on(request: RequestState) -> bool:
    """Whether the plan held something for as long as the contract runs."""
    parts = (request.plan or {}).get("parts", ())
    return any(part["action"] == "hold_until" and part["until"] is None for part in parts)
