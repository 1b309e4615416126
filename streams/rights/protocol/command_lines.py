"""What a person has to look at of a system that was told something, in a line. Pure."""

from __future__ import annotations

from schemas.counted import counted
from schemas.vocabulary import CommandKind, CommandState
from streams.answers.attribution import BY_LINK, by_link_line
from streams.rights.protocol.command import EVERY, UNANSWERED, Command, told_of
from streams.rights.protocol.reasons import told

_DO = {
    CommandKind.ACCESS: "send its copy",
    CommandKind.RECTIFICATION: "correct",
    CommandKind.RESTRICT: "restrict",
    CommandKind.LIFT: "end the restriction",
}
_DID = {
    CommandKind.ACCESS: "copied",
    CommandKind.RECTIFICATION: "corrected",
    CommandKind.RESTRICT: "restricted",
    CommandKind.LIFT: "freed",
}
_BY_HAND = {
    CommandKind.ACCESS: "the copy is to be fetched",
    CommandKind.RECTIFICATION: "what is wrong is to be corrected",
    CommandKind.RESTRICT: "processing is to be restricted",
    CommandKind.LIFT: "the restriction is to be ended",
}


def problem(command: Command) -> str | None:
    """One line for the person who must act or look, or None."""
    if command.refused:
        request_id = command.command_id.partition("/")[0]
        without = _without(command) or f"`innsyn requests close {request_id} --reason ...` to end without it"
        return f"{_refusal(command)}; `innsyn requests resend {request_id}` when that is mended, or {without}"
    if command.escalated and command.pending:
        return _in_vain(command)
    if command.doubtful or command.state in (CommandState.DONE, CommandState.NOT_FOUND):
        return None if command.accepted else _doubt(command)
    if command.state in UNANSWERED and command.by_link:
        # Of an erasure some may not be counted aloud; of a correction one of each kind is planned.
        planned = command.planned if command.kind is None else command.total
        return by_link_line(command.system, command.by_link, planned or 0, _did(command))
    return None


def after(command: Command, ended: str) -> str | None:
    """One line on a system that was told, where the request ended (`closed`, `cancelled`) without it, or None."""
    if command.by_hand:
        return None if command.accepted else f"{command.system}: nobody said that it was done there by hand"
    said = f"{command.system}: {command.state}, {counted(command.erased, 'record')} {_did(command)}"
    shown = "the index still shows what it knew there; a new request brings it in line"
    if command.state in (CommandState.SENT, CommandState.ACCEPTED):
        return f"{command.system}: was told to {_do(command)} and has not answered; it may still do so, and {shown}"
    if command.after_end:
        return f"{said}: answered after the request was {ended}; {shown}"
    if command.state is CommandState.UNSENT:
        return None
    if ended == "cancelled" and command.erased:
        return f"{said} before the request was cancelled; {shown}"
    if command.doubtful:
        return _numbers(command)
    return _refusal(command) if command.refused else None


def _did(command: Command) -> str:
    return "erased" if command.kind is None else _DID[command.kind]


def _do(command: Command) -> str:
    return "erase" if command.kind is None else _DO[command.kind]


def _refusal(command: Command) -> str:
    parts = [f"{command.system}: {command.state}"]
    if command.held:
        parts.append(f"{counted(command.held, 'record')} held")
    if command.ground:
        parts.append(f"by {command.ground}")
    if command.review_date:
        parts.append(f"review on {command.review_date}")
    if kinds := _kept_kinds(command):
        parts.append(f"({', '.join(kinds)})")
    if whys := [why for why in (command.reason and told(command.reason), command.unlawful) if why]:
        parts.append(f"({'; '.join(whys)})")
    return " ".join(parts)


def _kept_kinds(command: Command) -> list[str]:
    """Of which kinds the records are that it holds; nothing of what may not be counted aloud, or where its numbers
    do not tell the kinds apart."""
    if command.described or not command.held or not (command.outcomes or len(command.records) == 1):
        return []
    told = told_of(command)
    left = {name: count - told[name] for name, count in command.records.items() if count > told[name]}
    agrees = sum(left.values()) == command.held
    return [f"{count:,} {name}" for name, count in left.items() if agrees]


def _doubt(command: Command) -> str | None:
    request_id = command.command_id.partition("/")[0]
    if command.by_hand:
        return (
            f"{command.system}: {_BY_HAND[command.kind or CommandKind.ACCESS]} by hand, since no job of it does that on"
            f" command; then `innsyn requests accept {request_id} --system {command.system} --reason ...`"
        )
    act = (
        f"; `innsyn requests resend {request_id}` when that is mended, or `innsyn requests accept {request_id}"
        f" --system {command.system} --reason ...` if it is enough"
    )
    numbers = _numbers(command)
    return numbers and numbers + (act if command.doubtful else "")


def _in_vain(command: Command) -> str:
    request_id, times = command.command_id.partition("/")[0], counted(command.attempt, "time")
    lacks = "its copy is not whole" if command.awaits_parts else "has not answered"
    return (
        f"{command.system}: told {times}, last on {(command.sent_at or '')[:10]}, and {lacks}; ask its team,"
        f" `innsyn requests resend {request_id}` tells it again{_without(command) and f', {_without(command)}'}"
    )


def _without(command: Command) -> str:
    """How a person answers without a copy; empty of anything else."""
    if not command.copies:
        return ""
    request_id = command.command_id.partition("/")[0]
    return (
        f"`innsyn requests accept {request_id} --system {command.system} --reason ...` to answer without it"
    )


def _numbers(command: Command) -> str | None:
    if command.for_a_person:
        return _refusal(command)
    if command.state is CommandState.NOT_FOUND:
        counted_there = command.planned is not None and not command.described
        planned = f"the {command.total:,} planned" if counted_there else "what was planned"
        return f"{command.system}: found nothing of {planned}" if command.doubtful else None
    if command.short:
        linked = (
            f"{command.by_link:,} of them are {BY_LINK}"
            if command.by_link
            else "the others may still be there"
        )
        return f"{command.system}: {_shortfall(command)}: {linked}"
    # Planned is without the records of those who stay.
    there_are = command.total if command.others_stay else command.known
    if command.known is None or there_are is None or command.erased <= there_are:
        return None
    there = (
        "than the index knows there" if command.described else f"than the {there_are:,} the index knows there"
    )
    looked = f"{command.system}: reported {counted(command.erased, 'record')} {_did(command)}, more {there}"
    whose = "nobody's who is kept" if command.others_stay else "no other person's"
    return f"{looked}; see that {whose} are gone"


def _shortfall(command: Command) -> str:
    """The numbers that do not agree; of records that may not be counted aloud, none."""
    planned = command.planned or 0
    if command.may_withhold:
        said = f"reported {command.erased:,} erased and {command.held:,} held by {command.ground}"
        return f"{said}, fewer than planned" if command.described else f"planned {command.total:,}, {said}"
    if command.erased < planned:
        short = [] if command.described else command.short_of().items()
        named = ", ".join(f"{told:,} of {asked:,} {name}" for name, (asked, told) in short)
        return f"planned {planned:,}, reported {command.erased:,} {_did(command)}{named and f' ({named})'}"
    if command.described:
        return f"reported {command.erased:,} {_did(command)}, fewer than planned"
    kinds = [
        f"planned {asked:,} {name}, reported {told:,}" for name, (asked, told) in command.short_of().items()
    ]
    asked = f"{command.least.get(EVERY, planned):,}, {planned:,} of them since an earlier answer"
    return (
        " and ".join(kinds) + f" {_did(command)}"
        if kinds
        else f"planned {asked}, reported {command.erased:,} {_did(command)}"
    )
