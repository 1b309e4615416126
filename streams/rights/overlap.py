"""Which requests are of the same person: by whom they are about, and by where that person's events lie. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sinks.ports.lineage import Span
from streams.answers.erased import Erased
from streams.answers.restricted import Restricted
from streams.identity.model import Given, ResolvedSubject
from streams.identity.values import Same
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later

_WAIT_FOR_A_PERSON = (State.ATTENTION, State.UNCHECKED)


def subjects_of(person: ResolvedSubject, givens: Iterable[Given]) -> list[str]:
    """Whom a request is about, as hex tokens: where the chains end, and what was given but for addresses.

    An address is another person's at another time; where it led is among the subjects.
    """
    given = list(givens)
    addresses = {item.token for item in given if item.kind.is_place}
    return sorted(
        token.hex() for token in {item.token for item in given} | person.subjects if token not in addresses
    )


def of_person(
    requests: Iterable[RequestState], subjects: Iterable[str], spans: Sequence[Span]
) -> list[RequestState]:
    """All requests of a person, oldest first as given."""
    about = frozenset(subjects)
    return [item for item in requests if _same(item, about, spans)]


def under_every_key(
    subjects: Iterable[str], spans: Sequence[Span], same: Same | None
) -> tuple[list[str], list[Span]]:
    """Subjects and spans by every token that their identifiers had: requests keep those of their own time.

    `same`: of an index whose token key was rotated. Raises IndexUnavailable.
    """
    about = list(subjects)
    if same is None:
        return about, list(spans)
    every = same.every({*map(bytes.fromhex, about), *(span.token for span in spans)})
    known = sorted({token.hex() for subject in about for token in every[bytes.fromhex(subject)]})
    return known, [replace(span, token=token) for span in spans for token in sorted(every[span.token])]


def erased_of(
    requests: Iterable[RequestState],
    person: ResolvedSubject,
    givens: Iterable[Given],
    same: Same | None = None,
) -> list[Erased]:
    """The erasures of a person that were carried out, oldest first as given; `same`: see `under_every_key`."""
    known, spans = under_every_key(subjects_of(person, givens), person.spans, same)
    about = frozenset(known)
    return [
        Erased(
            item.request_id,
            item.completed_at,
            tuple(sorted({part["system"] for part in item.held})),
            (item.plan or {}).get("clocks", ()),
            item.planned_at,
            item.erases,
        )
        for item in requests
        if (item.erases or item.runs_out)
        and item.carried_out
        and item.completed_at
        and _same(item, about, spans)
    ]


def restricted_of(
    requests: Iterable[RequestState],
    person: ResolvedSubject,
    givens: Iterable[Given],
    same: Same | None = None,
) -> list[Restricted]:
    """The restrictions and objections of a person that stand, oldest first as given; `same`: see `under_every_key`."""
    known, spans = under_every_key(subjects_of(person, givens), person.spans, same)
    about = frozenset(known)
    return [
        Restricted(
            item.request_id,
            item.planned_at,
            {told["system"]: told["purposes"] for told in (item.plan or {}).get("restricted", ())},
            item.type,
            {command.system: frozenset(command.records) for command in item.commands.values()},
        )
        for item in requests
        if item.planned_at and (item.restricts or reaches_later(item)) and _same(item, about, spans)
    ]


def before_it(requests: Sequence[RequestState], request: RequestState) -> list[str]:
    """Of the requests of a person, this one among them, the ids of those that come first: erasures that are planned,
    and older ones still to be; before an erasure those for which copies or corrections are under way, before a
    correction older ones.

    Two plans at once would each narrow or remove what the other one counts on; who asks for the data and to be
    erased is to have them first; and what was found to be right last has to be written last. One that waits for a
    person without a plan is waited for by nobody: it may never get one.
    """
    ids = [item.request_id for item in requests]
    older = set(ids[: ids.index(request.request_id)]) if request.request_id in ids else set()
    return [
        item.request_id
        for item in requests
        if not item.ended
        and item.request_id != request.request_id
        and (
            (request.forgets and (_collects(item) or _is_correcting(item)))
            or (item.forgets and (item.plan is not None or _is_coming(item, older)))
            or (request.corrects and item.corrects and (_is_correcting(item) or _is_coming(item, older)))
        )
    ]


def _is_coming(request: RequestState, older: Collection[str]) -> bool:
    """Whether it is older and will be planned without anybody's help. What has run out waits for whatever a person
    asks."""
    waits = request.runs_out or request.state in _WAIT_FOR_A_PERSON
    return request.plan is None and request.request_id in older and not waits


def _is_correcting(request: RequestState) -> bool:
    """Whether jobs of systems were told to correct what an erasure would leave nothing of, and have not answered; not
    where a person has to look."""
    told = any(not (item.settled or item.by_hand) for item in request.commands.values())
    return request.corrects and told and request.state not in _WAIT_FOR_A_PERSON


def _collects(request: RequestState) -> bool:
    """Whether copies of the data are under way, of which an erasure would leave nothing."""
    asked = any(item.copies for item in request.commands.values())
    return asked and not request.ended and request.state is not State.ANSWERED


def _same(request: RequestState, subjects: frozenset[str], spans: Sequence[Span]) -> bool:
    if not subjects.isdisjoint(request.subjects):
        return True
    return request.identity is not None and spans_meet(spans, request.identity.spans)


def spans_meet(ones: Iterable[Span], others: Iterable[Span]) -> bool:
    """Whether an event may lie under one of these and one of those."""
    theirs: dict[bytes, list[Span]] = {}
    for span in others:
        theirs.setdefault(span.token, []).append(span)
    return any(_meet(span, other) for span in ones for other in theirs.get(span.token, ()))


def _meet(one: Span, other: Span) -> bool:
    return (
        one.port_from <= other.port_to
        and other.port_from <= one.port_to
        and (one.since is None or other.until is None or one.since < other.until)
        and (other.since is None or one.until is None or other.since < one.until)
    )
