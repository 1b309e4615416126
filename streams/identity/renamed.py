"""An identifier whose canonical form has changed: claims and events under its former tokens are still its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tokens import TOKEN_BYTES
from sinks.ports.identity import ClaimKey, ClaimReader
from sinks.ports.lineage import BesideReader, Span

Names = Mapping[bytes, bytes]
"""The token of today, by the former one."""


class Renamed:
    """A `ClaimReader` that reads former tokens as if they had always been those of today."""

    def __init__(self, reader: ClaimReader, names: Names) -> None:
        self._reader = reader
        self._names = names

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        keys, without = with_former(keys, self._names), with_former(without, self._names)
        said = self._reader.claims(keys, known_at, of=of, without=without)
        return _of_today(said, ("token", "subject"), self._names)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._reader.prefixes(tokens)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._reader.addresses(prefixes)


class RenamedBeside:
    """A `BesideReader` that does so."""

    def __init__(self, reader: BesideReader, names: Names) -> None:
        self._reader = reader
        self._names = names

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        found = self._reader.beside(with_former_spans(spans, self._names), known_at)
        return _of_today(found, ("token", "other"), self._names)


def _of_today(said: pa.Table, columns: Sequence[str], names: Names) -> pa.Table:
    former = pa.array(list(names), pa.binary(TOKEN_BYTES))
    for name in columns:
        if pc.any(pc.is_in(said[name], former)).as_py():
            today = [names.get(token, token) for token in said[name].to_pylist()]
            column = pa.array(today, pa.binary(TOKEN_BYTES))
            said = said.set_column(said.schema.get_field_index(name), name, column)
    return said


def with_former(tokens: Sequence[bytes], names: Names) -> list[bytes]:
    """The tokens, and those that were theirs before."""
    wanted = set(tokens)
    return [*tokens, *(former for former, today in names.items() if today in wanted)]


def with_former_spans(spans: Sequence[Span], names: Names) -> list[Span]:
    """The spans, and the same of the tokens that were theirs before."""
    more = [
        replace(span, token=former)
        for span in spans
        for former, today in names.items()
        if span.token == today
    ]
    return [*spans, *more]
