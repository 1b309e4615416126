"""Claims of forgotten people in plain Python. See `sinks.ports.forgotten`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sinks.memory.state import Event
from sinks.ports.forgotten import Claim, Held, held, is_forgotten, left_of, sessions_of
from sinks.ports.identity import MENTIONED, NOTHING

Known = dict[tuple[Any, ...], dict[str, Any]]
"""Claims by their topic, partition, offset and part."""


def without_events(
    known: Known, events: Collection[Event], own: Collection[bytes] = ()
) -> tuple[Known, list[dict[str, Any]]]:
    """The claims without those of the events, but for what stays of these; and those that left.

    `own`: the forgotten people's own identifiers, which are nobody else.
    """
    leaving = [claim for place, claim in known.items() if place[:3] in events]
    stay = {place: claim for place, claim in known.items() if place[:3] not in events}
    theirs = [claim for claim in stay.values() if claim["subject"] not in own]
    others, groups = _held(theirs), _groups(theirs)
    for session in sessions_of(leaving):
        mine = session.subject
        shared = _shared(session.tokens, session.held, others, mine)
        if groups.get(session.group, set()) - {mine}:
            shared.add(session.group)
        for claim in left_of(session, shared):
            stay[claim["topic"], claim["partition"], claim["offset"], claim["part"]] = claim
    return _tidied(stay), leaving


def mentioned(known: Known) -> set[bytes]:
    """The tokens that claims of people who are known mention."""
    claims = (claim for claim in known.values() if not is_forgotten(claim["subject"]))
    return {claim[name] for claim in claims for name in MENTIONED}


def _tidied(known: Known) -> Known:
    """The claims without what stands for forgotten people near whom nobody is any more."""
    others, groups = _held(known.values()), _groups(known.values())
    sessions = defaultdict[bytes, list[Claim]](list)
    for claim in known.values():
        if is_forgotten(claim["subject"]):
            sessions[claim["group"]].append(claim)
    near = {
        group
        for group, claims in sessions.items()
        if group in groups or _shared({claim["token"] for claim in claims}, held(claims), others)
    }
    return {
        place: claim
        for place, claim in known.items()
        if not is_forgotten(claim["subject"]) or claim["group"] in near
    }


def _held(claims: Iterable[Claim]) -> Mapping[bytes, Sequence[tuple[bytes, Held]]]:
    """When each identifier is known to have been somebody's, and whose, by session."""
    sessions = defaultdict[tuple[bytes, bytes, bytes], list[Claim]](list)
    for claim in claims:
        if claim["token"] != NOTHING and not is_forgotten(claim["subject"]):
            sessions[claim["token"], claim["subject"], claim["group"]].append(claim)
    found = defaultdict[bytes, list[tuple[bytes, Held]]](list)
    for (token, subject, _), some in sessions.items():
        found[token].append((subject, held(some)))
    return found


def _groups(claims: Iterable[Claim]) -> Mapping[bytes, set[bytes]]:
    """Who is known in each session and slot."""
    found = defaultdict[bytes, set[bytes]](set)
    for claim in claims:
        if claim["group"] != NOTHING and not is_forgotten(claim["subject"]):
            found[claim["group"]].add(claim["subject"])
    return found


def _shared(
    tokens: Iterable[bytes],
    mine: Held,
    others: Mapping[bytes, Sequence[tuple[bytes, Held]]],
    subject: bytes = NOTHING,
) -> set[bytes]:
    """Which of the tokens somebody else than the subject has near that time."""
    return {
        token
        for token in tokens
        if any(whose != subject and mine.is_near(other) for whose, other in others.get(token, ()))
    }
