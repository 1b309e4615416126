"""Sessions: what was opened, seen and closed becomes the time in which a token was somebody's.

What no report says is inferred from the others, with bounds:

- lost Start: the session began when it says it did (Acct-Session-Time), else with its first report
- lost Stop: it ended before the next session on its address or line, before its server's restart, or after too many
  missed reports, whichever is first; never before its own last report
- a Stop that names no address ends the one its session had, unless somebody else was reported to have it by then
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.entries import IdentitySource
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Bound, ClaimForm, Mark
from sinks.ports.identity import NOTHING
from streams.identity.links.runs import Runs, runs_of
from streams.identity.links.sessions import Sessions, sessions_of, subjects
from streams.identity.links.table import (
    FOREVER,
    Claims,
    Ints,
    Links,
    each_of,
    first_from,
    no_links,
    per_source,
    read_claims,
)


def session_links(claims: Claims, sources: Sequence[IdentitySource]) -> Links:
    """Links of the claims of form SESSION: one for each run and each of those the session may be whose."""
    of_server = (claims.mark == Mark.OFF.code) | (claims.mark == Mark.ON.code)
    resets = claims.where(of_server)
    if not (~of_server & (claims.token >= 0)).any():
        return no_links(claims.names)
    sessions = sessions_of(claims.where(~of_server), resets)
    if not (sessions.claims.token >= 0).any():
        # What names something is dated after the end.
        return no_links(claims.names)
    reuse = per_source(sources, "reuse_seconds")
    runs = runs_of(sessions, reuse)
    until, latest, end = _ends(runs, sessions, resets, sources, reuse[runs.claims.source])
    links = Links(
        names=claims.names,
        token=runs.claims.token,
        subject=runs.claims.subject,
        since=runs.since,
        until=until,
        port_from=runs.claims.port_from,
        port_to=runs.claims.port_to,
        length=runs.claims.length,
        proof=sessions.proof[runs.session],
        source=runs.claims.source,
        begin=runs.earliest,
        begun=runs.named,
        end=end,
        earliest=np.where(end == Bound.STATED.code, until, runs.last),
        latest=latest,
        learnt_at=runs.learnt_at,
        row=runs.row,
    )
    return _of_subjects(links, runs.session, *subjects(sessions), len(sessions))


def unended(table: pa.Table, resets: pa.Table, sources: Mapping[str, IdentitySource]) -> pa.Table:
    """The claims of the table that are of sessions which no Stop ended, or of such that bear the same id; of sessions
    with a line alone.

    `table`: of `KNOWN_CLAIM_SCHEMA`, with all claims of each session; `resets`: those of their servers' restarts.
    """
    of_line = pc.not_equal(table["line"], pa.scalar(NOTHING, pa.binary(TOKEN_BYTES)))
    of_session = pc.equal(table["form"], pa.scalar(ClaimForm.SESSION.code, pa.int8()))
    if not pc.any(pc.and_(of_line, of_session)).as_py():
        return table.slice(0, 0)
    claims = read_claims(pa.concat_tables([table, resets]), list(sources))
    of_server = (claims.mark == Mark.OFF.code) | (claims.mark == Mark.ON.code)
    reports = claims.where((claims.form == ClaimForm.SESSION.code) & ~of_server)
    if not len(reports):
        return table.slice(0, 0)
    sessions = sessions_of(reports, claims.where(of_server))
    going = sessions.claims.group[sessions.first[sessions.end >= FOREVER]]
    return table.take(pa.array(reports.row[np.isin(reports.group, going)]))


def _of_subjects(links: Links, session: Ints, of: Ints, whom: Ints, sessions: int) -> Links:
    """Each link once for each subject `whom[i]` that session `of[i]` may be whose."""
    count = np.bincount(of, minlength=sessions)
    begin = (np.cumsum(count) - count)[session]
    times = count[session]
    if (times == 1).all():
        return replace(links, subject=whom[begin])
    link, offset = each_of(times)
    return replace(links.where(link), subject=whom[begin[link] + offset])


def _ends(
    runs: Runs, sessions: Sessions, resets: Claims, sources: Sequence[IdentitySource], reuse: Ints
) -> tuple[Ints, Ints, Ints]:
    """Of each run: until when it counts, its latest end, and whether that is stated, inferred or open."""
    of = runs.session
    # What contradicts a session that nobody closed, from its own last report on.
    asked = np.maximum(sessions.last, sessions.start + 1)
    line, server = sessions.line, sessions.server
    on_line = (line >= 0) & sessions.known_start
    next_on_line = np.where(
        line >= 0, first_from(line[on_line], sessions.start[on_line], np.maximum(line, 0), asked), FOREVER
    )
    silent = _silent(sessions, sources)
    off, on = (_reset(resets, server, asked, mark) for mark in (Mark.OFF.code, Mark.ON.code))
    nobody = np.maximum(runs.last, runs.since + 1)
    rival = first_from(runs.place, runs.since, runs.place, nobody)
    moments = [rival, next_on_line[of], on[of], off[of], silent[of]]
    latest = np.minimum.reduce(moments)
    guessed = np.minimum.reduce([*(moment - reuse for moment in moments[:3]), *moments[3:]])
    # A Stop that names it says when it ended; one that names nothing, unless somebody else has it before.
    stop = sessions.end[of]
    cut = runs.closed & (runs.last < stop) & (rival < stop)
    stated = runs.closed & ~cut
    guessed = np.where(cut, rival - reuse, guessed)
    latest = np.where(cut, rival, latest)
    final = runs.follows >= FOREVER
    # What one report alone names was held at its moment, if no longer.
    until = np.where(final, np.maximum(guessed, runs.last), np.maximum(runs.last, runs.since + 1))
    latest = np.where(final, latest, runs.follows)
    unbounded = latest >= FOREVER
    until = np.where(stated, stop, np.where(unbounded, FOREVER, until))
    end = np.where(stated, Bound.STATED.code, np.where(unbounded, Bound.OPEN.code, Bound.INFERRED.code))
    return until, np.where(stated, stop, latest), end


def _reset(resets: Claims, server: Ints, asked: Ints, mark: int) -> Ints:
    """When the server of each session next reported that all its sessions are over."""
    found = (resets.mark == mark) & (resets.server >= 0)
    moment = first_from(resets.server[found], resets.at[found], np.where(server >= 0, server, 0), asked)
    return np.where(server >= 0, moment, FOREVER)


def _silent(sessions: Sessions, sources: Sequence[IdentitySource]) -> Ints:
    """For each session, when it has been silent for too long."""
    claims = sessions.claims
    of = claims.where(sessions.final)
    habit = per_source(sources, "silence_seconds")[of.source]
    missed = np.array([source.missed_reports for source in sources], np.int64)[of.source]
    steps = np.diff(claims.at, prepend=claims.at[:1])
    steps[sessions.first] = 0
    own = np.maximum.reduceat(steps, sessions.first)
    term = np.where(of.until < FOREVER, of.until - of.at, own)
    allowed = np.where(term > 0, missed * term, habit)
    return np.where(habit >= FOREVER, FOREVER, of.at + allowed)
