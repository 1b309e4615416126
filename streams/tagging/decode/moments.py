"""Times of foreign messages, whatever their unit, as milliseconds since 1970 in UTC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contract_file import EventTime, Unit
from schemas.moments import in_zone, since_1970
from streams.columns.arrays import Flags, Ints

_DAY = 86_400_000
# Beyond any time that is taken, so that no arithmetic overflows.
_FAR = 10**15
_PER_MILLISECOND = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}


def milliseconds(values: pa.Array, unit: Unit, zone: str | None = None) -> tuple[Ints, Flags]:
    """The times, and which of them are none: null, or a text that is no moment. `zone`: of texts without an offset."""
    if unit == "iso8601":
        moments = _of_texts(values, zone)
        return _filled(moments), ~moments.is_valid().to_numpy(zero_copy_only=False)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    if unit == "seconds":
        seconds = values.fill_null(0).to_numpy(zero_copy_only=False)
        return np.rint(np.clip(seconds, -_FAR, _FAR) * 1_000).astype(np.int64), missing
    numbers = _filled(values)
    if unit == "days":
        return np.clip(numbers, -_FAR // _DAY, _FAR // _DAY) * _DAY, missing
    return numbers // _PER_MILLISECOND[unit], missing


def stated(column: pa.Array, said: EventTime) -> tuple[pa.Array, Flags]:
    """Milliseconds, null where nothing is said; and where something is said that is no time."""
    times, missing = milliseconds(column, said.unit, said.zone)
    there: Flags = column.is_valid().to_numpy(zero_copy_only=False)
    return pa.array(times, mask=missing), missing & there


def _filled(values: pa.Array) -> Ints:
    found: Ints = values.fill_null(0).to_numpy(zero_copy_only=False)
    return found


def _of_texts(values: pa.Array, zone: str | None) -> pa.Array:
    """int64, null where a text is no moment."""
    try:
        # All of one form, as one writer has it. A text without offset is refused where the contract names no zone.
        if zone is None:
            moments = values.cast(pa.timestamp("us", "UTC"))
        else:
            local = values.cast(pa.timestamp("us"))
            moments = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="raise")
        return pa.array(moments.cast(pa.int64()).fill_null(0).to_numpy() // 1_000, mask=_nulls(values))
    except pa.ArrowInvalid:
        encoded = values.dictionary_encode()
        made = pa.array(_one_by_one(encoded.dictionary.to_pylist(), zone), pa.int64())
        return made.take(encoded.indices)


def _nulls(values: pa.Array) -> Flags:
    found: Flags = values.is_null().to_numpy(zero_copy_only=False)
    return found


def _one_by_one(texts: Sequence[str], zone: str | None) -> list[int | None]:
    found: list[int | None] = []
    for text in texts:
        try:
            found.append(since_1970(in_zone(text, zone)))
        except (ValueError, OverflowError):
            found.append(None)
    return found
