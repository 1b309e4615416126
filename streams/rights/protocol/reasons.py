"""Why a system did not do what it was told: the words that a receipt may give as its reason. Pure.

A list, because a sentence may name somebody, and the ledger keeps what a receipt says. Whatever else a receipt gives is
not kept.
"""

from __future__ import annotations

REASONS = {
    "store_unavailable": "its store could not be read or written",
    "key_unknown": "its job lacks the key of the command; give it the key file (`innsyn systems export`)",
    "command_not_understood": "its job cannot read the command",
    "unknown_field": "its store lacks a record or a field that the command names",
    "superseded": "a later attempt had come before",
    "too_old": "the command was older than its job takes",
    "clock_off": "the command was issued at a time to come; set the clocks",
    "not_authentic": "it got a command that is not from innsyn or was altered",
    "other_system": "it got a command for another system",
    "legal_hold": "the law or a dispute holds it",
    "no_handler": "its job cannot do that; give it a handler, or do it by hand",
    "undated": "some records have no time that can be read, so nobody can say whether they have run out; look there",
    "needs_person": "a person has to do it there",
    "timeout": "it took too long",
    "internal_error": "its job failed; see its log",
}
"""What a job may say, with what a person reads."""
UNLISTED = "unlisted"
"""Kept instead of a reason that is not in the list."""
KEY_UNKNOWN = "key_unknown"
"""Said of a command that the job could not check, which anybody may have written: `protocol.receipts` weighs it."""
NOT_OURS = ("not_authentic", "other_system")
"""Of a command that innsyn did not send like that: no answer to one that it did send."""


def told(reason: str) -> str:
    """A reason of the ledger in words."""
    if reason == UNLISTED:
        return "gives a reason that is not on the list; ask its team"
    return REASONS.get(reason, reason)
