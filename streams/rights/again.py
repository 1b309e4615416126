"""A message of the rights workflow that was set aside, taken again: its key or request is here, or we were mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas.errors import DecodeError, InnsynError, Unavailable
from schemas.records import RecordSchema
from sinks.ports.dead_letters import TAGGED
from streams.rights.protocol.messages import RECEIPTS, REQUESTS, decoded

CANNOT_BE, UNKNOWN, BROKEN = "request_cannot_be", "unknown_request", "step_failed"
NOTHING_KNOWN = {REQUESTS: CANNOT_BE, RECEIPTS: UNKNOWN}
"""Why a message of that topic is set aside of which nothing became."""
TAKEN = TAGGED
"""What became of one that was taken, in the word that is used of events."""


def again(
    topic: str, take: Callable[[Mapping[str, object]], object], record: RecordSchema
) -> Callable[[bytes], str]:
    """Takes the payload of a letter from the topic, and gives TAKEN or the reason why it is none still.

    `take`: `RightsService.on_request` or `on_receipt`, which judge it as if it came now. What it gives may raise
    Unavailable.
    """

    def taken(payload: bytes) -> str:
        try:
            return NOTHING_KNOWN[topic] if take(decoded(record, payload)) is None else TAKEN
        except DecodeError as error:
            return error.reason
        except Unavailable:
            raise
        except InnsynError:
            return BROKEN

    return taken
