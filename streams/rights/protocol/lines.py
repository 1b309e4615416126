"""What is told of a request, a line each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.counted import are, counted
from streams.rights.protocol.answering import AnswerSetAside
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import LateFound, Unclear
from streams.rights.protocol.handling import IdentityAsked, Waived


def approving(request_id: str, digest: str | None, *, run: bool) -> str:
    """The command by which a request, or a `run` of retention, is approved as it is now."""
    return f"innsyn {'retention approve' if run else 'requests approve'} {request_id} --digest {digest}"


def aside_line(aside: AnswerSetAside) -> str:
    """An answer that was set aside, in one line."""
    what = "a part of its copy" if aside.part else f"an answer ({aside.state})"
    return f"{aside.system or 'a system that is not known'}: {what} {aside.why}; set aside"


STANDS, STOOD = "the clock stands until they answer", "the clock stood until it was checked"


def asked_line(event: IdentityAsked) -> str:
    """Why somebody was asked who they are, and what that does to the deadline. Once it is checked, STANDS is STOOD."""
    clock = STANDS if event.pauses else "too late for the clock to stand"
    return f"{event.doubt.replace('_', ' ')}; {clock}"


def taken_line(request_id: str) -> str:
    """A request that had the id which a follow-up was to have, in one line."""
    return (
        f"{request_id} has an id that only this installation can make, and was not made here: whoever sent it has keys"
        f" of this installation; find out who, and `innsyn requests cancel {request_id}` unless it is the person's"
    )


def by_link_events_line(systems: Sequence[str]) -> str:
    return (
        f"{', '.join(systems)}: some events there are this person's by link only (an address at a time, a cookie),"
        " which the identifiers sent do not name; see that they are erased there too"
    )


def late_line(request_id: str, finding: LateFound) -> str:
    """What to do about a late finding, in one line."""
    parts = []
    if finding.events:
        parts.append(f"at least {counted(finding.events, 'event')} came to light after this was answered")
    if finding.no_longer:
        parts.append(
            f"of those answered, at least {counted(finding.no_longer, 'event')} proved not to be this person's"
        )
    where = ", ".join(finding.systems)
    return f"{' and '.join(parts)} ({where}); follow it up with `innsyn requests --follow-up {request_id}`"


def unclear_words(event: Unclear | Waived) -> str:
    """Of how much nobody can tell whether it is the person's."""
    parts = []
    if event.dead_letters:
        where = ", ".join(f"{topic} {count:,}" for topic, count in sorted(event.dead_letters.items()))
        parts.append(
            f"{counted(sum(event.dead_letters.values()), 'message')} that could not be read ({where})"
        )
    if event.shared_events:
        parts.append(f"{counted(event.shared_events, 'event')} of an identifier that others had too")
    return " and ".join(parts)


def unclear_line(request_id: str, event: Unclear) -> str:
    """What to do about it, in one line."""
    mend = "`innsyn deadletters list` says why, `innsyn deadletters retry` reads them again; "
    return (
        f"what is known to be this person's is erased, and nobody can tell whether {unclear_words(event)} are theirs:"
        f" {mend if event.dead_letters else ''}`innsyn requests resend {request_id}` looks again,"
        f" `innsyn requests waive {request_id} --reason ...` lets it complete"
    )


def review_line(command: Command) -> str:
    """What to do about a system whose reason to withhold is to be reviewed, in one line."""
    request_id, held = command.command_id.partition("/")[0], counted(command.held, "record")
    return (
        f"{command.system}: withholds {held} by {command.ground} until {command.review_date}, and that day has come;"
        f" `innsyn requests resend {request_id}` asks it anew, or `innsyn requests close {request_id} --reason ...`"
        " leaves it there"
    )


def unknown_line(requests: Sequence[str]) -> str:
    """Why a retention run waits."""
    return (
        f"it is not known yet whom {', '.join(requests)} {are(len(requests))} about, and their data stay: nothing that"
        " has run out is deleted until that is known, or they have ended"
    )


def waits_lines(behind: Sequence[str], expiring: Sequence[str], *, of_everybody: bool) -> Iterator[str]:
    """What has to be looked at of the requests that another one is behind."""
    if of_everybody and behind:
        yield unknown_line(behind)
    yield from (expiring_line(name) for name in expiring if name in behind)


def expiring_line(request_id: str) -> str:
    """Why what a person asks for waits for what ran out of them."""
    return (
        f"systems were told by {request_id} already to delete what has run out of this person, and it waits for that;"
        f" `innsyn requests show {request_id}` says who has not answered, or"
        f" `innsyn requests close {request_id} --reason ...` ends it with what is done"
    )


def unread_line(request_id: str, unread: Sequence[str], *, ended: bool) -> str:
    """Events of the ledger that cannot be read, and what may be done."""
    if ended:
        mend = "what is shown here may lack something; another version of innsyn may read it"
    else:
        mend = (
            f"it goes no further until a version of innsyn reads it; `innsyn requests close {request_id} --reason ...`"
            " ends it, and a new request does it anew"
        )
    return f"{'; '.join(unread)}; {mend}"
