"""What a session had when: the unbroken times in which its reports name an address, a prefix or a block of ports.

The age of a session is not the age of its address, so a report is asked only what it names:

- named first in a later report than others of the session: it began between the report before and this one; it counts
  from this one
- missing from a report that still names another: it ended there; it counts to the last report that names it
- a report that names nothing at all says nothing of addresses (RFC 2866 asks for none); so what the session's first
  naming report names may be as old as the report before, or as a session whose first reports were lost, unless
  somebody else is known to have had it meanwhile
- a Stop ends all that the session still had; one that names nothing too
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.identity.links.sessions import Sessions
from streams.identity.links.table import BEGINNING, FOREVER, Claims, Flags, Ints, dense, packed


@dataclass(frozen=True)
class Runs:
    """One element for each run, but `claims`, the last one of each. `place` numbers token and ports.

    `since`, within `earliest` and `named`, the time of the first report that names it; `last`: the last such report;
    `follows`: the report that first leaves it out, FOREVER if none does; `stated`: a Stop says when it ended.
    """

    claims: Claims
    session: Ints
    place: Ints
    since: Ints
    earliest: Ints
    named: Ints
    last: Ints
    follows: Ints
    closed: Flags
    row: Ints
    learnt_at: Ints


def runs_of(sessions: Sessions, reuse: Ints) -> Runs:
    """The runs of all sessions, of which some report names something.

    `reuse`: how long an address rests between two holders, in milliseconds, for each source.
    """
    claims, number = sessions.claims, sessions.number
    moment, step = _reports(sessions)
    naming = np.flatnonzero(claims.token >= 0)
    order = naming[_by_place(claims, number, naming)]
    fresh = np.ones(len(order), np.bool_)
    one, other = order[:-1], order[1:]
    fresh[1:] = (number[other] != number[one]) | _differ(claims, one, other) | (step[other] > step[one] + 1)
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(order)) - 1
    begin, final = order[first], order[last]
    of = number[begin]
    named, until = claims.at[begin], claims.at[final]
    # 1. its end: which report leaves it out
    follows = _next_naming(sessions, step)[final]
    closed = (follows >= FOREVER) & (sessions.end[of] < FOREVER)
    # 2. its begin: the report before the first that names it
    earlier = moment[begin] > sessions.first[of]
    already = np.where(earlier, step[moment[begin] - 1], 0) > 0
    earliest = np.minimum(np.where(earlier, claims.at[moment[begin] - 1], sessions.start[of]), named)
    runs = Runs(
        claims=claims.where(final),
        session=of,
        place=dense(*(getattr(claims, name)[final] for name in ("token", "port_from", "port_to", "length"))),
        since=np.where(already, named, earliest),
        earliest=earliest,
        named=named,
        last=until,
        follows=follows,
        closed=closed,
        row=np.where(closed, claims.row[sessions.final[of]], claims.row[final]),
        learnt_at=np.maximum.reduceat(claims.learnt_at[order], first),
    )
    return _after_others(runs, sessions, reuse[runs.claims.source])


def _reports(sessions: Sessions) -> tuple[Ints, Ints]:
    """For each claim: where the claims of its report begin, and how many reports of its session up to there name
    something."""
    claims, number = sessions.claims, sessions.number
    fresh = np.ones(len(claims), np.bool_)
    fresh[1:] = (number[1:] != number[:-1]) | (claims.at[1:] != claims.at[:-1])
    begins = np.flatnonzero(fresh)
    report = np.cumsum(fresh) - 1
    names = np.logical_or.reduceat(claims.token >= 0, begins)
    count = np.cumsum(names)[report]
    before = count[sessions.first] - names[report[sessions.first]]
    return begins[report], count - before[number]


def _next_naming(sessions: Sessions, step: Ints) -> Ints:
    """For each claim when the next report of its session names something, FOREVER if none does."""
    claims, number = sessions.claims, sessions.number
    following = np.full(len(claims), FOREVER)
    rises = np.flatnonzero((number[1:] == number[:-1]) & (step[1:] > step[:-1])) + 1
    if len(rises):
        at = np.searchsorted(rises, np.arange(len(claims)), "right")
        found = rises[np.minimum(at, len(rises) - 1)]
        fits = (at < len(rises)) & (number[found] == number)
        following = np.where(fits, claims.at[found], FOREVER)
    return following


def _differ(claims: Claims, one: Ints, other: Ints) -> Flags:
    found = np.zeros(len(one), np.bool_)
    for column in (claims.token, claims.length, claims.port_from, claims.port_to):
        found |= column[one] != column[other]
    return found


def _by_place(claims: Claims, number: Ints, naming: Ints) -> Ints:
    """The order of the claims that name something: by session, place and time. They are sorted by session and time."""
    order = np.arange(len(naming))
    one, other = naming[:-1], naming[1:]
    several = number[one][(number[one] == number[other]) & _differ(claims, one, other)]
    if len(several):
        # Most sessions have one address, and are in order already.
        mixed = np.zeros(int(number[-1]) + 1, np.bool_)
        mixed[several] = True
        some = np.flatnonzero(mixed[number[naming]])
        at = naming[some]
        keys = (claims.at, claims.port_to, claims.port_from, claims.length, claims.token, number)
        order[some] = some[np.lexsort(tuple(key[at] for key in keys))]
    return order


def _after_others(runs: Runs, sessions: Sessions, reuse: Ints) -> Runs:
    """A begin that no report states lies after the time in which another session is known to have had the place."""
    guessed = np.flatnonzero(runs.since < runs.named)
    if not len(guessed):
        return runs
    held = np.where(runs.closed, sessions.end[runs.session], runs.last)
    order = np.lexsort((runs.named, runs.place))
    place, named = runs.place[order], runs.named[order]
    earliest = int(min(named.min(), held.min()))
    width = int(max(named.max(), held.max())) - earliest + 2
    reached = np.maximum.accumulate(packed(place, held[order] - earliest, width))
    asked = packed(runs.place[guessed], runs.named[guessed] - earliest, width)
    before = np.searchsorted(packed(place, named - earliest, width), asked, "left") - 1
    there = (before >= 0) & (place[before] == runs.place[guessed])
    ended = np.where(there, reached[before] % width + earliest, BEGINNING)
    since = runs.since.copy()
    late = ended > since[guessed]
    since[guessed] = np.where(late, np.minimum(ended + reuse[guessed], runs.named[guessed]), since[guessed])
    return Runs(**{**vars(runs), "since": since})
