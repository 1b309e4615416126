"""Which reports are of one session: by server, session id and time, never by whom they name.

Reports come late, twice, out of order or never (RFC 2866, RFC 5080 2.2), and servers count their session ids anew after
a restart. So nothing here depends on the order of arrival: reports are sorted by the time they speak of.

- a Stop is the end of the service (RFC 2866, 2): what a server dates after it opens nothing and lengthens nothing,
  until a Start, or a report that says by its session time that it is of a session that began later
- a Start after other reports is another session, also where the Stop between them was lost
- a report that does not say how long its session lasts, after its server started anew, is of another session
- User-Name may be missing in accounting (RFC 2866, 5.13): a session is whose its reports name best, and where they
  name several equally well, each of them may be meant
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.vocabulary import Mark
from streams.identity.links.table import FOREVER, Claims, Flags, Ints, first_from, packed

# Session times are whole seconds and rounded: a start this much later than an earlier report is the same session's.
ROUNDING_MS = 5_000
# At one moment: what ended makes room before what begins is opened and seen.
_ORDER = np.array([0, 1, 2, 0, 0, 0])
_NOBODY = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Sessions:
    """`claims` by session and time, without what is dated after the end; `number` is the session of each.

    The others have one element for each session: `first` is the position of its first claim; it began at `start`, which
    `known_start` says is more than the time of the first report that came; `last` report; `end`, the time of the
    Stop, FOREVER without one; `line` and `server`, -1 unknown; `proof` of what names its subject.
    """

    claims: Claims
    number: Ints
    first: Ints
    start: Ints
    known_start: Flags
    last: Ints
    end: Ints
    line: Ints
    server: Ints
    proof: Ints

    def __len__(self) -> int:
        return len(self.first)

    @property
    def final(self) -> Ints:
        """The position of the last claim of each session."""
        return np.append(self.first[1:], len(self.claims)) - 1


def sessions_of(claims: Claims, resets: Claims) -> Sessions:
    """The sessions that the claims are of. `resets`: when servers said that all their sessions are over."""
    moment = (claims.at - claims.at.min()) * len(_ORDER) + _ORDER[claims.mark]
    claims = claims.where(np.lexsort((moment, claims.group)))
    claims = claims.where(~_overtaken(claims))
    begins = _begins(claims, resets)
    number = np.cumsum(begins) - 1
    closes = np.where(claims.mark == Mark.CLOSE.code, claims.at, FOREVER)
    end = np.minimum.reduceat(closes, np.flatnonzero(begins))
    within = claims.at <= end[number]
    if not within.all():
        claims, number = claims.where(within), number[within]
    first = np.flatnonzero(np.diff(number, prepend=-1))
    known = claims.has_since | (claims.mark == Mark.OPEN.code)
    return Sessions(
        claims=claims,
        number=number,
        first=first,
        start=np.minimum.reduceat(claims.since, first),
        known_start=known[first],
        last=claims.at[np.append(first[1:], len(claims)) - 1],
        end=end,
        line=_last_known(claims.line, first),
        server=_last_known(claims.server, first),
        proof=_proof(claims, number, first),
    )


def subjects(sessions: Sessions) -> tuple[Ints, Ints]:
    """(session, subject) of whom each session names best: several, if it names several equally well."""
    claims, number = sessions.claims, sessions.number
    named = _best(claims, number, sessions.first)
    whom = claims.subject[named].astype(np.int64)
    of = number[named]
    if not len(of):
        return of, whom
    fresh = np.append(True, (of[1:] != of[:-1]) | (whom[1:] != whom[:-1]))
    of, whom = of[fresh], whom[fresh]
    if (of[1:] == of[:-1]).any():
        of, whom = np.unique(np.stack([of, whom]), axis=1)
    return of, whom


def _best(claims: Claims, number: Ints, first: Ints) -> Flags:
    """The claims that name somebody as well as any of their session does."""
    rank = np.where(claims.subject >= 0, claims.rank, _NOBODY)
    best = np.minimum.reduceat(rank, first)[number]
    named: Flags = (rank == best) & (claims.subject >= 0)
    return named


def _proof(claims: Claims, number: Ints, first: Ints) -> Ints:
    proof: Ints = np.maximum.reduceat(np.where(_best(claims, number, first), claims.proof, 0), first)
    return proof


def _last_known(values: Ints, first: Ints) -> Ints:
    """The last value of each session that is known, -1 if none is."""
    places = np.maximum.reduceat(np.where(values >= 0, np.arange(len(values)), -1), first)
    return np.where(places >= 0, values[places], -1)


def _overtaken(claims: Claims) -> Flags:
    """What is dated after the Stop of its session, when the server has given its id to another one already."""
    overtaken = np.zeros(len(claims), np.bool_)
    closes = claims.mark == Mark.CLOSE.code
    if closes[:-1][claims.group[1:] == claims.group[:-1]].any():
        latest = _latest_begin(claims)
        older = np.flatnonzero(claims.has_since & (claims.since < latest - ROUNDING_MS))
        overtaken[older[_next_stop(claims, older, claims.since[older]) <= latest[older]]] = True
    return overtaken


def _latest_begin(claims: Claims) -> Ints:
    """The latest beginning of a session that the reports of the group, up to each, have told of."""
    # Before all of them, so that it does not hang on which other sessions are asked about.
    unknown = claims.since.min() - ROUNDING_MS - 1
    began = np.where((claims.mark == Mark.OPEN.code) | _proves(claims), claims.since, unknown)
    earliest = int(began.min())
    width = int(began.max()) - earliest + 1
    return np.maximum.accumulate(packed(claims.group, began - earliest, width)) % width + earliest


def _next_stop(claims: Claims, of: Ints, since: Ints) -> Ints:
    """When the group of each of those claims next had a Stop, from that time on."""
    closes = claims.mark == Mark.CLOSE.code
    return first_from(claims.group[closes], claims.at[closes], claims.group[of], since)


def _proves(claims: Claims) -> Flags:
    """Whether a report tells when its session began. A time of nothing is what some servers write for unknown."""
    proves: Flags = claims.has_since & (claims.since < claims.at)
    return proves


def _begins(claims: Claims, resets: Claims) -> Flags:
    """Where the claims of another session begin. Sorted by group, time and mark."""
    count, positions = len(claims), np.arange(len(claims))
    of_group = np.ones(count, np.bool_)
    of_group[1:] = claims.group[1:] != claims.group[:-1]
    begins = of_group.copy()
    if of_group.all():
        return begins
    opens, closes = claims.mark == Mark.OPEN.code, claims.mark == Mark.CLOSE.code
    before = np.where(of_group, FOREVER, np.append(0, claims.at[:-1]))
    # 1. A later beginning than the report before.
    proves = _proves(claims)
    begins |= (proves | opens) & (claims.since > before + ROUNDING_MS)
    if not (opens | closes)[:-1][~of_group[1:]].any() and not len(resets):
        return begins
    # What the reports of earlier moments left: the last of each kind that is of the same group, -1 for none.
    of_moment = of_group | np.append(True, claims.at[1:] != claims.at[:-1])
    group, moment = (np.maximum.accumulate(np.where(marks, positions, 0)) for marks in (of_group, of_moment))
    closed, opened, seen = (_before(marked, moment, group) for marked in (closes, opens, ~closes))
    before_it = np.append(0, _latest_begin(claims)[:-1])
    later = np.flatnonzero(proves & ~of_group & (claims.since > before_it + ROUNDING_MS))
    begins[later[_next_stop(claims, later, before_it[later]) <= claims.since[later]]] = True
    opened = _before(opens | begins, moment, group)
    ended = (closed >= 0) & (closed > opened)
    # 2. A Start after the end. At the moment of a Stop it begins the next session, if the Stop is of one before.
    first = opens & (_before(opens, positions, moment) < 0)
    both = first & (_before(closes, positions, moment) >= 0)
    if both.any():
        nothing = closes & claims.has_since & (claims.since >= claims.at)
        earlier = np.where(ended, begins[moment], (seen > closed) | np.isin(moment, moment[proves & closes]))
        begins |= both & earlier & ~np.isin(moment, moment[nothing])
    begins[moment[opens & ended]] = True
    # 3. After the server started anew.
    found = resets.server >= 0
    at = np.flatnonzero(~proves & ~opens & ~ended & ~begins & (claims.server >= 0) & found.any())
    anew = first_from(
        resets.server[found], resets.at[found], claims.server[at], np.append(0, claims.at[:-1])[at] + 1
    )
    begins[at[anew < claims.at[at]]] = True
    return begins


def _before(marked: Flags, until: Ints, since: Ints) -> Ints:
    """For each position the last marked one in [since, until), -1 for none."""
    last = np.maximum.accumulate(np.where(marked, np.arange(len(marked)), -1))
    found = np.where(until > 0, last[np.maximum(until, 1) - 1], -1)
    return np.where(found >= since, found, -1)
