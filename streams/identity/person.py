"""Who is meant, and everything that is linked to them: questions of identity asked of the claims in the index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.entries import IdentitySource
from schemas.tokens import IdentifierKind, Tokenizer, prefix_tokens
from sinks.ports import ALL_PORTS, KNOWN_CLAIM_SCHEMA, NOTHING, ClaimKey, ClaimReader, Form, Proof, Span
from streams.identity.agreement import NOWHERE, Meaning, agreed
from streams.identity.chains import DEPTH, chains
from streams.identity.links import links_of
from streams.identity.model import Given, Link, Person
from streams.identity.renamed import Names, Renamed, with_former_spans
from streams.identity.resolve import WHOLE, Resolved, candidates, resolve_tokens, within_skew
from streams.identity.spans import EPOCH, Piece, moment, piece, spans_of
from streams.identity.table import ENDS, UNKNOWN, Flags, Ints, Links, per_source


def given(
    tokenizer: Tokenizer,
    kind: IdentifierKind,
    value: str,
    at: datetime | None = None,
    port: int | None = None,
) -> Given:
    """An identifier as somebody gave it. Raises InvalidIdentifier."""
    prefixes = prefix_tokens(tokenizer, value) if kind is IdentifierKind.IP else ()
    former = tokenizer.former(kind, value)
    return Given(kind, tokenizer.token(kind, value), at, port, tuple(prefixes), former)


def _names(givens: Iterable[Given]) -> Names:
    return {former: item.token for item in givens for former in item.former}


@dataclass(frozen=True)
class _Known:
    """Everything said about some tokens, and what it adds up to."""

    claims: pa.Table
    links: Links
    ends: Links


class Identities:
    """Answers from the claims in the index. Safe from several threads. Every method may raise IndexUnavailable."""

    def __init__(self, reader: ClaimReader, sources: Mapping[str, IdentitySource]) -> None:
        self._reader = reader
        self._sources = sources
        self._skew = per_source(list(sources.values()), "skew_seconds")

    def links(self, given: Given, known_at: datetime | None = None) -> Sequence[Link]:
        """Every link of the identifier, and of the prefixes above it, oldest first."""
        tokens = {given.token, *(token for token, _ in given.prefixes)}
        return [link for link in self.chain(given, known_at) if link.token in tokens]

    def chain(self, given: Given, known_at: datetime | None = None) -> Sequence[Link]:
        """The same, and the links of those it leads to in turn."""
        if names := _names([given]):
            today = replace(given, former=())
            return Identities(Renamed(self._reader, names), self._sources).chain(today, known_at)
        known = self._upward({given.token, *(token for token, _ in given.prefixes)}, known_at)
        return _shown(known.claims, known.links, np.ones(len(known.links), np.bool_), self._sources)

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
        return within_skew(self._upward(tokens, known_at).ends, self._skew)

    def person(self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None) -> Person:
        """Whom the identifiers mean together, and where events are theirs."""
        if names := _names(givens):
            today = [replace(item, former=()) for item in givens]
            person = Identities(Renamed(self._reader, names), self._sources).person(today, now, known_at)
            spans, shared = (with_former_spans(found, names) for found in (person.spans, person.shared))
            return replace(person, spans=spans, shared=shared)
        tokens = {token for item in givens for token in (item.token, *(name for name, _ in item.prefixes))}
        known = self._upward(tokens, known_at)
        meant = [self._meant(known, item, now) for item in givens]
        broken = any(NOWHERE in found for found in meant)
        problems = ["a chain of links is too long or runs in a circle; nothing is taken from it"] * broken
        direct = [item for item, found in zip(givens, meant, strict=True) if found == {item.token}]
        somebody = self._somebody(direct, known_at)
        strangers = {item.token for item in direct} - somebody
        meanings = [
            Meaning(item.kind, frozenset(found), strangers.isdisjoint(found))
            for item, found in zip(givens, meant, strict=True)
        ]
        found = agreed(meanings)
        spans, shared, links = self._everything(found.subjects, direct, known_at)
        return Person(
            found.resolution,
            found.candidates,
            found.subjects,
            spans,
            shared,
            links,
            problems,
            found.disagree,
            found.unlinked,
        )

    def ever(self, given: Given) -> frozenset[bytes]:
        """The subjects that the identifier, or a prefix above it, led to at any time; NOWHERE as in `agreement`."""
        if names := _names([given]):
            today = replace(given, former=())
            return Identities(Renamed(self._reader, names), self._sources).ever(today)
        ends = self.ends({given.token, *(token for token, _ in given.prefixes)})
        codes = _codes(ends, [given.token, *(token for token, _ in given.prefixes)])
        return frozenset().union(*(self._subjects(ends, code, None, 0) for code in codes))

    def _somebody(self, direct: Sequence[Given], known_at: datetime | None) -> set[bytes]:
        """Of identifiers that lead nowhere the customer numbers, and those that others lead to."""
        numbers = {item.token for item in direct if item.kind is IdentifierKind.CUSTOMER_NUMBER}
        others = {item.token for item in direct} - numbers
        if not others:
            return numbers
        said = self._reader.claims(sorted(others), known_at, of="subject")
        # A payer may be anybody.
        said = said.filter(pc.not_equal(said["proof"], pa.scalar(int(Proof.PAYER), pa.int8())))
        return numbers | others.intersection(pc.unique(said["subject"]).to_pylist())

    def _meant(self, known: _Known, item: Given, now: datetime) -> set[bytes]:
        """The subjects that an identifier may mean; NOWHERE among them: a chain that could not be followed."""
        ends = within_skew(known.ends, self._skew)
        codes = ends.codes
        names = [(item.token, 0), *item.prefixes]
        held = [(codes[name], length or WHOLE) for name, length in names if name in codes]
        ever = [self._subjects(ends, code, None, 0) for code, _ in held]
        if not any(ever):
            return {item.token}
        if item.kind is IdentifierKind.IP and item.at is None:
            # Whoever had it: more than one, or one of whom we know only a part of the time.
            return set().union(*ever) | {item.token}
        at = (item.at or now) - EPOCH
        # The longest prefix that anybody had then decides.
        for code, _ in sorted(held, key=lambda name: -name[1]):
            if found := self._subjects(ends, code, at // timedelta(milliseconds=1), item.port or 0):
                return found
        if item.kind is IdentifierKind.IP:
            return set()
        # Nobody's at that moment: what it proved of another time does not name anybody by itself.
        return set().union(*ever) | {item.token}

    def _subjects(self, ends: Links, code: int, at: int | None, port: int) -> set[bytes]:
        codes = {int(subject) for subject in ends.subject[candidates(ends, code, at, port)]}
        return {ends.name(subject) if subject != UNKNOWN else NOWHERE for subject in codes}

    def _everything(
        self, subjects: frozenset[bytes], direct: Sequence[Given], known_at: datetime | None
    ) -> tuple[list[Span], list[Span], Sequence[Link]]:
        """Spans that are the subjects' alone, those they share, and the links behind them."""
        if not subjects:
            return [], [], []
        tokens = self._downward(subjects, known_at)
        addresses = _pairs(self._reader.addresses(sorted(tokens)))
        above: dict[bytes, list[bytes]] = {}
        for address, prefix in addresses + _pairs(self._reader.prefixes(sorted({a for a, _ in addresses}))):
            if prefix not in above.setdefault(address, []):
                above[address].append(prefix)
        every = tokens.union(above, *above.values())
        known = self._upward(every, known_at)
        ends = within_skew(known.ends, self._skew)
        own = set(_codes(ends, subjects))
        pieces = _by_token(ends)
        alone, shared = _named(subjects, direct, pieces, ends, own)
        for token in sorted(every - subjects):
            held = [
                part
                for name in (token, *above.get(token, ()))
                for part in pieces.get(ends.codes.get(name, -2), ())
            ]
            theirs, both = spans_of(token, held, own)
            alone += theirs
            shared += both
        used = np.isin(known.links.row, ends.row[np.isin(ends.subject, list(own))])
        return alone, shared, _shown(known.claims, known.links, used, self._sources)

    def _downward(self, subjects: Iterable[bytes], known_at: datetime | None) -> set[bytes]:
        """Tokens that ever led to one of the subjects, through a chain of any length followed."""
        tokens = set(subjects)
        frontier = set(tokens)
        for _ in range(DEPTH):
            if not frontier:
                break
            said = self._reader.claims(sorted(frontier), known_at, of="subject")
            # What names the subject need not name the address: other reports of the session do.
            sessions = said.filter(pc.equal(said["form"], pa.scalar(int(Form.SESSION), pa.int8())))
            said = pa.concat_tables([said, _keyed(self._reader, sessions, "group", known_at)])
            found = set(said["token"].to_pylist()) - {NOTHING} - tokens
            tokens |= found
            frontier = found
        return tokens

    def _upward(self, tokens: Iterable[bytes], known_at: datetime | None) -> _Known:
        """Links of the tokens, and the ends of their chains."""
        done: set[bytes] = set()
        frontier = set(tokens)
        tables: list[pa.Table] = []
        for _ in range(DEPTH):
            frontier -= done
            if not frontier:
                break
            done |= frontier
            said = _completed(self._reader, frontier, known_at)
            tables.append(said)
            frontier = set(pc.unique(said["subject"]).to_pylist()) - {NOTHING}
        claims = _distinct(tables)
        links = links_of(claims, self._sources)
        # Of other tokens only a part of what is said was read.
        links = links.where(np.isin(links.token, _codes(links, done)))
        return _Known(claims, links, chains(links))


def _completed(reader: ClaimReader, tokens: Iterable[bytes], known_at: datetime | None) -> pa.Table:
    """All claims on the tokens and of their sessions and slots, and those on the lines and servers of these."""
    said = reader.claims(sorted(tokens), known_at, of="token")
    said = _distinct([said, _keyed(reader, said, "group", known_at)])
    # Of a line only when its sessions began is asked, of a server only when it was restarted.
    return _distinct([said, _keyed(reader, said, "line", known_at), _keyed(reader, said, "server", known_at)])


def _keyed(reader: ClaimReader, said: pa.Table, column: ClaimKey, known_at: datetime | None) -> pa.Table:
    """The claims under what the claims name in that column."""
    some = said.filter(pc.not_equal(said["form"], pa.scalar(int(Form.LOGIN), pa.int8())))
    keys = set(pc.unique(some[column]).to_pylist()) - {NOTHING}
    return reader.claims(sorted(keys), known_at, of=column) if keys else KNOWN_CLAIM_SCHEMA.empty_table()


def _distinct(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables as one, each claim once."""
    joined = pa.concat_tables([KNOWN_CLAIM_SCHEMA.empty_table(), *tables]).unify_dictionaries()
    places = joined.select(["topic", "partition", "offset", "part"])
    places = places.set_column(0, "topic", places["topic"].cast(pa.string()))
    numbered = places.append_column("row", pa.array(np.arange(joined.num_rows)))
    return joined.take(numbered.group_by(places.column_names).aggregate([("row", "min")])["row_min"])


def _codes(links: Links, tokens: Iterable[bytes]) -> list[int]:
    codes = links.codes
    return [codes[token] for token in tokens if token in codes]


def _pairs(table: pa.Table) -> list[tuple[bytes, bytes]]:
    return list(zip(table["token"].to_pylist(), table["prefix"].to_pylist(), strict=True))


def _by_token(ends: Links) -> Mapping[int, list[Piece]]:
    pieces: dict[int, list[Piece]] = {}
    columns = (
        ends.token,
        ends.subject,
        ends.since,
        ends.until,
        ends.port_from,
        ends.port_to,
        ends.length,
        ends.proof,
    )
    for token, subject, since, until, low, high, length, proof in zip(
        *(c.tolist() for c in columns), strict=True
    ):
        pieces.setdefault(token, []).append(piece(subject, since, until, (low, high), length, proof))
    return pieces


def _named(
    subjects: Iterable[bytes],
    direct: Sequence[Given],
    pieces: Mapping[int, list[Piece]],
    ends: Links,
    own: set[int],
) -> tuple[list[Span], list[Span]]:
    """Spans of the subjects' own tokens: always theirs, but for the time in which such a token leads to another."""
    alone: list[Span] = []
    shared: list[Span] = []
    asked = {item.token: item for item in direct if item.kind is IdentifierKind.IP and item.at}
    for token in sorted(subjects):
        held = [part for part in pieces.get(ends.codes.get(token, -2), ()) if part.subject not in own]
        if token in asked:
            item = asked[token]
            assert item.at is not None
            port = (item.port, item.port) if item.port else ALL_PORTS
            alone.append(Span(token, item.at, item.at + timedelta(seconds=1), *port))
        elif not held:
            alone.append(Span(token))
        else:
            alone += _outside(token, held)
    return alone, shared


def _outside(token: bytes, held: Sequence[Piece]) -> Iterable[Span]:
    """The time that none of the pieces covers."""
    reached: datetime | None = None
    for part in sorted(held, key=lambda item: item.since):
        since = moment(part.since)
        if since is not None and (reached is None or since > reached):
            yield Span(token, reached, since)
        until = moment(part.until)
        if until is None:
            return
        reached = until if reached is None else max(reached, until)
    yield Span(token, reached)


def _shown(
    claims: pa.Table, links: Links, chosen: Flags, sources: Mapping[str, IdentitySource]
) -> list[Link]:
    names = list(sources)
    links = links.where(chosen)
    links = links.where(np.lexsort((links.until, links.since)))
    where = claims.take(pa.array(links.row)).select(["topic", "partition", "offset"]).to_pylist()
    shown = []
    for number, place in enumerate(where):
        learnt_at = moment(int(links.learnt_at[number]))
        assert learnt_at is not None
        shown.append(
            Link(
                token=links.name(int(links.token[number])),
                subject=links.name(int(links.subject[number])),
                since=moment(int(links.since[number])),
                until=moment(int(links.until[number])),
                proof=Proof(int(links.proof[number])),
                source=names[int(links.source[number])],
                begin="stated" if links.begin[number] == links.begun[number] else "inferred",
                begin_earliest=moment(int(links.begin[number])),
                begin_latest=moment(int(links.begun[number])),
                end=ENDS[int(links.end[number])],
                end_earliest=moment(int(links.earliest[number])),
                end_latest=moment(int(links.latest[number])),
                learnt_at=learnt_at,
                evidence=(place["topic"], place["partition"], place["offset"]),
                length=int(links.length[number]),
                ports=(int(links.port_from[number]), int(links.port_to[number])),
            )
        )
    return shown
