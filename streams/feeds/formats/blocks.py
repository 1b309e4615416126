"""Blocks of ports that an address translator gives and takes, as reports of assignments, whatever log tells of them."""

from __future__ import annotations

from typing import NamedTuple

from schemas.addresses import is_placeholder
from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.formats.assignment import assignment
from streams.feeds.lines.fields import address, port
from streams.feeds.lines.holders import FOREVER, Holders
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import Event, Read
from streams.feeds.lines.reasons import END_BEFORE_START, PLACEHOLDER_ADDRESS, TWO_HOLDERS

# 64,512 ports in blocks of 64.
_BLOCKS = 1_024


class Block(NamedTuple):
    """As the log spells it. `subscriber` is a user name, empty if the log names none."""

    kind: AssignmentKind
    inside: str
    public: str
    first_port: str
    last_port: str
    subscriber: str


class Blocks:
    """The blocks one log has shown."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._holders = Holders(kept=_BLOCKS, gapless=True)

    def event(self, block: Block, nas: str, at: int, allocated: int | None = None) -> Read:
        """One event at `at` milliseconds of the translator `nas`. `allocated`: when the block was given, as a later
        line tells; its age is then the session's, as a RADIUS report gives it (RFC 2866, 5.7).

        Raises DecodeError: bad_address, bad_number, end_before_start.
        """
        inside, public = address(block.inside), address(block.public)
        if is_placeholder(inside) or is_placeholder(public):
            return Read(counted=[PLACEHOLDER_ADDRESS])
        name, said = self._names.read(block.subscriber)
        ports = port(block.first_port), port(block.last_port)
        if ports[1] < ports[0]:
            raise DecodeError(END_BEFORE_START)
        age = None if allocated is None or block.kind is AssignmentKind.ALLOC else (at - allocated) // 1_000
        event = assignment(
            block.kind,
            "cgnat",
            nas=nas,
            session_id=f"{nas}/{public}:{ports[0]}-{ports[1]}/{inside}",
            occurred_at=at,
            address=public,
            port_from=ports[0],
            port_to=ports[1],
            inside_address=inside,
            username=name,
            session_seconds=age if age is not None and age >= 0 else None,
        )
        return Read(
            (event,), TWO_HOLDERS if self._conflict(event, ports) else None, counted=[said] if said else []
        )

    def _conflict(self, event: Event, ports: tuple[int, int]) -> bool:
        public, session, at = event["address"], event["session_id"], event["occurred_at"]
        since = at - 1_000 * (event["session_seconds"] or 0)
        holder = event["username"] or event["inside_address"]
        if event["kind"] == AssignmentKind.RELEASE:
            found = event["session_seconds"] is not None and self._holders.seen(
                public, holder, session, since, at, ports
            )
            self._holders.ended(public, session, at)
            return found
        return self._holders.seen(public, holder, session, since, FOREVER, ports)
