"""Whose event it was: an interval join of observed tokens with the ends of their chains.

`unique`: one subject had the token at that moment (and behind that port). `ambiguous`: several had, or one whose chain
could not be followed; all are kept and none is linked. `none`: nobody had. Of several prefixes of an IPv6 address the
longest that anybody had decides. An event without a port may be anybody's who had a part of the ports.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.vocabulary import Resolution
from sinks.ports.identity import ALL_PORTS
from streams.identity.links.table import BEGINNING, FOREVER, UNKNOWN, Flags, Ints, Links, each_of, packed

WHOLE = 128
"""Length that an address itself counts as, among its prefixes."""


@dataclass(frozen=True)
class Resolved:
    """For each event: the resolution, and the subject (a number of the links' names) where it is unique, else -1."""

    resolution: Ints
    subject: Ints


def within_skew(ends: Links, skew: Ints) -> Links:
    """Chains widened by how far the clock of each source may be off, in milliseconds."""
    margin = skew[ends.source]
    return replace(
        ends,
        since=np.where(ends.since > BEGINNING, ends.since - margin, ends.since),
        until=np.where(ends.until < FOREVER, ends.until + margin, ends.until),
    )


def resolve_tokens(
    ends: Links, tokens: pa.Array, prefixes: pa.Table, which: Ints, at: Ints, port: Ints
) -> Resolved:
    """`resolve` for events seen under `tokens[which[i]]` at `at[i]` ms from `port[i]`, 0 unknown.

    `tokens`: distinct. `prefixes`: `sinks.ports.identity.PREFIX_SCHEMA`, those above IPv6 addresses among the tokens.
    """
    own = np.asarray(pc.index_in(tokens, value_set=ends.names).fill_null(UNKNOWN))
    below = np.asarray(pc.index_in(_whole(prefixes["token"]), value_set=tokens).fill_null(UNKNOWN))
    codes = np.asarray(pc.index_in(_whole(prefixes["prefix"]), value_set=ends.names).fill_null(UNKNOWN))
    useful = (below >= 0) & (codes >= 0)
    # Each token itself, then the prefixes above it: the names under which an event of it is asked about.
    token = np.concatenate([np.arange(len(own)), below[useful]])
    order = np.argsort(token, kind="stable")
    code = np.concatenate([own, codes[useful]])[order]
    length = np.concatenate([np.zeros(len(own), np.int64), np.asarray(prefixes["length"])[useful]])[order]
    counts = np.bincount(token, minlength=len(own))
    begin = np.cumsum(counts) - counts
    event, offset = each_of(counts[which])
    row = begin[which][event] + offset
    return resolve(ends, event, code[row], length[row], at[event], port[event], len(which))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def resolve(
    ends: Links, event: Ints, token: Ints, length: Ints, at: Ints, port: Ints, count: int
) -> Resolved:
    """Resolve `count` events. Each is asked about under one token or more: `event[i]` is the event's number.

    `token`: a number of the links' names, or -1; `length`: of the prefix, 0 for the address itself; `at`: its time in
    milliseconds; `port`: 0 where unknown. Ends are the result of `chains`.
    """
    order = np.lexsort((ends.since, ends.length, ends.token))
    ends = ends.where(order)
    asked, found = _holders(ends, token, length, at, port)
    # 1. of an address and its prefixes only the longest that somebody had
    reach = np.where(ends.length[found] == 0, WHOLE, ends.length[found])
    longest = np.zeros(count, np.int64)
    np.maximum.at(longest, event[asked], reach)
    chosen = reach == longest[event[asked]]
    of, subject = event[asked][chosen], ends.subject[found][chosen]
    # 2. one subject, or several
    least = np.full(count, np.iinfo(np.int64).max)
    most = np.full(count, -2)
    np.minimum.at(least, of, subject)
    np.maximum.at(most, of, subject)
    unique = (least == most) & (most != UNKNOWN)
    resolution = np.where(
        most == -2, Resolution.NONE.code, np.where(unique, Resolution.UNIQUE.code, Resolution.AMBIGUOUS.code)
    )
    return Resolved(resolution, np.where(unique & (most >= 0), most, -1))


def _holders(ends: Links, token: Ints, length: Ints, at: Ints, port: Ints) -> tuple[Ints, Ints]:
    """Pairs (position asked, link that covers it). Links sorted by token, length, since.

    From the last link that begins in time backwards, for all questions at once, until no earlier one reaches far
    enough: mostly one step.
    """
    if not len(at) or not len(ends):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    lengths = WHOLE + 1
    places = packed(ends.token, ends.length, lengths)
    fresh = np.append(True, places[1:] != places[:-1])
    places, place = places[fresh], np.cumsum(fresh) - 1
    wanted = packed(token, length, lengths)
    asked_place = np.minimum(np.searchsorted(places, wanted), len(places) - 1)
    known = (places[asked_place] == wanted) & (token >= 0)
    # Times within those asked about, so that place and time fit into one number.
    earliest, latest = int(at.min()), int(at.max())
    width = latest - earliest + 2
    key = packed(place, np.clip(ends.since, earliest, latest + 1) - earliest, width)
    asked = packed(asked_place, at - earliest, width)
    first = np.searchsorted(place, asked_place, "left")
    step = np.searchsorted(key, asked, "right") - 1
    reach = _furthest(place, np.clip(ends.until, earliest, latest + 1) - earliest, width) + earliest
    still = np.flatnonzero(known & (step >= first))
    pairs: list[tuple[Ints, Ints]] = []
    step = step[still]
    while len(still):
        alive = reach[step] > at[still]
        still, step = still[alive], step[alive]
        covers = behind(ends.port_from[step], ends.port_to[step], port[still])
        covers &= ends.until[step] > at[still]
        pairs.append((still[covers], step[covers]))
        step = step - 1
        more = step >= first[still]
        still, step = still[more], step[more]
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def _furthest(place: Ints, until: Ints, width: int) -> Ints:
    """How far any link of the same place reaches, of those that begin no later; times below `width`."""
    block = np.cumsum(np.append(False, place[1:] != place[:-1]))
    return np.maximum.accumulate(packed(block, until, width)) % width


def behind(low: Ints, high: Ints, port: Ints | int) -> Flags:
    """Whether an event from that port may be of the range: port 0 is unknown and may be anybody's."""
    whole = (low == ALL_PORTS[0]) & (high == ALL_PORTS[1])
    found: Flags = whole | (port == 0) | ((low <= port) & (port <= high))
    return found
