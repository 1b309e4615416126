"""Whose events these are, asked while they are tagged: by the same rules that answer a question later.

Nothing of it is stored: a row keeps what was observed, and a report that comes tomorrow changes the answer. It is
counted, so that an identity feed that fell silent shows at once: as events that are nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from streams.identity.person import Identities
from streams.identity.resolve import AMBIGUOUS, NONE, UNIQUE
from streams.tagging.columns import binary_array
from streams.tagging.tag import Observed

WORDS = {UNIQUE: "unique", AMBIGUOUS: "ambiguous", NONE: "none"}


def whose(
    identities: Identities, observed: Mapping[str, Observed], prefixes: pa.Table
) -> Mapping[tuple[str, str], int]:
    """(topic, unique | ambiguous | none) to how many identifiers were seen that lead to so many people.

    `prefixes`: `sinks.ports.PREFIX_SCHEMA`, for the IPv6 addresses among them. Raises IndexUnavailable.
    """
    topics = [topic for topic, seen in observed.items() if len(seen)]
    if not topics:
        return {}
    every = Observed.joined([observed[topic] for topic in topics])
    encoded = binary_array(every.token).dictionary_encode()
    tokens: list[bytes] = encoded.dictionary.to_pylist()
    above: dict[bytes, list[tuple[bytes, int]]] = {}
    for row in prefixes.to_pylist():
        above.setdefault(row["token"], []).append((row["prefix"], row["length"]))
    found, _ = identities.resolve(
        tokens, [above.get(token, ()) for token in tokens], np.asarray(encoded.indices), every.at, every.port
    )
    counted: Counter[tuple[str, str]] = Counter()
    begin = 0
    for topic in topics:
        end = begin + len(observed[topic])
        for code, count in zip(*np.unique(found.resolution[begin:end], return_counts=True), strict=True):
            counted[topic, WORDS[int(code)]] += int(count)
        begin = end
    return counted
