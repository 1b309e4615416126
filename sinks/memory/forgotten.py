"""Claims of forgotten people in plain Python. See `sinks.ports.forgotten`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sinks.memory.state import Event
from sinks.ports.forgotten import (
    Claim,
    Held,
    Sources,
    drawn_token,
    held,
    is_forgotten,
    is_left,
    left_of,
    sessions_of,
)
from sinks.ports.identity import MENTIONED, NOTHING
from sinks.ports.same import SameTokens

Known = dict[tuple[Any, ...], dict[str, Any]]
"""Claims by their topic, partition, offset and part."""
_Held = Mapping[bytes, Sequence[tuple[frozenset[bytes], Held]]]
"""When each identifier is known to have been somebody's, and whose: nobody's name where no claim of it says."""


def without_events(
    known: Known,
    events: Collection[Event],
    same: SameTokens,
    sources: Sources,
    own: Collection[bytes] = (),
) -> tuple[Known, list[dict[str, Any]]]:
    """The claims without those of the events, but for what stays of these; and those that left.

    `own`: the forgotten people's own identifiers, which are nobody else.
    """
    leaving = [claim for place, claim in known.items() if place[:3] in events]
    stay = {place: claim for place, claim in known.items() if place[:3] not in events}
    people = {same.name(token) for token in own}
    others, groups = _held(stay.values(), same, sources), _groups(stay.values(), same)
    for session in sessions_of(leaving, same, sources):
        mine = {session.subject, *people}
        shared = _shared(session.tokens, session.held, others, mine)
        if groups.get(session.group, set()) - mine:
            shared.add(session.group)
        for claim in left_of(session, shared):
            stay[claim["topic"], claim["partition"], claim["offset"], claim["part"]] = claim
    return _tidied(stay, same, sources), leaving


def mentioned(known: Known) -> set[bytes]:
    """The tokens that claims of people who are known mention."""
    return {claim[name] for claim in known.values() if not is_left(claim) for name in MENTIONED}


def _tidied(known: Known, same: SameTokens, sources: Sources) -> Known:
    """The claims without what stands for forgotten people near whom nobody is any more, and, of what stays, without the
    identifiers that nobody else has any more."""
    others, groups = _held(known.values(), same, sources), _groups(known.values(), same)
    sessions = defaultdict[bytes, list[tuple[tuple[Any, ...], Claim]]](list)
    for where, said in known.items():
        if is_left(said):
            sessions[same.name(said["group"])].append((where, said))
    tidied: Known = dict(known)
    for group, some in sessions.items():
        tokens = {same.name(claim["token"]) for _, claim in some} - {NOTHING}
        shared = _shared(tokens, held((claim for _, claim in some), sources), others)
        drawn = {token: drawn_token() for token in tokens - shared if not is_forgotten(token)}
        for place, claim in some:
            if not shared and group not in groups:
                del tidied[place]
            elif same.name(claim["token"]) in drawn:
                tidied[place] = {**known[place], "token": drawn[same.name(claim["token"])]}
    return tidied


def _held(claims: Iterable[Claim], same: SameTokens, sources: Sources) -> _Held:
    """By identifier and session; a login is one of its own for each of the people."""
    sessions = defaultdict[tuple[bytes, bytes, bytes], list[Claim]](list)
    for claim in claims:
        if claim["token"] != NOTHING and not is_left(claim):
            token, group, subject = (same.name(claim[name]) for name in ("token", "group", "subject"))
            sessions[token, group, NOTHING if group != NOTHING else subject].append(claim)
    found = defaultdict[bytes, list[tuple[frozenset[bytes], Held]]](list)
    for (token, _, _), some in sessions.items():
        subjects = frozenset(same.name(claim["subject"]) for claim in some) - {NOTHING}
        found[token].append((subjects, held(some, sources)))
    return found


def _groups(claims: Iterable[Claim], same: SameTokens) -> Mapping[bytes, set[bytes]]:
    """Who is known in each session and slot."""
    found = defaultdict[bytes, set[bytes]](set)
    for claim in claims:
        if NOTHING not in (claim["group"], claim["subject"]) and not is_left(claim):
            found[same.name(claim["group"])].add(same.name(claim["subject"]))
    return found


def _shared(tokens: Iterable[bytes], mine: Held, others: _Held, people: Collection[bytes] = ()) -> set[bytes]:
    """Which of the tokens somebody else than the people has near that time."""
    return {
        token
        for token in tokens
        if any(
            (not whose or whose.difference(people)) and mine.is_near(other)
            for whose, other in others.get(token, ())
        )
    }
