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
# token, since, until, first port, last port, proof
_RECORD = struct.Struct(f"<{TOKEN_BYTES}sqqHHB")
_NO_PROOF = 0
# In one statement that changes rows: its text, values and all, must pass through the queue of a cluster's statements,
# which takes 256 KiB (max_query_size), and through an address line.
_TOKENS_AT_ONCE = 1_000
_PIECES_AT_ONCE = 250

Ports = tuple[int, int, int]  # first, last, proof
Range = tuple[int, int, Ports]  # since, until, ports


@dataclass(frozen=True)
class Piece:
    """A token, the interval [since, until) in milliseconds, and the port ranges that hold all through it."""

    token: bytes
    since: int
    until: int
    ports: tuple[Ports, ...]

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
    """SQL for the rows of `source` under the pieces, each once, with `matched`: the proofs, 0 for none.

    source: a table expression with the columns of lineage, its rows limited to the tokens at least.
    """
    data = b"".join(
        _RECORD.pack(part.token, part.since, part.until, *ports) for part in parts for ports in part.ports
    )
    return (
        "SELECT r.*, arrayFilter((proof, first, last) -> r.port BETWEEN first AND last,"
        " s.proofs, s.firsts, s.lasts) AS matched"
        f" FROM (SELECT *, toUnixTimestamp64Milli(event_time) AS moment FROM {source}) AS r"
        # The one piece that began last: pieces do not overlap, so the row lies in it or in none. Costs a row the
        # logarithm of the pieces, however many a shared address has.
        f" ASOF INNER JOIN ({_records(data, parameters)}) AS s ON r.token = s.token AND r.moment >= s.since"
        " WHERE r.moment < s.until AND notEmpty(matched)"
    )


def _records(data: bytes, parameters: Parameters) -> str:
    fields, place = [], 1
    for name, kind, size in (
        ("token", "", TOKEN_BYTES),
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
        "SELECT token, since, any(until) AS until, groupArray(first) AS firsts, groupArray(last) AS lasts,"
        f" groupArray(proof) AS proofs FROM (WITH {blob(parameters, 'records', data)} AS joined"
        f" SELECT {', '.join(fields)} FROM (SELECT arrayJoin(range(0, {len(data)}, {_RECORD.size})) AS place))"
        " GROUP BY token, since"
    )


def conditions(parts: Sequence[Piece]) -> Iterator[tuple[str, Parameters]]:
    """The pieces as conditions on a row that stand alone, as a statement that changes rows needs them; a few at once.

    No row meets two of them.
    """
    yield from token_conditions(sorted({part.token for part in parts if part.whole}))
    bounded = [part for part in parts if not part.whole]
    for start in range(0, len(bounded), _PIECES_AT_ONCE):
        yield _bounded(bounded[start : start + _PIECES_AT_ONCE])


def token_conditions(tokens: Sequence[bytes]) -> Iterator[tuple[str, Parameters]]:
    """The tokens as conditions on a row, a few at once."""
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        parameters: Parameters = {}
        yield (
            f"token IN {tokens_in(parameters, 'token', tokens[start : start + _TOKENS_AT_ONCE])}",
            parameters,
        )


def _bounded(parts: Sequence[Piece]) -> tuple[str, Parameters]:
    by_token: defaultdict[bytes, set[tuple[int, int, int, int]]] = defaultdict(set)
    for part in parts:
        by_token[part.token] |= {(part.since, part.until, first, last) for first, last, _ in part.ports}
    parameters: Parameters = {
        "tokens": [token.hex() for token in by_token],
        "places": list(range(1, len(by_token) + 1)),
        "ranges": [sorted(ranges) for ranges in by_token.values()],
    }
    # Looks the ranges of the row's token up, rather than trying those of all: of a token not named there are none.
    text = (
        f"token IN {tokens_in(parameters, 'token', by_token)} AND arrayExists("
        "item -> toUnixTimestamp64Milli(event_time) >= item.1 AND toUnixTimestamp64Milli(event_time) < item.2"
        " AND port BETWEEN item.3 AND item.4,"
        " arrayElement({ranges:Array(Array(Tuple(Int64, Int64, UInt16, UInt16)))},"
        " transform(lower(hex(token)), {tokens:Array(String)}, {places:Array(UInt64)}, 0)))"
    )
    return text, parameters


def to_proofs(matched: Iterable[int]) -> tuple[Proof, ...]:
    """Of what `matched` holds, the proofs in order, without the identifiers that were given."""
    return tuple(Proof.of(item) for item in sorted(set(matched)) if item != _NO_PROOF)
