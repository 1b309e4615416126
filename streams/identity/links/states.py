"""From claims to links: one pure function, whatever order the claims came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from schemas.entries import IdentitySource
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Bound, ClaimForm
from streams.identity.links.deletions import in_turn
from streams.identity.links.session_links import session_links
from streams.identity.links.table import (
    BEGINNING,
    FOREVER,
    Claims,
    Flags,
    Ints,
    Links,
    dense,
    joined_links,
    no_links,
    read_claims,
)


def links_of(table: pa.Table, sources: Mapping[str, IdentitySource]) -> Links:
    """All links that a table of `KNOWN_CLAIM_SCHEMA` adds up to, empty intervals left out.

    A link is right if the table holds every claim on its token, and all of the sessions, slots, lines and servers
    these name.
    """
    if not table.num_rows:
        return no_links(pa.array([], pa.binary(TOKEN_BYTES)))
    known = list(sources.values())
    claims = read_claims(table, list(sources))
    makers: dict[int, Callable[[Claims], Links]] = {
        ClaimForm.SESSION.code: lambda chosen: session_links(chosen, known),
        ClaimForm.LOGIN.code: _logins,
        ClaimForm.STATE.code: lambda chosen: _states(in_turn(chosen, table)),
        ClaimForm.MERGE.code: _merges,
    }
    chosen = ((claims.where(claims.form == form), make) for form, make in makers.items())
    parts = [make(some) for some, make in chosen if len(some)]
    if not parts:
        return no_links(claims.names)
    joined = joined_links(parts)
    return joined.where((joined.since < joined.until) & (joined.token >= 0) & (joined.subject >= 0))


def _logins(claims: Claims) -> Links:
    """From a login on the identifier is that person's, until the next login of somebody else."""
    claims = _distinct(claims, claims.proof, claims.subject, claims.at, claims.token)
    at = _changed(claims.token, claims.at)
    until = _next(claims.token, claims.at, at)
    # Several people in one moment: all of them, until somebody logs in alone.
    alone = _counts(at) == 1
    return _merged(claims, claims.at, until, alone)


def _states(claims: Claims) -> Links:
    """A slot holds what its newest claim says, from the moment that claim names."""
    claims = _distinct(
        claims, claims.proof, claims.subject, claims.since, claims.token, claims.at, claims.group
    )
    claims = claims.where(~_superseded(claims))
    claims = claims.where(np.lexsort((claims.token, claims.since, claims.group)))
    moment = _changed(claims.group, claims.since)
    until = _next(claims.group, claims.since, moment)
    return _merged(claims, claims.since, until, _counts(moment) == 1, claims.group)


def _merges(claims: Claims) -> Links:
    """A record is another's duplicate for all time, or for none: the newest claim decides."""
    newest = np.lexsort((claims.at, claims.group))
    claims = claims.where(newest)
    claims = claims.where(np.append(claims.group[1:] != claims.group[:-1], True))
    count = len(claims)
    return _links(claims, np.full(count, BEGINNING), np.full(count, FOREVER), claims.learnt_at)


def _distinct(claims: Claims, *columns: Ints) -> Claims:
    """Sorted by the columns, the last one first; of claims that say the same, the one learnt first."""
    order = np.lexsort((claims.learnt_at, *columns))
    return claims.where(order[_changed(*(column[order] for column in columns))])


def _superseded(claims: Claims) -> Flags:
    """What a later claim of the slot replaces as a whole, by naming the same or an earlier moment. Sorted by at."""
    starts = np.flatnonzero(_changed(claims.group, claims.at))
    group = claims.group[starts]
    moments, rank = np.unique(claims.since, return_inverse=True)
    # Slots in descending numbers, so that a running minimum from the end starts anew with each.
    width = len(moments) + 1
    least = np.minimum.reduceat(rank, starts) + dense(group) * width
    later = np.full(len(starts), np.iinfo(np.int64).max)
    later[:-1] = np.minimum.accumulate(least[::-1])[::-1][1:]
    of = np.cumsum(_changed(claims.group, claims.at)) - 1
    # A later claim of another slot is none: its number is higher than any of this slot.
    superseded: Flags = rank + dense(group)[of] * width >= later[of]
    return superseded


def _merged(claims: Claims, since: Ints, until: Ints, alone: Flags, keep_apart: Ints | None = None) -> Links:
    """One link for consecutive claims that say the same."""
    fresh = np.ones(len(claims), np.bool_)
    same = (claims.token[1:] == claims.token[:-1]) & (claims.subject[1:] == claims.subject[:-1])
    same &= alone[1:] & alone[:-1] & (until[:-1] == since[1:]) & (claims.proof[1:] == claims.proof[:-1])
    if keep_apart is not None:
        same &= keep_apart[1:] == keep_apart[:-1]
    fresh[1:] = ~same
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(claims)) - 1
    learnt_at = np.minimum.reduceat(claims.learnt_at, first)
    return _links(claims.where(last), since[first], until[last], learnt_at)


def _links(claims: Claims, since: Ints, until: Ints, learnt_at: Ints) -> Links:
    return Links(
        names=claims.names,
        token=claims.token,
        subject=claims.subject,
        since=since,
        until=until,
        port_from=claims.port_from,
        port_to=claims.port_to,
        length=claims.length,
        proof=claims.proof,
        source=claims.source,
        begin=since,
        begun=since,
        end=np.where(until < FOREVER, Bound.STATED.code, Bound.OPEN.code),
        earliest=until,
        latest=until,
        learnt_at=learnt_at,
        row=claims.row,
    )


def _changed(*columns: Ints) -> Flags:
    """Where one of the sorted columns differs from the element before."""
    changed = np.ones(len(columns[0]), np.bool_)
    if len(changed) > 1:
        changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed


def _counts(begins: Flags) -> Ints:
    """For each element how many share its block."""
    block = np.cumsum(begins) - 1
    counts: Ints = np.bincount(block)[block]
    return counts


def _next(keys: Ints, times: Ints, begins: Flags) -> Ints:
    """The next time of the same key, FOREVER for the last; sorted by key and time."""
    first = np.flatnonzero(begins)
    following = np.full(len(first), FOREVER)
    same = keys[first[1:]] == keys[first[:-1]]
    following[:-1] = np.where(same, times[first[1:]], FOREVER)
    until: Ints = following[np.cumsum(begins) - 1]
    return until
