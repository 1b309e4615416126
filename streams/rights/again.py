"""A message of the rights workflow that was set aside, taken again: its key or request is here, or we were mended."""

from __future__ import annotations

from collections.abc import Callable

from schemas.errors import DecodeError, InnsynError, Unavailable
from schemas.records import RecordSchema
from sinks.ports.dead_letters import TAGGED
from streams.rights.protocol.messages import COPIES, RECEIPTS, REQUESTS, decoded

CANNOT_BE, UNKNOWN, BROKEN = "request_cannot_be", "unknown_request", "step_failed"
NOTHING_KNOWN = {REQUESTS: CANNOT_BE, RECEIPTS: UNKNOWN, COPIES: UNKNOWN}
"""Why a message of that topic is set aside of which nothing became."""
TAKEN = TAGGED
"""What became of one that was taken, in the word that is used of events."""


def again(
    topic: str, take: Callable[..., object], record: RecordSchema, *, whole: bool = False
) -> Callable[[bytes], str]:
    """Takes the payload of a letter from the topic, and gives TAKEN or the reason why it is none still.

    `take`: `RightsService.on_request` or `on_receipt`, which judge it as if it came now; `whole`: it is given the
    payload too, as `on_copy` is. What it gives may raise Unavailable.
    """

    def taken(payload: bytes) -> str:
        try:
            given = (decoded(record, payload), *((payload,) if whole else ()))
            return NOTHING_KNOWN[topic] if take(*given) is None else TAKEN
        except DecodeError as error:
            return error.reason
        except Unavailable:
            raise
        except InnsynError:
            return BROKEN

    return taken
