"""Reading what was said: everything about some tokens, and what leads to somebody. A few questions, however many."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.entries import IdentitySource
from schemas.patience import check
from schemas.vocabulary import ClaimForm
from sinks.ports.identity import NOTHING, ClaimKey, ClaimReader, no_claims
from streams.identity.links.chains import DEPTH, chains
from streams.identity.links.session_links import unended
from streams.identity.links.states import links_of
from streams.identity.links.table import FOREVER, UNKNOWN, Flags, Ints, Links, each_of, per_source


@dataclass(frozen=True)
class Known:
    """Everything said about some tokens, and what it adds up to."""

    claims: pa.Table
    links: Links
    ends: Links


def upward(
    reader: ClaimReader,
    tokens: Iterable[bytes],
    sources: Mapping[str, IdentitySource],
    known_at: datetime | None = None,
    *,
    at: Ints | None = None,
    depth: int = DEPTH + 1,
) -> Known:
    """Links of the tokens and of those they lead to, and the ends of their chains. Raises IndexUnavailable.

    What it says of a token does not depend on which others are asked about. `at`: only chains are followed that hold
    at one of these moments, in milliseconds: behind an address thousands may have been in turn. `depth`: links in a
    chain that are followed, by default one more than it may have: a chain that goes on is too long.
    """
    done: set[bytes] = set()
    frontier = set(tokens)
    claims = no_claims()
    links = links_of(claims, sources)
    for _ in range(depth):
        check()
        frontier -= done
        if not frontier:
            break
        done |= frontier
        own, beside = _completed(reader, frontier, done, known_at, sources)
        claims = _distinct([claims, own, beside])
        if at is None:
            frontier = set(pc.unique(own["subject"]).to_pylist()) - {NOTHING}
        else:
            links = links_of(claims, sources)
            held = np.isin(links.token, codes_of(links, frontier)) & _hold(links, at, sources)
            frontier = set(links.names.take(pa.array(np.unique(links.subject[held]))).to_pylist())
    if at is None:
        links = links_of(claims, sources)
    # Of other tokens only a part of what is said was read.
    links = links.where(np.isin(links.token, codes_of(links, done)))
    return Known(claims, links, chains(links))


def upward_each(
    reader: ClaimReader,
    each: Sequence[Collection[bytes]],
    sources: Mapping[str, IdentitySource],
    known_at: datetime | None = None,
    *,
    depth: int = DEPTH + 1,
) -> list[Known]:
    """`upward` of each of these, worked out together: what is said of a token does not depend on the others."""
    known = upward(reader, set[bytes]().union(*each), sources, known_at, depth=depth)
    if len(each) == 1:
        return [known]
    known = replace(known, claims=known.claims.combine_chunks())
    whose, token = _reached(known.links, each, depth)
    links, ends = (_of_each(item, whose, token, len(each)) for item in (known.links, known.ends))
    return [_alone(known.claims, *pair) for pair in zip(links, ends, strict=True)]


def _reached(links: Links, each: Sequence[Collection[bytes]], depth: int) -> tuple[Ints, Ints]:
    """(which, token): those of each, and those they lead to, by their numbers."""
    codes, width = links.codes, len(links.names) + 1
    links = links.where(np.argsort(links.token, kind="stable"))
    held = [
        number * width + codes[token]
        for number, tokens in enumerate(each)
        for token in tokens
        if token in codes
    ]
    found = new = np.unique(np.array(held, np.int64))
    for _ in range(depth - 1):
        which, row = _under(links.token, *np.divmod(new, width))
        new = np.setdiff1d(which * width + links.subject[row], found)
        if not len(new):
            break
        found = np.union1d(found, new)
    return np.divmod(found, width)


def _under(sorted_tokens: Ints, whose: Ints, token: Ints) -> tuple[Ints, Ints]:
    """(whose, position): where each of the tokens stands."""
    begin = np.searchsorted(sorted_tokens, token, "left")
    of, offset = each_of(np.searchsorted(sorted_tokens, token, "right") - begin)
    return whose[of], begin[of] + offset


def _of_each(links: Links, whose: Ints, token: Ints, count: int) -> list[Links]:
    """The links of the tokens of each, in the order in which they are."""
    order = np.argsort(links.token, kind="stable")
    which, place = _under(links.token[order], whose, token)
    row = order[place]
    some = links.where(row[np.lexsort((row, which))])
    ends = np.cumsum(np.bincount(which, minlength=count)).tolist()
    return [_part(some, begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def _part(links: Links, begin: int, end: int) -> Links:
    """Some of the links that follow each other, without a copy."""
    columns = [item.name for item in fields(links) if item.name != "names"]
    return replace(links, **{name: getattr(links, name)[begin:end] for name in columns})


def _alone(claims: pa.Table, links: Links, ends: Links) -> Known:
    """What is known of one: with the names of its own tokens alone, since each list of names is looked through."""
    used = np.unique(np.concatenate([links.token, links.subject, ends.token, ends.subject]))
    used = used[used != UNKNOWN]
    names = links.names.take(pa.array(used))
    return Known(claims, *(_renumbered(item, used, names) for item in (links, ends)))


def _renumbered(links: Links, used: Ints, names: pa.Array) -> Links:
    token, subject = (
        np.where(code == UNKNOWN, UNKNOWN, np.searchsorted(used, code))
        for code in (links.token, links.subject)
    )
    return replace(links, names=names, token=token, subject=subject)


def downward(reader: ClaimReader, subjects: Iterable[bytes], known_at: datetime | None = None) -> set[bytes]:
    """Tokens that ever led to one of the subjects, through a chain of any length followed. Raises IndexUnavailable."""
    tokens = set(subjects)
    frontier = set(tokens)
    for _ in range(DEPTH):
        if not frontier:
            break
        said = reader.claims(sorted(frontier), known_at, of="subject")
        # What names the subject need not name the address: other reports of the session do.
        sessions = said.filter(pc.equal(said["form"], pa.scalar(ClaimForm.SESSION.code, pa.int8())))
        said = pa.concat_tables([said, _keyed(reader, sessions, "group", known_at)])
        found = set(said["token"].to_pylist()) - {NOTHING} - tokens
        tokens |= found
        frontier = found
    return tokens


def codes_of(links: Links, tokens: Iterable[bytes]) -> list[int]:
    """The numbers of the tokens, of those that have one."""
    codes = links.codes
    return [codes[token] for token in tokens if token in codes]


def _hold(links: Links, at: Ints, sources: Mapping[str, IdentitySource]) -> Flags:
    """Which links may hold at one of the moments: as far as clocks may be off, and to their latest end."""
    margin = int(per_source(list(sources.values()), "skew_seconds").max())
    at = np.sort(at)
    latest = np.where(links.latest < FOREVER, links.latest, links.until)
    until = np.where(links.until < FOREVER, np.maximum(links.until, latest), links.until)
    first = np.searchsorted(at, links.since - margin, "left")
    holds: Flags = (first < len(at)) & (at[np.minimum(first, len(at) - 1)] <= until + margin)
    return holds


def _completed(
    reader: ClaimReader,
    tokens: Iterable[bytes],
    done: Iterable[bytes],
    known_at: datetime | None,
    sources: Mapping[str, IdentitySource],
) -> tuple[pa.Table, pa.Table]:
    """All claims on the tokens and of their sessions and slots; and beside them those on their lines and servers.

    `done`: tokens of which all claims are read now, or were before; those come once.
    """
    known = sorted(done)
    said = reader.claims(sorted(tokens), known_at, of="token")
    own = pa.concat_tables([said, _keyed(reader, said, "group", known_at, known)]).unify_dictionaries()
    # Of a server only when it was restarted is asked; of a line only when its sessions began, where one may not have
    # ended by itself.
    resets = _keyed(reader, own, "server", known_at, known)
    going = unended(own, resets, sources)
    return own, pa.concat_tables([resets, _keyed(reader, going, "line", known_at, known)])


def _keyed(
    reader: ClaimReader,
    said: pa.Table,
    column: ClaimKey,
    known_at: datetime | None,
    without: Sequence[bytes] = (),
) -> pa.Table:
    """The claims under what the claims name in that column."""
    some = said[column].filter(pc.not_equal(said["form"], pa.scalar(ClaimForm.LOGIN.code, pa.int8())))
    keys = set(pc.unique(some).to_pylist()) - {NOTHING}
    if not keys:
        return no_claims()
    return reader.claims(sorted(keys), known_at, of=column, without=without)


def _distinct(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables as one, each claim once."""
    some = [table for table in tables if table.num_rows]
    if len(some) < 2:
        return some[0].unify_dictionaries() if some else no_claims()
    joined = pa.concat_tables(some).unify_dictionaries()
    topics = joined["topic"].combine_chunks()
    codes = (
        topics.indices
        if isinstance(topics, pa.Array)
        else pa.concat_arrays([c.indices for c in topics.chunks])
    )
    columns = [np.asarray(codes), *(np.asarray(joined[name]) for name in ("partition", "offset", "part"))]
    order = np.lexsort(columns)
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = np.logical_or.reduce([column[order][1:] != column[order][:-1] for column in columns])
    return joined.take(pa.array(order[fresh]))
