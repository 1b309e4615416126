"""What events say of duties towards their owner: consents, notices, disclosures, decisions (`schemas.facts`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES

FACT_SCHEMA = pa.schema(
    [
        ("token", pa.binary(TOKEN_BYTES)),
        ("fact", pa.string()),
        ("says", pa.string()),
        ("about", pa.list_(pa.string())),
        ("recipient", pa.string()),
        ("instrument", pa.string()),
        ("version", pa.string()),
        ("occasion", pa.string()),
        ("name", pa.uint64()),
        ("evidence", pa.bool_()),
        ("event_time", pa.timestamp("ms")),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("part", pa.uint8()),
    ]
)
"""What one event says by one rule of one of the identifiers of its owner. Identity: (token, topic, partition, offset,
part).

token: of the owner, a row for each identifier that the event gives. fact, says: words of `schemas.facts.FACTS`. about,
recipient, instrument, version, occasion: ids of the catalogue and words of its closed lists, `schemas.facts.UNKNOWN`
where the event has another value, empty where it has none. name: a keyed hash of a name, 0 for none; the key is that of
the writer, so under another key one name has another hash. evidence: whether the event gives any. part: number of the
rule of the record.
"""


class FactReader(Protocol):
    """Reads what events said of duties. Safe from several threads."""

    def facts(
        self, tokens: Sequence[bytes], facts: Sequence[str] = (), known_at: datetime | None = None
    ) -> pa.Table:
        """`FACT_SCHEMA`: what was said of the owners with these tokens, of these facts alone where any are named, each
        once, in no order; of no erased event.

        Any number of tokens. `known_at`: as in `sinks.ports.lineage.IndexReader.find`. Raises IndexUnavailable.
        """
