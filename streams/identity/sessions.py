"""Sessions: what was opened, seen and closed becomes the time in which a token was somebody's.

Reports come late, twice, out of order or never (RFC 2866, RFC 5080 2.2). So nothing here depends on the order of
arrival: reports are sorted by the time they speak of, and what is missing is inferred from the others:

- lost Start: the session began when it says it did (Acct-Session-Time), else with its first report
- lost Stop: it ended before the next session on its address or line, before its server's restart, or after too many
  missed reports, whichever is first; never before its own last report
- another address in a later report: the first address was held until the last report that names it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from schemas.entries import IdentitySource
from sinks.ports import Mark
from streams.identity.table import (
    FOREVER,
    INFERRED,
    OPEN,
    STATED,
    Claims,
    Flags,
    Ints,
    Links,
    dense,
    first_from,
    no_links,
    per_source,
)

# Session times are whole seconds and rounded: a start this much later than an earlier report is the same session's.
ROUNDING_MS = 5_000
# At one moment: what ended makes room before what begins is opened and seen.
_RANK = np.array([0, 1, 2, 0, 0, 0])


@dataclass(frozen=True)
class _Runs:
    """Unbroken times of one session on one token: first and last report, and what ends it."""

    claims: Claims  # the last claim of each run
    start: Ints
    known_start: Flags  # said by a report, not only the first one that came
    last: Ints
    final: Flags  # the last of its session
    follows: Ints  # when the session is first seen on another token, FOREVER for the final one
    closed: Flags
    silent: Ints  # when the session has missed too many reports
    learnt_at: Ints


def session_links(claims: Claims, sources: Sequence[IdentitySource]) -> Links:
    """Links of the claims of form SESSION."""
    of_server = (claims.mark == Mark.OFF) | (claims.mark == Mark.ON)
    resets = claims.where(of_server)
    if len(resets) == len(claims):
        return no_links(claims.names)
    runs = _runs(claims.where(~of_server), sources)
    of = runs.claims
    reuse = per_source(sources, "reuse_seconds")[of.source]
    # What contradicts a session that nobody closed, from its own last report on.
    asked = np.maximum(runs.last, runs.start + 1)
    place = dense(of.token, of.port_from, of.port_to, of.length)
    on_line = (of.line >= 0) & runs.known_start
    rivals = [
        first_from(place, runs.start, place, asked) - reuse,
        np.where(of.line >= 0, first_from(of.line[on_line], runs.start[on_line], of.line, asked), FOREVER)
        - reuse,
        _reset(resets, of, asked, Mark.OFF),
        _reset(resets, of, asked, Mark.ON) - reuse,
        runs.silent,
    ]
    latest = np.minimum.reduce(
        [rivals[0] + reuse, rivals[1] + reuse, rivals[2], rivals[3] + reuse, rivals[4]]
    )
    guessed = np.maximum(np.minimum.reduce(rivals), runs.last)
    until = np.where(runs.final, guessed, runs.last)
    latest = np.where(runs.final, latest, runs.follows)
    unbounded = latest >= FOREVER
    until = np.where(unbounded, FOREVER, until)
    end = np.where(unbounded, OPEN, INFERRED)
    stated = runs.final & runs.closed
    return Links(
        names=of.names,
        token=of.token,
        subject=of.subject,
        since=runs.start,
        until=np.where(stated, runs.last, until),
        port_from=of.port_from,
        port_to=of.port_to,
        length=of.length,
        proof=of.proof,
        source=of.source,
        end=np.where(stated, STATED, end),
        earliest=runs.last,
        latest=np.where(stated, runs.last, latest),
        learnt_at=runs.learnt_at,
        row=of.row,
    )


def _reset(resets: Claims, of: Claims, asked: Ints, mark: Mark) -> Ints:
    """When the server of each session next reported that all its sessions are over."""
    found = (resets.mark == mark) & (resets.server >= 0)
    servers = np.where(of.server >= 0, of.server, 0)
    moment = first_from(resets.server[found], resets.at[found], servers, asked)
    return np.where(of.server >= 0, moment, FOREVER)


def _runs(claims: Claims, sources: Sequence[IdentitySource]) -> _Runs:
    order = np.lexsort(
        (claims.port_from, claims.length, claims.token, _RANK[claims.mark], claims.at, claims.subject, claims.group)
    )  # fmt: skip
    claims = claims.where(order)
    begins = _session_begins(claims)
    claims = _filled(claims, begins)
    changes = begins.copy()
    for column in (claims.token, claims.port_from, claims.port_to, claims.length):
        changes[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(changes)
    last = np.append(first[1:], len(claims)) - 1
    session = np.cumsum(begins) - 1
    opens = np.flatnonzero(begins)
    start = np.minimum.reduceat(claims.since, opens)[session[first]]
    fresh = begins[first]
    start = np.where(fresh, start, claims.at[first])
    final = np.append(fresh[1:], True)
    follows = np.full(len(first), FOREVER)
    follows[:-1] = np.where(final[:-1], FOREVER, claims.at[first[1:]])
    closed = np.logical_or.reduceat(claims.mark == Mark.CLOSE, opens)
    return _Runs(
        claims=claims.where(last),
        start=start,
        known_start=(claims.has_since | (claims.mark == Mark.OPEN))[first],
        last=claims.at[last],
        final=final,
        follows=follows,
        closed=closed[session[first]],
        silent=_silent(claims, opens, sources)[session[first]],
        learnt_at=np.maximum.reduceat(claims.learnt_at, first),
    )


def _filled(claims: Claims, begins: Flags) -> Claims:
    """A report that names no address, as a Stop may be, speaks of the one its session had last."""
    silent = claims.token < 0
    if not silent.any():
        return claims
    positions = np.arange(len(claims))
    session = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    named = np.maximum(np.maximum.accumulate(np.where(silent, 0, positions)), session)
    columns = ("token", "length", "port_from", "port_to")
    return replace(claims, **{name: getattr(claims, name)[named] for name in columns})


def _session_begins(claims: Claims) -> Flags:
    """Where the claims of another session begin. Servers reuse their session numbers, and blocks come back."""
    begins = np.ones(len(claims), np.bool_)
    if len(claims) < 2:
        return begins
    same = (claims.group[1:] == claims.group[:-1]) & (claims.subject[1:] == claims.subject[:-1])
    before, after = claims.at[:-1], claims.at[1:]
    opens = claims.mark[1:] == Mark.OPEN
    closed = claims.mark[:-1] == Mark.CLOSE
    began_later = (claims.has_since[1:] | opens) & (claims.since[1:] > before + ROUNDING_MS)
    # A close and an open of one moment are one empty session, unless something was open before.
    alone = np.append(True, ~same[:-1])
    reopened = opens & closed & np.where(claims.has_since[:-1], claims.since[:-1] < before, ~alone)
    begins[1:] = ~same | began_later | reopened | (closed & (after > before))
    return begins


def _silent(claims: Claims, opens: Ints, sources: Sequence[IdentitySource]) -> Ints:
    """For each session, when it has been silent for too long."""
    last = np.append(opens[1:], len(claims)) - 1
    of = claims.where(last)
    habit = per_source(sources, "silence_seconds")[of.source]
    missed = np.array([source.missed_reports for source in sources], np.int64)[of.source]
    steps = np.diff(claims.at, prepend=claims.at[:1])
    steps[opens] = 0
    own = np.maximum.reduceat(steps, opens)
    term = np.where(of.until < FOREVER, of.until - of.at, own)
    allowed = np.where(term > 0, missed * term, habit)
    return np.where(habit >= FOREVER, FOREVER, of.at + allowed)
