"""Whether what a system of record answers can be: an answer that cannot is set aside and shown. Pure.

Kafka does not say who wrote a receipt: its signature does. And a job may be wrong, or answer to something old. What
is judged here is only what nobody could mean;
whether an answer is enough is `streams.rights.protocol.command`'s to say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from schemas.calendars import Calendar
from schemas.catalogue import Catalogue
from schemas.messages import ErasureReceipt, Outcome, RightsReceipt
from schemas.policy import RetentionAnchors, hold_end
from schemas.systemkeys import SystemKeys
from schemas.vocabulary import CommandState, ReceiptState, Role
from streams.rights.protocol.answering import AnswerSetAside, answer_of
from streams.rights.protocol.authentic import MOST, SIGNATURE, signed_bytes
from streams.rights.protocol.command import Command
from streams.rights.protocol.reasons import KEY_UNKNOWN, NOT_OURS, told

CLOCKS_APART = timedelta(minutes=5)
"""How far the clock of a system may be from ours."""
LONGEST_HOLD = timedelta(days=30 * 366)
"""No hold is looked at again later than that: limitation periods end after at most twenty years (foreldelsesloven)."""


def unproven(written: Mapping[str, Any], keys: SystemKeys) -> str | None:
    """Why it is not proven that the job which has these keys wrote the receipt as it is, None if it is.

    `written`: the decoded receipt, with the fields that its writer's schema has.
    """
    signature = written.get(SIGNATURE)
    if not signature:
        return "is not signed; its job needs this version and its key file (`innsyn systems export`)"
    key = keys.find(written["key_id"])
    if key is None:
        return "was signed with a key that is not in force (`innsyn systems export` gives its team the file)"
    try:
        signed = signed_bytes(written)
    except ValueError:
        return "counts more than there can be"
    if not key.proves(signature, signed):
        return "has not the signature of what it says; see who may write to rights.receipts"
    return None


def has_the_key(written: Mapping[str, Any], keys: SystemKeys) -> str | None:
    """Why a proven receipt that its job lacks the key of the command is not to be believed, None if it is.

    Whoever may write commands can have a job say so of any request: it could not check what it was sent.
    """
    if written["reason"] != KEY_UNKNOWN or written["key_id"] != keys.current.id:
        return None
    return "says that its job lacks the key of the command, by the key that commands go to; its answer is waited for"


def fault(
    receipt: ErasureReceipt,
    command: Command | None,
    catalogue: Catalogue,
    now: datetime,
    records: Collection[str],
    unlawful: str | None = None,
) -> str | None:
    """Why a proven ErasureReceipt cannot be an answer to the command, None if it can. Never quotes it.

    `records`: the names that a record may have; what else stands there may name somebody.
    """
    if command is None:
        return "names no command of this request"
    if receipt.system != command.system:
        return "names another system than its command"
    if receipt.reason is not None and receipt.reason in NOT_OURS:
        return f"says that {told(receipt.reason)}; see who may write to deletion.{command.system}"
    return (
        _number_fault(receipt)
        or _record_fault(receipt, {*records, *command.records})
        or _date_fault(receipt, now, catalogue.calendar)
        or _place_fault(receipt, command, catalogue, now, unlawful)
    )


def as_counts(receipt: RightsReceipt) -> ErasureReceipt:
    """The answer to another right in the words of an erasure's, so that both are judged alike: records that it copied,
    corrected, restricted or freed stand as erased, and as redacted of their kind."""
    return ErasureReceipt(
        command_id=receipt.command_id,
        request_id=receipt.request_id,
        system=receipt.system,
        state=receipt.state,
        erased=sum(item.count for item in receipt.records),
        held=0,
        ground=receipt.ground,
        review_date=receipt.review_date,
        reason=receipt.reason,
        reported_at=receipt.reported_at,
        outcomes=tuple(Outcome(item.record, redacted=item.count) for item in receipt.records),
        attempt=receipt.attempt,
        key_id=receipt.key_id,
        citation=receipt.citation,
        retryable=receipt.retryable,
        signature=receipt.signature,
    )


def repeats(receipt: ErasureReceipt, command: Command, unlawful: str | None = None) -> bool:
    """Whether it says nothing that was not said: messages come twice, and "accepted" may come after the outcome.

    `unlawful`: why what it withholds it may not: a corrected citation is another answer. What is said of a restriction
    that was lifted meanwhile changes nothing.
    """
    if command.state is CommandState.TAKEN_BACK:
        return True
    if receipt.state is ReceiptState.ACCEPTED:
        return command.state is not CommandState.SENT
    said = answer_of(receipt, unlawful=unlawful)
    review_date = said.review_date.isoformat() if said.review_date else None
    return (
        CommandState(said.state),
        said.erased,
        said.held,
        said.ground,
        review_date,
        said.reason,
        said.outcomes,
        bool(said.retryable),
        said.citation,
        bool(said.lawful),
        said.unlawful,
    ) == (
        *(command.state, command.erased, command.held, command.ground, command.review_date),
        *(command.reason, command.outcomes, command.retryable, command.citation, command.lawful),
        command.unlawful,
    )


def unlawful(
    receipt: ErasureReceipt,
    command: Command | None,
    plan: Mapping[str, Any],
    anchors: RetentionAnchors,
    catalogue: Catalogue,
) -> str | None:
    """Why what a system withholds it may not, None if it may (GDPR Art. 17(3)).

    It may by a rule of the catalogue that holds data, cited as it is there or in part, that covers every category the
    system was told to erase, but for kinds of records of which it erased every one, until a day on which somebody looks
    again and which the rule's period reaches. `plan` as `plan_json`; what was told by it happened on its day at the
    latest.
    """
    rule = catalogue.retention_rules.get(receipt.ground or "")
    if rule is None or not (rule.is_hold and rule.active):
        return "by no rule of the catalogue that holds data"
    if not _cites(receipt.citation, rule.authority):
        return f"without a citation of {rule.id} as the catalogue has it"
    if receipt.review_date is None:
        return "without a day of review"
    told = _categories_left(receipt, command, plan)
    if beyond := sorted(name for name in told if not rule.covers_category(name)):
        return f"{rule.id} does not cover {', '.join(beyond)}"
    if as_of := plan.get("as_of"):
        last = datetime.combine(date.fromisoformat(as_of), time.max, catalogue.calendar.zone)
        if receipt.review_date > hold_end(rule, last, anchors, catalogue.calendar):
            return f"{rule.id} holds nothing of it so long"
    return None


def _categories_left(receipt: ErasureReceipt, command: Command | None, plan: Mapping[str, Any]) -> set[str]:
    """The categories of what the system was told to erase and does not say to be gone."""
    told = {
        name
        for item in plan.get("commands", ())
        if item["system"] == receipt.system
        for name in item["categories"]
    }
    if command is None:
        return told
    erased = replace(command, outcomes=receipt.outcomes).erased_kinds
    left = {
        part["category"]
        for part in plan.get("parts", ())
        if part["system"] == receipt.system and part["action"] == "erase_now" and part["record"] not in erased
    }
    # Where nothing is left by its own word, and records are held, nobody can tell of what they are.
    return left & told if left else told


def _cites(citation: str | None, authority: str) -> bool:
    """Whether a citation is that of a rule, or begins it: `bokføringsloven § 13`, without paragraph and number."""
    said, known = (" ".join(text.split()).casefold() for text in (citation or "", authority))
    return bool(said) and known.startswith(said) and not known[len(said) : len(said) + 1].isalnum()


def aside(receipt: ErasureReceipt, why: str, catalogue: Catalogue) -> AnswerSetAside:
    """What the ledger keeps of an answer that was set aside. Few different ones: the same again adds nothing."""
    system = receipt.system if receipt.system in catalogue.systems else None
    return AnswerSetAside(system, receipt.state, why)


def _number_fault(receipt: ErasureReceipt) -> str | None:
    if receipt.erased < 0 or receipt.held < 0:
        return "counts below zero"
    if max(receipt.erased, receipt.held) > MOST:
        return "counts more than there can be"
    if receipt.state is ReceiptState.DONE and receipt.held:
        return "says done and that records are held back"
    if receipt.state is ReceiptState.NOT_FOUND and (receipt.erased or receipt.held):
        return "says that it found nothing, and counts records"
    outcomes = receipt.outcomes
    counts = [count for item in outcomes for count in (item.deleted, item.redacted)]
    if any(count < 0 for count in counts):
        return "counts below zero"
    if sum(counts) > receipt.erased:
        return "tells of more records than it erased"
    if {name for item in outcomes for name in item.stayed_for} - set(Role):
        return "names a role that is none"
    return None


def _record_fault(receipt: ErasureReceipt, records: Collection[str]) -> str | None:
    if {item.record for item in receipt.outcomes} - set(records):
        return "tells of a record that the company lacks; `outcomes` has the names of the command"
    return None


def _date_fault(receipt: ErasureReceipt, now: datetime, calendar: Calendar) -> str | None:
    if receipt.reported_at > now + CLOCKS_APART:
        return "was reported at a time to come; set that system's clock"
    day = receipt.review_date
    if day is None:
        return None
    if day < calendar.day(receipt.reported_at):
        return "names a review date that had passed when it was reported"
    if day > calendar.day(now) + LONGEST_HOLD:
        return "names a review date that no hold reaches"
    return None


def _place_fault(
    receipt: ErasureReceipt, command: Command, catalogue: Catalogue, now: datetime, unlawful: str | None
) -> str | None:
    ground = receipt.ground
    if ground is not None and ground not in catalogue.retention_rules:
        return "names a ground that the catalogue lacks"
    if repeats(receipt, command, unlawful):
        return None
    # A later one is authentic, so it was sent: whoever sent it has not come to write that down.
    if receipt.attempt < command.attempt + (command.state is CommandState.UNSENT):
        return "answers an earlier attempt; that of the last one is waited for"
    if receipt.reason == KEY_UNKNOWN and receipt.attempt != command.attempt:
        return (
            f"lacks the key of an attempt that was not sent; see who may write to deletion.{command.system}"
        )
    sent_at = datetime.fromisoformat(command.sent_at) if command.sent_at else now
    # One that is still to come was written by a clock of ours that was ahead, so it tells nothing of the answer.
    if sent_at <= now + CLOCKS_APART and receipt.reported_at < sent_at - CLOCKS_APART:
        return "was reported before this attempt was sent; its answer is waited for"
    return "contradicts the answer that settled its command" if command.settled else None
