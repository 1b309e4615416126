"""What is kept of claims whose person is forgotten: that somebody had the identifier, and when, but not who. Pure.

Without it what two people may have done under one address would be the other's alone once the first is erased, and a
session without its end would run on over the time of somebody who is gone. It is kept only where another's claim on the
same identifier is near, and says nothing that leads to the person: holder, session, line, and identifiers that are
nobody else's, stand under tokens that are drawn. What stays of a claim is of the token key that the claim was of, so
that a rotation of the keys moves it as any other.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.entries import IdentitySource
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import ClaimForm, Mark
from sinks.ports.identity import NOTHING
from sinks.ports.same import SameTokens

FORGOTTEN = b"\xff" * 8
"""With which every token begins that stands for what was forgotten; of a keyed token it is as good as impossible."""
NEAR = timedelta(days=7)
"""How far apart two holders of an identifier may be so that one bounds what is inferred of the other: longer than an
address rests between two holders, and than clocks differ."""
Sources = Mapping[str, IdentitySource]
"""Sources of identity links, by id. Of one that is not among them nobody knows when a silent session is over."""
NO_TOPIC = ""
"""The topic of what stays of a claim: no event tells it."""
_OFFSET_BITS = 63
_FORMS = frozenset({ClaimForm.SESSION.code, ClaimForm.STATE.code, ClaimForm.LOGIN.code})
LATEST = datetime.max.replace(tzinfo=UTC).replace(tzinfo=None)
"""Of what has no end yet."""
Claim = Mapping[str, Any]
"""A row of `sinks.ports.identity.KNOWN_CLAIM_SCHEMA`; times in UTC without a zone."""
Draw = Callable[[int], bytes]


@dataclass(frozen=True)
class Held:
    """From when until when a session or slot is known to have an identifier; without its end for good."""

    first: datetime
    last: datetime

    def is_near(self, other: Held) -> bool:
        """Whether one may bound what is inferred of the other."""
        return _later(self.last) >= other.first and _later(other.last) >= self.first


def is_forgotten(token: bytes) -> bool:
    """Whether the token stands for a holder, session or identifier that was forgotten."""
    return token.startswith(FORGOTTEN)


def drawn_token(draw: Draw = secrets.token_bytes) -> bytes:
    """A new token that stands for something that was forgotten."""
    return FORGOTTEN + draw(TOKEN_BYTES - len(FORGOTTEN))


def is_left(claim: Claim) -> bool:
    """Whether the claim is what stays of one that left, of somebody or of nobody."""
    return bool(claim["topic"] == NO_TOPIC)


def held(claims: Iterable[Claim], sources: Sources) -> Held:
    """By the claims of one session or slot, of which there is at least one. One that nobody ended lasts as long as
    silence may, which is for good where its last claim says nothing of its end, or its source has no limit."""
    said = sorted(claims, key=lambda claim: claim["at"])
    first = min(min(claim["since"] or claim["at"], claim["at"]) for claim in said)
    final = said[-1]
    ended = final["mark"] == Mark.CLOSE.code or final["token"] == NOTHING
    if ended:
        return Held(first, max(claim["at"] for claim in said))
    source = sources.get(final["source"])
    if final["until"] is None or source is None or source.silence_seconds is None:
        return Held(first, LATEST)
    # As `streams.identity.links.session_links` has it; no less than for one whose reports came at no interval.
    left, term = LATEST - final["at"], final["until"] - final["at"]
    if term > left // source.missed_reports:
        return Held(first, LATEST)
    allowed = max(source.missed_reports * term, timedelta(seconds=source.silence_seconds))
    return Held(first, final["at"] + min(allowed, left))


@dataclass(frozen=True)
class Session:
    """Claims of one session or slot, and when it had what they name; a login is one of its own.

    `tokens`: what it had; `subject`: whose it is, NOTHING where its claims name several or nobody; `group`: under which
    its claims are one, NOTHING of a login. All by the names that `same` has for them.
    """

    claims: Sequence[Claim]
    held: Held
    same: SameTokens

    @property
    def tokens(self) -> set[bytes]:
        return self._names("token")

    @property
    def subject(self) -> bytes:
        named = self._names("subject")
        return named.pop() if len(named) == 1 else NOTHING

    @property
    def group(self) -> bytes:
        return self.same.name(self.claims[0]["group"])

    def _names(self, column: str) -> set[bytes]:
        return {self.same.name(claim[column]) for claim in self.claims} - {NOTHING}


def sessions_of(claims: Iterable[Claim], same: SameTokens, sources: Sources) -> list[Session]:
    """Claims put together, of those forms in which one holder ends where another begins; what was forgotten before is
    left out."""
    found = defaultdict[object, list[Claim]](list)
    for number, claim in enumerate(claims):
        if claim["form"] in _FORMS and not is_left(claim):
            found[same.name(claim["group"]) if claim["group"] != NOTHING else number].append(claim)
    return [Session(some, held(some, sources), same) for some in found.values()]


def left_of(
    session: Session, shared: Collection[bytes], draw: Draw = secrets.token_bytes
) -> list[dict[str, Any]]:
    """What stays of the claims of a session that leave the index; `shared`: the names of those of its identifiers that
    somebody else has near it, and of its group where claims of somebody else are of it too.

    All of its claims where there is such a one, so that it begins and ends as before; else nothing.
    """
    if not shared:
        return []
    drawn = defaultdict[bytes, bytes](lambda: drawn_token(draw))
    drawn |= {NOTHING: NOTHING}
    return [_without_person(claim, session.same, shared, drawn, draw) for claim in session.claims]


def _without_person(
    claim: Claim, same: SameTokens, shared: Collection[bytes], drawn: Mapping[bytes, bytes], draw: Draw
) -> dict[str, Any]:
    names = {}
    for column in ("token", "subject", "group", "line"):
        name = same.name(claim[column])
        names[column] = claim[column] if column in ("token", "group") and name in shared else drawn[name]
    if names["group"] == NOTHING:
        # A login becomes one of its own, by which it is found.
        names["group"] = drawn_token(draw)
    place = int.from_bytes(draw(8), "big") >> (64 - _OFFSET_BITS)
    return {**claim, **names, "topic": NO_TOPIC, "partition": 0, "offset": place, "part": 0}


def _later(moment: datetime) -> datetime:
    return LATEST if moment > LATEST - NEAR else moment + NEAR
