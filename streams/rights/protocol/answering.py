"""What the ledger keeps of systems: that they were told, what they answered, what became of that. Pure; a part of
`streams.rights.protocol.events`, whose rules hold here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from schemas.messages import ErasureReceipt, Outcome
from schemas.vocabulary import ReceiptState
from streams.rights.protocol.reasons import REASONS, UNLISTED


@dataclass(frozen=True)
class Commanded:
    """A system was told, in this attempt."""

    kind: ClassVar[str] = "commanded"
    command_id: str
    attempt: int


@dataclass(frozen=True)
class Answer:
    """What a system answered. `known`: events that the index knew there then, asked where it said more than planned.

    `erased`: how many records it erased or, by a command that is no erasure, copied, corrected, restricted or freed.
    `parts`, `copy_digest`: of a copy, the digest as hex digits.
    `lawful`: what it withholds it may, until the review date, `unlawful` why not; `retryable`: it could not just then.
    """

    kind: ClassVar[str] = "receipt"
    command_id: str
    state: ReceiptState
    erased: int
    held: int
    ground: str | None
    review_date: date | None
    reason: str | None
    reported_at: datetime
    attempt: int = 0
    outcomes: tuple[Outcome, ...] = ()
    known: int | None = None
    retryable: bool | None = None
    citation: str | None = None
    lawful: bool | None = None
    unlawful: str | None = None
    parts: int | None = None
    copy_digest: str | None = None


def answer_of(receipt: ErasureReceipt, known: int | None = None, unlawful: str | None = None) -> Answer:
    """What the ledger keeps of a receipt. Of its reason only a word of the list, since a sentence may name somebody.

    `unlawful`: why what it withholds it may not, by the catalogue. Only if it may is its citation kept, which stands
    there too.
    """
    withholds = receipt.state is ReceiptState.WITHHELD
    lawful = withholds and unlawful is None
    reason = (receipt.reason if receipt.reason in REASONS else UNLISTED) if receipt.reason else None
    return Answer(
        command_id=receipt.command_id,
        state=receipt.state,
        erased=receipt.erased,
        held=receipt.held,
        ground=receipt.ground,
        review_date=receipt.review_date,
        reason=reason,
        reported_at=receipt.reported_at,
        attempt=receipt.attempt,
        outcomes=receipt.outcomes,
        known=known,
        retryable=receipt.retryable,
        citation=receipt.citation if lawful else None,
        lawful=lawful or None,
        unlawful=unlawful if withholds else None,
    )


@dataclass(frozen=True)
class Copied:
    """All parts of a copy are here, and are what the receipt of that attempt says."""

    kind: ClassVar[str] = "copied"
    command_id: str
    attempt: int
    parts: int


@dataclass(frozen=True)
class Escalated:
    """A system was told so many times in vain that a person is asked to look."""

    kind: ClassVar[str] = "escalated"
    command_id: str
    attempt: int


@dataclass(frozen=True)
class ReviewDue:
    """The day has come until which a system withholds what it holds, as it answered that attempt."""

    kind: ClassVar[str] = "review_due"
    command_id: str
    on: date
    attempt: int | None = None


@dataclass(frozen=True)
class AnswerSetAside:
    """An answer that cannot be. `system` None: one that the catalogue lacks. `part`: it was a part of a copy, without a
    state."""

    kind: ClassVar[str] = "aside"
    system: str | None
    state: ReceiptState | None
    why: str
    part: bool | None = None
