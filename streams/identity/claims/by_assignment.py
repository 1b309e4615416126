"""Reports of access servers, DHCP servers and address translators as claims.

An address (with its ports) belongs to whoever the report names best: customer number, user name, access line, the
address behind the translator, hardware address, DHCP client. Each delegated prefix is a claim of its own. All reports
of a session have one group: the server's id of it together with the server (RFC 2866, 5.5).

A report that names no address (RFC 2866 asks for none) is a claim too: it may say whose the session is, or end it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.addresses import is_placeholder
from schemas.identity import ASSIGNMENT_FIELDS, RETAINED
from schemas.tokens import KeyCache, PrefixCache
from schemas.vocabulary import AssignmentKind, ClaimForm, Mark, Proof
from sinks.ports.identity import ALL_PORTS, NOTHING, Rank
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import (
    EARLIEST,
    LATEST,
    TokenColumn,
    TokenTable,
    coded,
    first_present,
    numbers,
    token_table,
)
from streams.identity.claims.columns import UNKNOWN_TIME, Chunks

FIELDS = tuple(ASSIGNMENT_FIELDS)
JOINED = ("session_id",)
"""Keys that mean nothing alone: two servers may give the same number to a session."""

_MARKS: dict[str, int] = {
    AssignmentKind.START: Mark.OPEN.code,
    AssignmentKind.ALLOC: Mark.OPEN.code,
    AssignmentKind.INTERIM: Mark.SEEN.code,
    AssignmentKind.STOP: Mark.CLOSE.code,
    AssignmentKind.RELEASE: Mark.CLOSE.code,
    AssignmentKind.OFF: Mark.OFF.code,
    AssignmentKind.ON: Mark.ON.code,
}
_SERVER_MARKS = (Mark.OFF.code, Mark.ON.code)
# Whose it is, best first, and what that proves of the person it leads to.
_SUBJECTS = {
    "customer_number": (Rank.CUSTOMER_NUMBER, Proof.SUBSCRIBER.code),
    "username": (Rank.USERNAME, Proof.SUBSCRIBER.code),
    "line_id": (Rank.LINE, Proof.LINE_OWNER.code),
    "inside_address": (Rank.INSIDE_ADDRESS, Proof.SUBSCRIBER.code),
    "mac": (Rank.HARDWARE, Proof.SUBSCRIBER.code),
    "client_id": (Rank.CLIENT, Proof.SUBSCRIBER.code),
}
_LINE = list(_SUBJECTS).index("line_id")
_RANKS, _PROOFS = np.array(list(_SUBJECTS.values())).T
_SECONDS = ("session_seconds", "lease_seconds", "interim_seconds")
# What a session's key ends with: once each family of addresses had its own, and this is that of IPv4.
_WHOLE = "v4"
_PORTS = dict(zip(("port_from", "port_to"), ALL_PORTS, strict=True))
_NO_PREFIX = (NOTHING, -1)


def retained(columns: Mapping[str, pa.Array]) -> Flags:
    """The reports kept for the police alone (ekomloven § 3-13)."""
    field, symbol = RETAINED
    found: Flags = coded(columns[field], {symbol: 1}) == 1
    return found


def faults(columns: Mapping[str, pa.Array], times: Ints, delegated: PrefixCache) -> list[tuple[str, Flags]]:
    """Reason and rows of the reports that cannot be: negative times, a start before 1990, half or inverted ports."""
    bad = np.zeros(len(times), np.bool_)
    for name in _SECONDS:
        bad |= numbers(columns[name], 0) < 0
    bad |= numbers(columns["session_seconds"], 0) > (times - EARLIEST) // 1_000
    low, high = (numbers(columns[name], -1) for name in ("port_from", "port_to"))
    whole = pc.and_(columns["port_from"].is_null(), columns["port_to"].is_null())
    fits = (low >= 0) & (low <= high) & (high <= ALL_PORTS[1])
    bad |= ~(whole.to_numpy(zero_copy_only=False) | fits)
    encoded = columns["delegated_prefix"].dictionary_encode()
    refused = [not found for found in delegated.tokens(encoded.dictionary.to_pylist())]
    foul = np.array([False, *refused], np.bool_)[numbers(encoded.indices, -1) + 1]
    nameless = (coded(columns["session_id"], {"": 1}) == 1) & ~_of_server(columns)
    return [("invalid_identifier", nameless), ("unsupported_prefix", foul), ("bad_assignment", bad)]


@dataclass(frozen=True)
class Assignments:
    """Decoded reports: columns, tokens of identifiers and network keys, and times in ms, row by row."""

    columns: Mapping[str, pa.Array]
    tokens: Mapping[str, TokenColumn]
    times: Ints

    def claims(self, chunks: Chunks, rows: Ints, sessions: KeyCache, delegated: PrefixCache) -> None:
        """Add the claims of these rows."""
        marks = coded(self.columns["kind"], _MARKS)
        names = self.columns["source"].unique().to_pylist()
        sources = coded(self.columns["source"], {name: chunks.source(name) + 1 for name in names}) - 1
        of_server = np.isin(marks[rows], _SERVER_MARKS)
        about = rows[of_server]
        server = self.tokens["nas"].at(about)
        chunks.add(
            about,
            form=ClaimForm.SESSION.code,
            part=0,
            source=sources[about],
            mark=marks[about],
            server=server,
        )

        rows = rows[~of_server]
        said = self._said(rows, marks[rows]) | {"source": sources[rows], "mark": marks[rows]}
        said["group"] = self._group(rows, sessions)

        def add(keep: Flags, part: int, **more: Any) -> None:
            at = np.flatnonzero(keep)
            chosen = {name: value[at] for name, value in said.items()}
            chunks.add(rows[at], form=ClaimForm.SESSION.code, part=part, **chosen, **more)

        address = self.tokens["address"]
        there = address.present[rows]
        named = rows[there]
        low, high = (numbers(self.columns[name], missing)[named] for name, missing in _PORTS.items())
        add(there, 0, token=address.at(named), port_from=low, port_to=high)
        for number, (tokens, lengths) in enumerate(self._prefixes(delegated)):
            has = lengths[rows] >= 0
            add(has, 1 + number, token=tokens[rows[has]], length=lengths[rows[has]])
            there = there | has
        add(~there, 0)

    def _said(self, rows: Ints, marks: Ints) -> dict[str, Any]:
        """What all claims of a report share."""
        subject, chosen = first_present([self.tokens[name] for name in _SUBJECTS], rows)
        at = self.times[rows]
        session, lease, interim = (numbers(self.columns[name], -1)[rows] for name in _SECONDS)
        # An interval of 0 is how servers say that they send no interim reports.
        valid = np.where(lease >= 0, lease, np.where(interim > 0, interim, -1))
        # A lease may be for ever (RFC 2131 writes 2**32 - 1): longer than our times reach.
        valid = np.minimum(valid, (LATEST - at) // 1_000)
        line = self.tokens["line_id"].at(rows)
        line[coded(self.columns["source"], {"radius": 1})[rows] != 1] = 0
        return {
            "subject": subject,
            # Nobody (-1) reads as the last one, which is no weaker than any but the line's.
            "proof": _PROOFS[chosen],
            "rank": np.where(chosen == _LINE, self._line_rank(rows), _RANKS[chosen]),
            "line": line,
            "server": self.tokens["nas"].at(rows),
            "since": np.where(session >= 0, at - session * 1_000, UNKNOWN_TIME),
            "until": np.where((valid >= 0) & (marks != Mark.CLOSE.code), at + valid * 1_000, UNKNOWN_TIME),
        }

    def _line_rank(self, rows: Ints) -> Ints:
        """How well the rows' lines are named: reports of one session may name its port by name, number or circuit."""
        lines = self.tokens["line_id"]
        ranks = [_line_rank(text) for text in lines.distinct]
        return np.array([*ranks, Rank.LINE])[lines.index[rows]]

    def _group(self, rows: Ints, sessions: KeyCache) -> TokenTable:
        """The group of each row's session: server and the server's id of it."""
        columns = (self.columns[name].take(pa.array(rows)) for name in ("nas", "session_id"))
        encoded = pc.binary_join_element_wise(*columns, _WHOLE, "\0").dictionary_encode()
        table = token_table(sessions.tokens(encoded.dictionary.to_pylist()))
        return table[numbers(encoded.indices, 0)]

    def _prefixes(self, delegated: PrefixCache) -> Iterator[tuple[TokenTable, Ints]]:
        """Token and length of the rows' first prefix, of the second and so on; length -1 for none."""
        encoded = self.columns["delegated_prefix"].dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        found = [
            () if is_placeholder(text) else made
            for text, made in zip(texts, delegated.tokens(texts), strict=True)
        ]
        index = numbers(encoded.indices, -1) + 1
        for number in range(max(map(len, found), default=0)):
            given = [item[number] if number < len(item) else _NO_PREFIX for item in found]
            tokens, lengths = zip(_NO_PREFIX, *given, strict=True)
            yield token_table(tokens)[index], np.array(lengths, np.int64)[index]


def _line_rank(text: str) -> Rank:
    _, found, port = text.partition("|")
    if not found:
        return Rank.LINE
    return Rank.PORT_NUMBER if port.strip().isdecimal() else Rank.PORT


def _of_server(columns: Mapping[str, pa.Array]) -> Flags:
    return np.isin(coded(columns["kind"], _MARKS), _SERVER_MARKS)
