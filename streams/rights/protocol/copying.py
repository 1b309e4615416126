"""Copies of a person's data: whether a part that a system sends can be one, and what a receipt says of them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from schemas.messages import LARGEST_PART, CopyPart, RightsReceipt
from streams.rights.protocol.answering import AnswerSetAside
from streams.rights.protocol.command import Command
from streams.rights.protocol.receipts import CLOCKS_APART

MOST_PARTS = 10_000
"""Of one copy: nine gigabytes."""


def part_fault(part: CopyPart, command: Command | None, *, ended: bool, now: datetime) -> str | None:
    """Why a proven part cannot be one of the copy that was asked for, None if it can. Never quotes it."""
    if command is None or not command.copies:
        return "is of no copy that this request asked for"
    if part.system != command.system:
        return "names another system than its command"
    if ended:
        return "came when the request had ended"
    if not 1 <= part.part <= part.parts <= MOST_PARTS:
        return "has a number that is none of its copy"
    if len(part.sealed) > LARGEST_PART:
        return f"is larger than {LARGEST_PART:,} bytes"
    if part.sent_at > now + CLOCKS_APART:
        return "was sent at a time to come; set that system's clock"
    # One of a later attempt is authentic, so it was asked for: whoever asked has not come to write that down.
    if part.attempt < command.attempt:
        return "is of an earlier attempt; the copy of the last one is waited for"
    if part.attempt == command.attempt and command.parts and part.parts != command.parts:
        return "says of how many it is one, other than its receipt"
    return None


def repeats_part(part: CopyPart, command: Command) -> bool:
    """Whether it may be left alone, since the copy is whole already."""
    return part.attempt == command.attempt and command.copied


def part_aside(part: CopyPart, why: str, systems: Collection[str]) -> AnswerSetAside:
    """What the ledger keeps of a part that was set aside. Few different ones: the same again adds nothing."""
    return AnswerSetAside(part.system if part.system in systems else None, None, why, part=True)


def copy_fault(receipt: RightsReceipt) -> str | None:
    """Why what a receipt says of the parts of a copy cannot be, None if it can."""
    if not 0 <= receipt.parts <= MOST_PARTS:
        return "counts parts that cannot be"
    if receipt.parts and (receipt.copy_digest is None or len(receipt.copy_digest) != 32):
        return "does not say what the parts of the copy are (copy_digest, SHA-256)"
    return None
