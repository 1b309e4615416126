"""A message of the rights workflow that was set aside, taken again: its key is back, or we were mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas.errors import DecodeError
from schemas.records import RecordSchema
from streams.rights.messages import decoded

CANNOT_BE = "request_cannot_be"
TAKEN = "tagged"
"""What became of one that is a request now, in the word that is used of events."""


def request_again(
    take: Callable[[Mapping[str, object]], object], record: RecordSchema
) -> Callable[[bytes], str]:
    """Takes the payload of a letter from `rights.requests`, and gives TAKEN or the reason why it still is none.

    `take`: see `RightsService.on_request`. What it gives may raise Unavailable.
    """

    def again(payload: bytes) -> str:
        try:
            return CANNOT_BE if take(decoded(record, payload)) is None else TAKEN
        except DecodeError as error:
            return error.reason

    return again
