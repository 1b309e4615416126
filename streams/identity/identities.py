"""Who is meant, and everything that is linked to them: questions of identity asked of the claims in the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.entries import IdentitySource
from schemas.together import asked
from schemas.tokens import IdentifierKind, Tokenizer, prefix_tokens
from schemas.vocabulary import Proof
from sinks.ports.identity import ALL_PORTS, PREFIX_SCHEMA, ClaimReader
from sinks.ports.lineage import BesideReader, Span
from streams.identity.agreement import NOWHERE, Agreement, Meaning, agreed
from streams.identity.gather import Known, codes_of, downward, upward, upward_each
from streams.identity.holders import Holders
from streams.identity.links.chains import DEPTH
from streams.identity.links.table import Flags, Ints, Links, per_source
from streams.identity.model import Given, Link, ResolvedSubject
from streams.identity.renamed import Names, Renamed, RenamedBeside, with_former_spans
from streams.identity.resolve import Resolved, resolve_tokens, within_skew
from streams.identity.shown import Chains, shown
from streams.identity.spans import milliseconds, outside, pieces_of, spans_of


def given(
    tokenizer: Tokenizer,
    kind: IdentifierKind,
    value: str,
    at: datetime | None = None,
    port: int | None = None,
) -> Given:
    """An identifier as somebody gave it. Raises InvalidIdentifier."""
    prefixes = prefix_tokens(tokenizer, value) if kind.is_address else ()
    former = tokenizer.former(kind, value)
    return Given(kind, tokenizer.token(kind, value), at, port, tuple(prefixes), former)


def _names(givens: Iterable[Given]) -> Names:
    return {former: item.token for item in givens for former in item.former}


class Identities:
    """Answers from the claims in the index. Safe from several threads. Every method may raise IndexUnavailable.

    Identifiers that are asked about together cost one reading of the index, however many they are.
    """

    def __init__(
        self,
        reader: ClaimReader,
        sources: Mapping[str, IdentitySource],
        rows: BesideReader | None = None,
    ) -> None:
        """`rows`: tells whether an identifier that no link leads anywhere from stands in events of somebody else than
        those beside it in the question; None: that is not asked."""
        self._reader = reader
        self._sources = sources
        self._rows = rows
        self._skew = per_source(list(sources.values()), "skew_seconds")

    def links(self, givens: Sequence[Given], known_at: datetime | None = None) -> list[Sequence[Link]]:
        """Of each identifier the links of it and of the prefixes above it, oldest first.

        Those at its moment and behind its port; of all times where it has none.
        """
        return self._linked(givens, known_at, Chains.own)

    def chains(self, givens: Sequence[Given], known_at: datetime | None = None) -> list[Sequence[Link]]:
        """The same, and the links of those it leads to in turn, at that moment."""
        return self._linked(givens, known_at, Chains.whole)

    def resolve(
        self,
        tokens: pa.Array,
        prefixes: pa.Table,
        which: Ints,
        at: Ints,
        port: Ints,
        known_at: datetime | None = None,
    ) -> tuple[Resolved, pa.Array]:
        """Whose many events were: event i was seen under `tokens[which[i]]` at `at[i]` ms from `port[i]`, 0 unknown.

        `tokens`: distinct, 16 bytes each. `prefixes`: `PREFIX_SCHEMA`, those above IPv6 addresses among the tokens.
        The subjects of the result are numbers into the array of tokens returned beside it.
        """
        every = {*tokens.to_pylist(), *prefixes["prefix"].to_pylist()}
        ends = self.ends(every, known_at)
        return resolve_tokens(ends, tokens, prefixes, which, at, port), ends.names

    def ends(self, tokens: Iterable[bytes], known_at: datetime | None = None) -> Links:
        """Where the chains of the tokens end, as far as each source's clock may be off."""
        return within_skew(self._known(tokens, known_at).ends, self._skew)

    def person(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> ResolvedSubject:
        """Whom the identifiers mean together, and where events are theirs."""
        if names := _names(givens):
            person = self._renamed(names).person(_of_today(givens), now, known_at)
            spans, shared = (with_former_spans(found, names) for found in (person.spans, person.shared))
            return replace(person, spans=spans, shared=shared)
        known = self._asked(givens, known_at)
        holders = Holders(within_skew(known.ends, self._skew))
        meant = [holders.meant(item, now) for item in givens]
        direct = [item for item, found in zip(givens, meant, strict=True) if found == {item.token}]
        strangers = self._strangers(direct, known_at)
        beside = [item for item in direct if item.token in strangers] if len(givens) > 1 else []
        named = self._named_in_events(beside, known_at)
        found = agreed(
            [_meaning(item, who, strangers, named) for item, who in zip(givens, meant, strict=True)]
        )
        spans, shared, links = self._everything(found.subjects, direct, known_at)
        return _person(found, meant, spans, shared, links)

    def each(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> list[ResolvedSubject]:
        """Each of the identifiers alone: as `person` says whom it means, without spans; its own links alone."""
        if names := _names(givens):
            return self._renamed(names).each(_of_today(givens), now, known_at)
        known = self._asked(givens, known_at)
        holders, chains = Holders(within_skew(known.ends, self._skew)), Chains(known.links)
        meant = [holders.meant(item, now) for item in givens]
        direct = [item for item, found in zip(givens, meant, strict=True) if found == {item.token}]
        strangers = self._strangers(direct, known_at)
        return [
            _person(
                agreed([_meaning(item, found, strangers & {item.token})]),
                [found],
                links=shown(known.claims, known.links, chains.own(item), self._sources),
            )
            for item, found in zip(givens, meant, strict=True)
        ]

    def ever(self, givens: Sequence[Given]) -> list[frozenset[bytes]]:
        """The subjects that each identifier, or a prefix above it, led to at any time; NOWHERE as in `agreement`."""
        if not givens:
            return []
        if names := _names(givens):
            return self._renamed(names).ever(_of_today(givens))
        holders = Holders(self.ends(_tokens(givens)))
        return [frozenset(holders.ever(item)) for item in givens]

    def identifiers_of(self, subjects: Iterable[bytes]) -> set[bytes]:
        """The subjects, and every token that ever led to one of them, whenever that was."""
        return downward(self._reader, subjects)

    def _linked(
        self, givens: Sequence[Given], known_at: datetime | None, chosen: Callable[[Chains, Given], Ints]
    ) -> list[Sequence[Link]]:
        if not givens:
            return []
        if names := _names(givens):
            return self._renamed(names)._linked(_of_today(givens), known_at, chosen)
        known = self._asked(givens, known_at)
        chains = Chains(known.links)
        return [shown(known.claims, known.links, chosen(chains, item), self._sources) for item in givens]

    def _renamed(self, names: Names) -> Identities:
        rows = self._rows and RenamedBeside(self._rows, names)
        return Identities(Renamed(self._reader, names), self._sources, rows)

    def _strangers(self, direct: Sequence[Given], known_at: datetime | None) -> set[bytes]:
        """Of identifiers that lead nowhere those that nothing leads to either, and that are no customer number."""
        numbers = {item.token for item in direct if item.kind.stands_for_customer}
        others = {item.token for item in direct} - numbers
        if not others:
            return others
        said = self._reader.claims(sorted(others), known_at, of="subject")
        # A payer may be anybody.
        said = said.filter(pc.not_equal(said["proof"], pa.scalar(Proof.PAYER.code, pa.int8())))
        return others.difference(pc.unique(said["subject"]).to_pylist())

    def _named_in_events(
        self, alone: Sequence[Given], known_at: datetime | None
    ) -> Mapping[bytes, frozenset[bytes]]:
        """Of each identifier, by its token, whom the events that it stands in name by another one, in the same role.

        Where an address was, or whose line it was, says nothing of who used it: a guest writes under a name of theirs.
        """
        if self._rows is None or not alone:
            return {}
        found = self._rows.beside([_observed(item) for item in alone], known_at)
        if not found.num_rows:
            return {}
        others = pc.unique(found["other"].combine_chunks())
        ends = within_skew(upward(self._reader, others.to_pylist(), self._sources, known_at).ends, self._skew)
        ends = ends.where(~np.isin(ends.proof, (Proof.SUBSCRIBER.code, Proof.LINE_OWNER.code)))
        which = np.asarray(pc.index_in(found["other"].combine_chunks(), value_set=others))
        at = np.asarray(found["at"].combine_chunks().cast(pa.int64()))
        whose = resolve_tokens(ends, others, PREFIX_SCHEMA.empty_table(), which, at, np.zeros_like(at))
        # A customer number leads nowhere; others lead to it.
        said = self._reader.claims(others.to_pylist(), known_at, of="subject")
        said = said.filter(pc.not_equal(said["proof"], pa.scalar(Proof.PAYER.code, pa.int8())))
        people = np.asarray(pc.is_in(others, value_set=said["subject"].combine_chunks()))
        people &= ~np.asarray(pc.is_in(others, value_set=ends.names.take(pa.array(np.unique(ends.token)))))
        certain = whose.subject >= 0
        names = ends.names.to_pylist()
        pairs = set(
            zip(_some(found["token"], certain), (names[code] for code in whose.subject[certain]), strict=True)
        )
        itself = people[which]
        pairs |= set(zip(_some(found["token"], itself), _some(found["other"], itself), strict=True))
        named: dict[bytes, set[bytes]] = {}
        for token, subject in pairs:
            named.setdefault(token, set()).add(subject)
        return {token: frozenset(subjects) for token, subjects in named.items()}

    def _everything(
        self, subjects: frozenset[bytes], direct: Sequence[Given], known_at: datetime | None
    ) -> tuple[list[Span], list[Span], Sequence[Link]]:
        """Spans that are the subjects' alone, those they share, and the links behind them."""
        if not subjects:
            return [], [], []
        tokens = downward(self._reader, subjects, known_at)
        addresses = _pairs(self._reader.addresses(sorted(tokens)))
        above: dict[bytes, list[bytes]] = {}
        for address, prefix in addresses + _pairs(self._reader.prefixes(sorted({a for a, _ in addresses}))):
            if prefix not in above.setdefault(address, []):
                above[address].append(prefix)
        every = tokens.union(above, *above.values())
        # What leads to the subjects is among these tokens; where the others lead need not be known.
        known = self._known(every, known_at, depth=1)
        ends = within_skew(known.ends, self._skew)
        own = codes_of(ends, subjects)
        others = sorted(every - subjects)
        # Each token under its own name and under those of the prefixes above it.
        named = [
            (place, name) for place, token in enumerate(others) for name in (token, *above.get(token, ()))
        ]
        held = [(place, ends.codes[name]) for place, name in named if name in ends.codes]
        place, code = np.array(held, np.int64).reshape(-1, 2).T
        alone, shared = spans_of(others, pieces_of(ends, place, code, own))
        used = np.isin(known.links.row, ends.row[np.isin(ends.subject, own)])
        links = shown(known.claims, known.links, used, self._sources)
        return [*_named(subjects, direct, ends, own), *alone], shared, links

    def _asked(self, givens: Sequence[Given], known_at: datetime | None) -> Known:
        """What is known of the identifiers; of addresses at certain moments, what held then."""
        moments = [item.at for item in givens if item.at is not None and item.kind.is_place]
        if len(moments) < len(givens):
            return self._known(_tokens(givens), known_at)
        at = np.array([milliseconds(moment) for moment in moments], np.int64)
        return upward(self._reader, _tokens(givens), self._sources, known_at, at=at)

    def _known(self, tokens: Iterable[bytes], known_at: datetime | None, depth: int = DEPTH + 1) -> Known:
        """What is known of the tokens, of all times. Within a batch it is worked out for all together."""
        return asked(self._known_each, (frozenset(tokens), known_at, depth))

    def _known_each(self, questions: Sequence[tuple[frozenset[bytes], datetime | None, int]]) -> list[Known]:
        found = dict[int, Known]()
        for known_at, depth in dict.fromkeys(question[1:] for question in questions):
            places = [place for place, item in enumerate(questions) if item[1:] == (known_at, depth)]
            each = [questions[place][0] for place in places]
            known = upward_each(self._reader, each, self._sources, known_at, depth=depth)
            found |= zip(places, known, strict=True)
        return [found[place] for place in range(len(questions))]


def _tokens(givens: Iterable[Given]) -> set[bytes]:
    return {token for item in givens for token in (item.token, *(name for name, _ in item.prefixes))}


def _of_today(givens: Iterable[Given]) -> list[Given]:
    return [replace(item, former=()) for item in givens]


def _some(column: pa.ChunkedArray, chosen: Flags) -> list[bytes]:
    tokens: list[bytes] = column.combine_chunks().filter(pa.array(chosen)).to_pylist()
    return tokens


def _observed(item: Given) -> Span:
    """Where events of an identifier are meant that leads nowhere: of an address with its time in that second."""
    if not item.kind.is_place or item.at is None:
        return Span(item.token)
    ports = (item.port, item.port) if item.port else ALL_PORTS
    return Span(item.token, item.at, item.at + timedelta(seconds=1), *ports)


def _meaning(
    item: Given,
    found: set[bytes],
    strangers: set[bytes],
    named: Mapping[bytes, frozenset[bytes]] = MappingProxyType({}),
) -> Meaning:
    known = strangers.isdisjoint(found)
    return Meaning(
        item.kind, frozenset(found), known, frozenset() if known else named.get(item.token, frozenset())
    )


def _person(
    found: Agreement,
    meant: Iterable[set[bytes]],
    spans: Sequence[Span] = (),
    shared: Sequence[Span] = (),
    links: Sequence[Link] = (),
) -> ResolvedSubject:
    broken = any(NOWHERE in subjects for subjects in meant)
    problems = ["a chain of links is too long or runs in a circle; nothing is taken from it"] * broken
    return ResolvedSubject(
        *(found.resolution, found.candidates, found.subjects, spans, shared, links, problems),
        *(found.disagree, found.unlinked),
    )


def _pairs(table: pa.Table) -> list[tuple[bytes, bytes]]:
    return list(zip(table["token"].to_pylist(), table["prefix"].to_pylist(), strict=True))


def _named(
    subjects: Iterable[bytes], direct: Sequence[Given], ends: Links, own: Sequence[int]
) -> Iterable[Span]:
    """Spans of the subjects' own tokens: always theirs, but for the time in which such a token leads to another."""
    asked = {item.token: item for item in direct if item.kind.is_place and item.at}
    others = ends.where(np.isin(ends.token, own) & ~np.isin(ends.subject, own))
    for token in sorted(subjects):
        held = others.where(others.token == ends.codes.get(token, -1))
        if token in asked:
            yield _observed(asked[token])
        elif len(held):
            yield from outside(token, held.since, held.until)
        else:
            yield Span(token)
