"""Many values in one question: as bytes, in query parameters that every way of asking can carry."""

from __future__ import annotations

from collections import UserString
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from schemas.tokens import TOKEN_BYTES

Parameters = dict[str, object]

# A server takes 128 KiB for one parameter (http_max_field_value_size) and any number of parameters; tables sent along
# with the question would do as well, but the embedded engine has none.
_DIGITS = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def blob(parameters: Parameters, name: str, data: bytes) -> str:
    """SQL for the bytes as a constant String; adds their parameters, named after `name`."""
    digits = data.hex()
    pieces = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)] or [""]
    # As another type than str, which the driver would look through for quotes, character by character.
    parameters |= {f"{name}{number}": UserString(piece) for number, piece in enumerate(pieces)}
    texts = ", ".join(f"{{{name}{number}:String}}" for number in range(len(pieces)))
    return f"unhex(concat({texts}))" if len(pieces) > 1 else f"unhex({texts})"


def tokens_in(parameters: Parameters, name: str, tokens: Iterable[bytes]) -> str:
    """SQL for what `IN` takes: the tokens; adds their parameters. Raises ValueError for one that is none."""
    taken = list(tokens)
    if any(len(token) != TOKEN_BYTES for token in taken):
        raise ValueError(f"a token has {TOKEN_BYTES} bytes")
    data = b"".join(taken)
    if len(taken) == 1:
        # Without a set the primary key is read directly: a third of the time of a small look-up.
        return f"(toFixedString({blob(parameters, name, data)}, {TOKEN_BYTES}))"
    return (
        f"(WITH {blob(parameters, name, data)} AS joined"
        f" SELECT toFixedString(substring(joined, place + 1, {TOKEN_BYTES}), {TOKEN_BYTES})"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, {TOKEN_BYTES})) AS place))"
    )


def numbers_in(parameters: Parameters, name: str, numbers: Sequence[int]) -> str:
    """SQL for what `IN` takes: numbers of 64 bits without a sign; adds their parameters."""
    data = np.array(numbers, "<u8").tobytes()
    return (
        f"(WITH {blob(parameters, name, data)} AS joined SELECT reinterpretAsUInt64(substring(joined, place + 1, 8))"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, 8)) AS place))"
    )


def millis(moment: datetime) -> int:
    """Rounded up: of whole milliseconds, those at or after the moment are those at or after the result."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def at_or_before(moment: datetime) -> int:
    """Rounded down: of whole milliseconds, those at or before the moment are those at or before the result."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
