"""Links as an answer shows them, from those that are columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from schemas.entries import IdentitySource
from schemas.patience import check
from schemas.vocabulary import Bound, Proof
from streams.identity.gather import codes_of
from streams.identity.links.table import FOREVER, Flags, Ints, Links
from streams.identity.model import Given, Link
from streams.identity.resolve import behind
from streams.identity.spans import EPOCH, moment


def shown(
    claims: pa.Table, links: Links, chosen: Flags | Ints, sources: Mapping[str, IdentitySource]
) -> list[Link]:
    """The chosen links, oldest first. `claims`: the table that they were made of."""
    check()
    names = list(sources)
    links = links.where(chosen)
    links = links.where(np.lexsort((links.until, links.since)))
    where = claims.select(["topic", "partition", "offset"]).take(pa.array(links.row))
    places = zip(*(where[name].to_pylist() for name in where.column_names), strict=True)
    tokens, subjects = (links.names.take(pa.array(of)).to_pylist() for of in (links.token, links.subject))
    since, until, begin, begun, earliest, latest, learnt_at = (
        _moments(times)
        for times in (
            *(links.since, links.until, links.begin, links.begun),
            *(links.earliest, links.latest, links.learnt_at),
        )
    )
    ports = zip(links.port_from.tolist(), links.port_to.tolist(), strict=True)
    rest = zip(
        links.proof.tolist(), links.source.tolist(), links.end.tolist(), links.length.tolist(), strict=True
    )
    found = []
    for number, (place, behind_ports, (proof, source, end, length)) in enumerate(
        zip(places, ports, rest, strict=True)
    ):
        learnt = learnt_at[number]
        assert learnt is not None
        found.append(
            Link(
                token=tokens[number],
                subject=subjects[number],
                since=since[number],
                until=until[number],
                proof=Proof.of(proof),
                source=names[source],
                begin=Bound.STATED if begin[number] == begun[number] else Bound.INFERRED,
                begin_earliest=begin[number],
                begin_latest=begun[number],
                end=Bound.of(end),
                end_earliest=earliest[number],
                end_latest=latest[number],
                learnt_at=learnt,
                evidence=place,
                length=length,
                ports=behind_ports,
            )
        )
    return found


class Chains:
    """The links of many identifiers, each at its moment and behind its port; of all times where it has none."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._order = np.argsort(links.token, kind="stable")
        self._token = links.token[self._order]

    def own(self, item: Given) -> Ints:
        """Positions of the links of the identifier and of the prefixes above it."""
        tokens = [item.token, *(token for token, _ in item.prefixes)]
        return self._held(np.array(codes_of(self._links, tokens), np.int64), item, item.port or 0)

    def whole(self, item: Given) -> Ints:
        """The same, and of those that it leads to in turn."""
        held = self.own(item)
        found, seen = [held], np.array(codes_of(self._links, [item.token]), np.int64)
        while len(held):
            reached = np.unique(self._links.subject[held])
            reached = reached[~np.isin(reached, seen)]
            seen = np.concatenate([seen, reached])
            # The port is that of the address alone.
            held = self._held(reached, item, 0)
            found.append(held)
        return np.sort(np.concatenate(found))

    def _of(self, tokens: Ints) -> Ints:
        begin, end = (np.searchsorted(self._token, tokens, side) for side in ("left", "right"))
        places = [np.arange(one, other) for one, other in zip(begin.tolist(), end.tolist(), strict=True)]
        return self._order[np.concatenate([np.zeros(0, np.int64), *places]).astype(np.int64)]

    def _held(self, tokens: Ints, item: Given, port: int) -> Ints:
        links, at = self._links, self._of(tokens)
        chosen = behind(links.port_from[at], links.port_to[at], port)
        if item.at is not None:
            # An inferred end may be later than where the link is cut.
            latest = np.where(links.latest[at] < FOREVER, links.latest[at], links.until[at])
            ends = np.where(links.until[at] < FOREVER, np.maximum(links.until[at], latest), FOREVER)
            asked = (item.at - EPOCH).total_seconds() * 1000
            chosen &= (links.since[at] <= asked) & (asked < ends)
        return at[chosen]


def _moments(milliseconds: Ints) -> Sequence[datetime | None]:
    times = milliseconds.tolist()
    # Most times are there more than once, and two in three are the same as another column's.
    known = {time: moment(time) for time in set(times)}
    return [known[time] for time in times]
