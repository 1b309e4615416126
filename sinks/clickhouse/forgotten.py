"""Claims of forgotten people on ClickHouse: read before they go, and what stays of them written. See
`sinks.ports.forgotten`."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.by_event import EVENT, Event, event_conditions
from sinks.clickhouse.claims import keyed
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.taking_out import take_out
from sinks.clickhouse.values import Parameters, blob, millis, numbers_in, tokens_in
from sinks.ports.forgotten import FORGOTTEN, LATEST, NEAR, Claim, Session, left_of, sessions_of
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING

_SCHEMA = KNOWN_CLAIM_SCHEMA.append(pa.field("key_id", pa.string()))
_ENUMS = frozenset({"form", "mark", "proof"})
_Asked = tuple[bytes, bytes, int, int]  # identifier, whose it is, from, until in ms
_RECORD = struct.Struct(f"<{TOKEN_BYTES}s{TOKEN_BYTES}sqq")
_NEAR_MS = NEAR // (datetime.resolution * 1_000)
_FOREVER = 2**62
_FIRST = "toUnixTimestamp64Milli(min(least(at, ifNull(since, at))))"
# As `sinks.ports.forgotten.held` has it, but by what is said of one identifier alone: at the latest so long.
_LAST = (
    "if(argMax(mark, at) = 'close', toUnixTimestamp64Milli(max(at)),"
    f" ifNull(toUnixTimestamp64Milli(argMax(until, at)), {_FOREVER}))"
)
_EVENT_NUMBER = f"cityHash64({EVENT})"
_NOTHING = f"toFixedString(unhex('{NOTHING.hex()}'), {TOKEN_BYTES})"
WAS_FORGOTTEN = f"startsWith(subject, unhex('{FORGOTTEN.hex()}'))"
"""SQL for claims of which nobody can tell any more whose they were."""


@dataclass(frozen=True)
class Leaving:
    """Claims that are about to go: rows of `KNOWN_CLAIM_SCHEMA` with the `key_id` that made their tokens, each once.

    `events`: of each, a number that stands for its event."""

    claims: Sequence[Claim]
    events: Sequence[int]

    @property
    def mentioned(self) -> set[bytes]:
        """The tokens that they mention."""
        return {claim[name] for claim in self.claims for name in ("token", "subject")} - {NOTHING}


def claims_of(index: ClickHouse, events: Sequence[Event]) -> Leaving:
    """What these events say of who an identifier belonged to. Raises IndexUnavailable."""
    columns = ", ".join(
        f"toInt8({name}) AS {name}" if name in _ENUMS else f"`{name}`" for name in _SCHEMA.names
    )
    found: dict[tuple[str, int, int, int], tuple[dict[str, Any], int]] = {}
    for where, parameters in event_conditions(events):
        # A claim lies under each of its keys; of one without an identifier there is its session.
        once = f"(key = token OR token = {_NOTHING} AND key = `group`)"
        rows = index.query_arrow(
            f"SELECT {columns}, {_EVENT_NUMBER} AS event_number FROM identity_claims WHERE {where} AND {once}",
            parameters,
        )
        typed = zip(_SCHEMA.names, _SCHEMA.types, strict=True)
        table = pa.table([rows[name].cast(kind) for name, kind in typed], _SCHEMA)
        for row, event in zip(table.to_pylist(), rows["event_number"].to_pylist(), strict=True):
            place = (row["topic"], row["partition"], row["offset"], row["part"])
            if place not in found or row["learnt_at"] < found[place][0]["learnt_at"]:
                found[place] = row, event
    return Leaving([row for row, _ in found.values()], [event for _, event in found.values()])


def keep_forgotten(index: ClickHouse, leaving: Leaving, own: Collection[bytes]) -> None:
    """Write what stays of claims that are about to go; `own`: the forgotten people's own identifiers, which are nobody
    else. Raises IndexUnavailable.

    Before the claims go: what a call that was interrupted between wrote of them says the same twice.
    """
    sessions = sessions_of(leaving.claims)
    shared = _shared(index, sessions, own, leaving.events)
    stays = [claim for number, session in enumerate(sessions) for claim in left_of(session, shared[number])]
    if stays:
        index.insert("identity_claims", keyed(pa.Table.from_pylist(stays, _SCHEMA)))


def tidy_forgotten(index: ClickHouse, left: Leaving) -> None:
    """Take away what stands for forgotten people near whom nobody is any more, since these claims left. Raises
    IndexUnavailable."""
    if not left.mentioned:
        return
    parameters: Parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', sorted(left.mentioned))}"
    sessions = f"SELECT `group` FROM identity_claims PREWHERE {under} WHERE {WAS_FORGOTTEN} AND key = token"
    rows = index.query(
        f"SELECT `group`, token, {_FIRST}, {_LAST} FROM identity_claims PREWHERE key IN ({sessions})"
        f" WHERE {WAS_FORGOTTEN} AND key = `group` GROUP BY `group`, token ORDER BY `group`",
        parameters,
    )
    asked = [(bytes(token), NOTHING, int(first), int(last)) for _, token, first, last in rows]
    groups = [bytes(row[0]) for row in rows]
    near = {groups[number] for number in _near(index, asked, (), ())}
    gone = set(groups) - near - _groups(index, groups, (), ()).keys()
    if gone:
        parameters = {}
        where = f"{WAS_FORGOTTEN} AND `group` IN {tokens_in(parameters, 'group', sorted(gone))}"
        take_out(index, "identity_claims", [(where, parameters)])


def _shared(
    index: ClickHouse, sessions: Sequence[Session], own: Collection[bytes], events: Sequence[int]
) -> Mapping[int, set[bytes]]:
    """By session, which of its identifiers somebody else has near it."""
    found = defaultdict[int, set[bytes]](set)
    asked, of = list[_Asked](), list[int]()
    for number, session in enumerate(sessions):
        first, last = _ms(session.held.first), _ms(session.held.last)
        for token in sorted(session.tokens):
            asked.append((token, session.subject, first, last))
            of.append(number)
    for place in _near(index, asked, own, events):
        found[of[place]].add(asked[place][0])
    groups = _groups(index, [session.group for session in sessions], own, events)
    for number, session in enumerate(sessions):
        if groups.get(session.group, set()) - {session.subject}:
            found[number].add(session.group)
    return found


def _groups(
    index: ClickHouse, groups: Collection[bytes], own: Collection[bytes], without: Sequence[int]
) -> Mapping[bytes, set[bytes]]:
    """Who else is known in these sessions and slots."""
    found = defaultdict[bytes, set[bytes]](set)
    asked = sorted(set(groups) - {NOTHING})
    if not asked:
        return found
    parameters: Parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', asked)}"
    where = _of_others(parameters, own, without)
    rows = index.query(
        f"SELECT DISTINCT `group`, subject FROM identity_claims PREWHERE {under} WHERE `group` = key AND {where}",
        parameters,
    )
    for group, subject in rows:
        found[bytes(group)].add(bytes(subject))
    return found


def _of_others(parameters: Parameters, own: Collection[bytes], without: Sequence[int]) -> str:
    """SQL for claims of somebody who is known and none of the people, and of none of these events."""
    where = f"NOT {WAS_FORGOTTEN}"
    if own:
        where += f" AND subject NOT IN {tokens_in(parameters, 'own', sorted(own))}"
    if without:
        where += f" AND {_EVENT_NUMBER} NOT IN {numbers_in(parameters, 'without', sorted(set(without)))}"
    return where


def _near(
    index: ClickHouse,
    asked: Sequence[_Asked],
    own: Collection[bytes],
    without: Sequence[int],
) -> list[int]:
    """Which of these somebody else than the subject has had nearby, by claims of other events than those that the
    numbers of `without` stand for."""
    if not asked:
        return []
    parameters: Parameters = {"near": _NEAR_MS}
    tokens = sorted({item[0] for item in asked})
    under = f"key IN {tokens_in(parameters, 'key', tokens)}"
    where = f"token = key AND {_of_others(parameters, own, without)}"
    listed = b"".join(_RECORD.pack(*item) for item in asked)
    mine = (
        f"WITH {blob(parameters, 'asked', listed)} AS joined SELECT intDiv(place, {_RECORD.size}) AS number,"
        f" toFixedString(substring(joined, place + 1, {TOKEN_BYTES}), {TOKEN_BYTES}) AS token,"
        f" toFixedString(substring(joined, place + {TOKEN_BYTES + 1}, {TOKEN_BYTES}), {TOKEN_BYTES}) AS subject,"
        f" reinterpretAsInt64(substring(joined, place + {2 * TOKEN_BYTES + 1}, 8)) AS first,"
        f" reinterpretAsInt64(substring(joined, place + {2 * TOKEN_BYTES + 9}, 8)) AS last"
        f" FROM (SELECT arrayJoin(range(0, {len(listed)}, {_RECORD.size})) AS place)"
    )
    theirs = (
        f"SELECT token, subject, {_FIRST} AS begun, {_LAST} AS ended FROM identity_claims"
        f" PREWHERE {under} WHERE {where} GROUP BY token, subject, `group`"
    )
    rows = index.query(
        f"SELECT DISTINCT number FROM ({mine}) AS mine INNER JOIN ({theirs}) AS theirs USING (token)"
        " WHERE mine.subject != theirs.subject"
        " AND ended + {near:Int64} >= first AND last + {near:Int64} >= begun ORDER BY number",
        parameters,
    )
    return [int(number) for (number,) in rows]


def _ms(moment: datetime) -> int:
    """`moment`: UTC without a zone; the latest of all is past all days of the index."""
    return _FOREVER if moment == LATEST else millis(moment.replace(tzinfo=UTC))
