"""Spans as ClickHouse reads them: cut into pieces of time that do not overlap, so that a row lies in one at most."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Proof
from sinks.clickhouse.values import Parameters, blob, millis, tokens_in
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span

_ALWAYS = (-(2**63), 2**63 - 1)
# token, which of the questions, since, until, first port, last port, proof
_RECORD = struct.Struct(f"<{TOKEN_BYTES}sIqqHHB")
_NO_PROOF = 0
# In one statement that changes rows: its text, values and all, must pass through the queue of a cluster's statements,
# which takes 256 KiB (max_query_size), and through an address line.
_TOKENS_AT_ONCE = 500
_PIECES_AT_ONCE = 250
# The embedded engine has neither.
_PIECES_EMBEDDED = 10_000

Ports = tuple[int, int, int]  # first, last, proof
Range = tuple[int, int, Ports]  # since, until, ports


@dataclass(frozen=True)
class Piece:
    """A token, the interval [since, until) in milliseconds, and the port ranges that hold all through it.

    `asked`: which of the questions asked at once it is of.
    """

    token: bytes
    since: int
    until: int
    ports: tuple[Ports, ...]
    asked: int = 0

    @property
    def whole(self) -> bool:
        """Says nothing more than the token does."""
        return (self.since, self.until) == _ALWAYS and any(item[:2] == ALL_PORTS for item in self.ports)

    @property
    def proofs(self) -> tuple[Proof, ...]:
        return to_proofs(proof for _, _, proof in self.ports)


def pieces(spans: Iterable[Span]) -> list[Piece]:
    """The spans as pieces; those of one token are in order of time and do not overlap."""
    by_token: defaultdict[bytes, set[Range]] = defaultdict(set)
    for span in spans:
        since = _ALWAYS[0] if span.since is None else millis(span.since)
        until = _ALWAYS[1] if span.until is None else millis(span.until)
        if since < until and span.port_from <= span.port_to:
            proof = span.proof.code if span.proof else _NO_PROOF
            by_token[span.token].add((since, until, (span.port_from, span.port_to, proof)))
    return [piece for token, ranges in by_token.items() for piece in _pieces(token, sorted(ranges))]


def pieces_each(questions: Iterable[Iterable[Span]]) -> list[Piece]:
    """The spans of each question as pieces; those of one question and token do not overlap."""
    return [replace(piece, asked=number) for number, spans in enumerate(questions) for piece in pieces(spans)]


def tokens_of(parts: Iterable[Piece]) -> list[bytes]:
    """The tokens of the pieces, each once."""
    return sorted({part.token for part in parts})


def _pieces(token: bytes, ranges: Sequence[Range]) -> Iterator[Piece]:
    cuts = sorted({moment for since, until, _ in ranges for moment in (since, until)})
    opening, open_now = 0, list[Range]()
    last: Piece | None = None
    for since, until in pairwise(cuts):
        open_now = [item for item in open_now if item[1] > since]
        while opening < len(ranges) and ranges[opening][0] == since:
            open_now.append(ranges[opening])
            opening += 1
        ports = _united(item[2] for item in open_now)
        if last and (last.until, last.ports) == (since, ports):
            last = replace(last, until=until)
            continue
        if last and last.ports:
            yield last
        last = Piece(token, since, until, ports)
    if last and last.ports:
        yield last


def _united(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """The ranges of each proof, joined where they touch."""
    united: list[Ports] = []
    for first, last, proof in sorted(ports, key=lambda item: (item[2], item[0])):
        if united and united[-1][2] == proof and first <= united[-1][1] + 1:
            united[-1] = (united[-1][0], max(united[-1][1], last), proof)
        else:
            united.append((first, last, proof))
    return tuple(united)


def matching(parts: Sequence[Piece], source: str, parameters: Parameters) -> str:
    """SQL for the rows of `source` under the pieces, once for each question under whose pieces they are.

    With `asked`: which question that is, and `matched`: the proofs, 0 for none. source: a table expression with the
    columns of lineage, its rows limited to the tokens at least.
    """
    data = b"".join(
        _RECORD.pack(part.token, part.asked, part.since, part.until, *ports)
        for part in parts
        for ports in part.ports
    )
    records = _records(data, parameters)
    rows, same = f"{source}", ""
    tokens = {(part.token, part.asked) for part in parts}
    if len({token for token, _ in tokens}) < len(tokens):
        # Several ask about one token: the row is looked at for each of them.
        rows = (
            f"(SELECT * FROM {source}) AS l INNER JOIN (SELECT DISTINCT token, asked FROM ({records})) AS a"
        )
        rows += " ON l.token = a.token"
        same = " AND r.asked = s.asked"
    asked = "r.*" if same else "r.*, s.asked AS asked"
    return (
        f"SELECT {asked}, arrayFilter((proof, first, last) -> r.port BETWEEN first AND last,"
        " s.proofs, s.firsts, s.lasts) AS matched"
        f" FROM (SELECT {'l.*, a.asked AS asked' if same else '*'},"
        f" toUnixTimestamp64Milli(event_time) AS moment FROM {rows}) AS r"
        # The one piece that began last: pieces do not overlap, so the row lies in it or in none. Costs a row the
        # logarithm of the pieces, however many a shared address has.
        f" ASOF INNER JOIN ({records}) AS s ON r.token = s.token{same} AND r.moment >= s.since"
        " WHERE r.moment < s.until AND notEmpty(matched)"
    )


def _records(data: bytes, parameters: Parameters) -> str:
    fields, place = [], 1
    for name, kind, size in (
        ("token", "", TOKEN_BYTES),
        ("asked", "UInt32", 4),
        ("since", "Int64", 8),
        ("until", "Int64", 8),
        ("first", "UInt16", 2),
        ("last", "UInt16", 2),
        ("proof", "UInt8", 1),
    ):
        taken = f"substring(joined, place + {place}, {size})"
        read = f"reinterpretAs{kind}({taken})" if kind else f"toFixedString({taken}, {size})"
        fields.append(f"{read} AS {name}")
        place += size
    return (
        "SELECT token, asked, since, any(until) AS until, groupArray(first) AS firsts, groupArray(last) AS lasts,"
        f" groupArray(proof) AS proofs FROM (WITH {blob(parameters, 'records', data)} AS joined"
        f" SELECT {', '.join(fields)} FROM (SELECT arrayJoin(range(0, {len(data)}, {_RECORD.size})) AS place))"
        " GROUP BY token, asked, since"
    )


def of_questions(parts: Sequence[Piece], source: str, parameters: Parameters) -> str:
    """SQL for the rows of `source` under the tokens of the pieces, once for each question about one, as `asked`."""
    pairs = sorted({(part.token, part.asked) for part in parts})
    if len({asked for _, asked in pairs}) == 1:
        return f"SELECT *, toUInt32({pairs[0][1]}) AS asked FROM {source}"
    data = b"".join(token + asked.to_bytes(4, "little") for token, asked in pairs)
    size = TOKEN_BYTES + 4
    listed = (
        f"WITH {blob(parameters, 'pairs', data)} AS joined"
        f" SELECT toFixedString(substring(joined, place + 1, {TOKEN_BYTES}), {TOKEN_BYTES}) AS token,"
        f" reinterpretAsUInt32(substring(joined, place + {TOKEN_BYTES + 1}, 4)) AS asked"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, {size})) AS place)"
    )
    rows = f"(SELECT * FROM {source}) AS l INNER JOIN ({listed}) AS a ON l.token = a.token"
    return f"SELECT l.*, a.asked AS asked FROM {rows}"


def of_another(parts: Sequence[Piece], parameters: Parameters) -> str:
    """SQL for a row of `matching` that is another customer's: none of those that its question is about."""
    data = b"".join(
        token + asked.to_bytes(4, "little")
        for token, asked in sorted({(part.token, part.asked) for part in parts})
    )
    size = TOKEN_BYTES + 4
    own = (
        f"WITH {blob(parameters, 'own', data)} AS joined"
        f" SELECT toFixedString(substring(joined, place + 1, {TOKEN_BYTES}), {TOKEN_BYTES}),"
        f" reinterpretAsUInt32(substring(joined, place + {TOKEN_BYTES + 1}, 4))"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, {size})) AS place)"
    )
    nobody = f"toFixedString('', {TOKEN_BYTES})"
    return f"(customer != {nobody} AND (customer, toUInt32(asked)) NOT IN ({own}))"


def conditions(
    parts: Sequence[Piece], tag_sets: Sequence[Sequence[int]], *, embedded: bool
) -> Iterator[tuple[str, Parameters]]:
    """The pieces, with the tag sets of their questions, as conditions on a row that stand alone; a few at once.

    As a statement that changes rows needs them. No row meets two of them. No row may be under two questions.
    `embedded`: as many at once as may be, since each statement writes parts anew, whatever it changes.
    """
    chosen = [sorted(item) for item in tag_sets]
    wanted = [part for part in parts if chosen[part.asked]]
    at_once = _PIECES_EMBEDDED if embedded else _PIECES_AT_ONCE
    together = embedded and not all(part.whole for part in wanted)
    about: defaultdict[bytes, set[tuple[int, ...]]] = defaultdict(set)
    for part in wanted:
        about[part.token].add(tuple(chosen[part.asked]))
    # Of which questions with different tag sets ask: which of these counts is for the interval to say.
    several = {token for token, sets in about.items() if len(sets) > 1}
    alone = [part for part in wanted if part.whole and not together and part.token not in several]
    whole = sorted({part.token: part.asked for part in alone}.items())
    for start in range(0, len(whole), _TOKENS_AT_ONCE):
        some = whole[start : start + _TOKENS_AT_ONCE]
        parameters: Parameters = {}
        listed = tokens_in(parameters, "token", [token for token, _ in some])
        yield f"token IN {listed} AND {_chosen(some, chosen, parameters)}", parameters
    limited = [part for part in wanted if together or not part.whole or part.token in several]
    for start in range(0, len(limited), at_once):
        pieces_now = limited[start : start + at_once]
        if not several:
            text, parameters = bounded(pieces_now)
            of_tokens = list({part.token: part.asked for part in pieces_now}.items())
            yield f"{text} AND {_chosen(of_tokens, chosen, parameters)}", parameters
        else:
            yield bounded(pieces_now, chosen)


def _chosen(
    tokens: Sequence[tuple[bytes, int]], tag_sets: Sequence[Sequence[int]], parameters: Parameters
) -> str:
    """That the tag set of a row is among those of the question about its token."""
    distinct = sorted({tuple(tag_sets[asked]) for _, asked in tokens})
    if len(distinct) == 1:
        parameters["chosen"] = list(distinct[0])
        return "tag_set IN {chosen:Array(UInt64)}"
    places = {item: place for place, item in enumerate(distinct, 1)}
    parameters |= {
        "chosen": [list(item) for item in distinct],
        "choosing": [token.hex() for token, _ in tokens],
        "choices": [places[tuple(tag_sets[asked])] for _, asked in tokens],
    }
    return (
        "has(arrayElement({chosen:Array(Array(UInt64))},"
        " transform(lower(hex(token)), {choosing:Array(String)}, {choices:Array(UInt64)}, 0)), tag_set)"
    )


def token_conditions(tokens: Sequence[bytes]) -> Iterator[tuple[str, Parameters]]:
    """The tokens as conditions on a row, a few at once."""
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        parameters: Parameters = {}
        listed = tokens_in(parameters, "token", tokens[start : start + _TOKENS_AT_ONCE])
        yield f"token IN {listed}", parameters


def bounded(
    parts: Sequence[Piece], tag_sets: Sequence[Sequence[int]] | None = None
) -> tuple[str, Parameters]:
    """That a row lies in one of the pieces, as a condition that stands alone; `tag_sets`: and has one of those of the
    question that the piece is of."""
    distinct = sorted({tuple(tag_sets[part.asked]) for part in parts}) if tag_sets is not None else [()]
    places = {item: place for place, item in enumerate(distinct, 1)}
    by_token: defaultdict[bytes, set[tuple[int, int, int, int, int]]] = defaultdict(set)
    for part in parts:
        place = places[tuple(tag_sets[part.asked]) if tag_sets is not None else ()]
        by_token[part.token] |= {
            (part.since, part.until, first, last, place) for first, last, _ in part.ports
        }
    parameters: Parameters = {
        "tokens": [token.hex() for token in by_token],
        "places": list(range(1, len(by_token) + 1)),
        "ranges": [sorted(ranges) for ranges in by_token.values()],
    }
    of_its_tag_sets = ""
    if tag_sets is not None:
        parameters["chosen"] = [list(item) for item in distinct]
        of_its_tag_sets = " AND has(arrayElement({chosen:Array(Array(UInt64))}, item.5), tag_set)"
    # Looks the ranges of the row's token up, rather than trying those of all: of a token not named there are none.
    text = (
        f"token IN {tokens_in(parameters, 'token', by_token)} AND arrayExists("
        "item -> toUnixTimestamp64Milli(event_time) >= item.1 AND toUnixTimestamp64Milli(event_time) < item.2"
        f" AND port BETWEEN item.3 AND item.4{of_its_tag_sets},"
        " arrayElement({ranges:Array(Array(Tuple(Int64, Int64, UInt16, UInt16, UInt32)))},"
        " transform(lower(hex(token)), {tokens:Array(String)}, {places:Array(UInt64)}, 0)))"
    )
    return text, parameters


def to_proofs(matched: Iterable[int]) -> tuple[Proof, ...]:
    """Of what `matched` holds, the proofs in order, without the identifiers that were given."""
    return tuple(Proof.of(item) for item in sorted(set(matched)) if item != _NO_PROOF)
