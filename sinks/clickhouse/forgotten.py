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
from sinks.clickhouse.pairs import ClickHousePairs
from sinks.clickhouse.taking_out import take_out
from sinks.clickhouse.values import Parameters, blob, millis, numbers_in, tokens_in
from sinks.ports.forgotten import LATEST, NEAR, NO_TOPIC, Claim, Session, left_of, sessions_of
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING
from sinks.ports.same import SameTokens, pairs_around

_SCHEMA = KNOWN_CLAIM_SCHEMA.append(pa.field("key_id", pa.string()))
_ENUMS = frozenset({"form", "mark", "proof"})
_Asked = tuple[bytes, bytes, int, int]  # identifier, whose it is, from, until in ms
_RECORD = struct.Struct(f"<{TOKEN_BYTES}s{TOKEN_BYTES}sqq")
_NEAR_MS = NEAR // (datetime.resolution * 1_000)
_FOREVER = 2**62
_NOTHING = f"toFixedString(unhex('{NOTHING.hex()}'), {TOKEN_BYTES})"
_FIRST = "toUnixTimestamp64Milli(min(least(at, ifNull(since, at))))"
# As `sinks.ports.forgotten.held` has it; of claims on one identifier alone: at the latest so long.
_LAST = (
    f"if(argMax(mark = 'close' OR token = {_NOTHING}, at), toUnixTimestamp64Milli(max(at)),"
    f" ifNull(toUnixTimestamp64Milli(tupleElement(argMax(tuple(until), at), 1)), {_FOREVER}))"
)
_EVENT_NUMBER = f"cityHash64({EVENT})"
WAS_FORGOTTEN = f"topic = '{NO_TOPIC}'"
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
        return self._tokens("token", "subject")

    @property
    def shareable(self) -> set[bytes]:
        """The tokens that others' claims may have too: what was observed, sessions and slots."""
        return self._tokens("token", "group")

    def _tokens(self, *columns: str) -> set[bytes]:
        return {claim[name] for claim in self.claims for name in columns} - {NOTHING}


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
    same = _same(index, {*leaving.mentioned, *leaving.shareable, *own})
    sessions = sessions_of(leaving.claims, same)
    shared = _shared(index, sessions, _Others(same, same.every(own), leaving.events))
    stays = [claim for number, session in enumerate(sessions) for claim in left_of(session, shared[number])]
    if stays:
        index.insert("identity_claims", keyed(pa.Table.from_pylist(stays, _SCHEMA)))


def tidy_forgotten(index: ClickHouse, left: Leaving) -> None:
    """Take away what stands for forgotten people near whom nobody is any more, since these claims left. Raises
    IndexUnavailable."""
    if not left.shareable:
        return
    same = _same(index, left.shareable)
    parameters: Parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', sorted(same.every(left.shareable)))}"
    found = index.query(
        f"SELECT DISTINCT `group` FROM identity_claims PREWHERE {under} WHERE {WAS_FORGOTTEN}", parameters
    )
    groups = {bytes(group) for (group,) in found}
    if not groups:
        return
    same = _same(index, {*left.shareable, *groups})
    parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', sorted(same.every(groups)))}"
    rows = index.query(
        f"SELECT `group`, groupUniqArray(token), {_FIRST}, {_LAST} FROM identity_claims PREWHERE {under}"
        f" WHERE {WAS_FORGOTTEN} AND key = `group` GROUP BY `group` ORDER BY `group`",
        parameters,
    )
    same = _same(index, {*groups, *(bytes(token) for row in rows for token in row[1])})
    others = _Others(same)
    asked = [
        (same.name(bytes(token)), NOTHING, int(first), int(last), same.name(bytes(group)))
        for group, tokens, first, last in rows
        for token in tokens
    ]
    near = {asked[place][-1] for place in _near(index, [item[:-1] for item in asked], others)}
    near |= _groups(index, groups, others).keys()
    gone = [group for group in sorted(same.every(groups)) if same.name(group) not in near]
    if gone:
        parameters = {}
        where = f"{WAS_FORGOTTEN} AND `group` IN {tokens_in(parameters, 'group', gone)}"
        take_out(index, "identity_claims", [(where, parameters)])


@dataclass(frozen=True)
class _Others:
    """Whose claims are those of somebody else: of nobody in `own` and of none of the events that the numbers in
    `without` stand for, tokens under several keys joined by `same`."""

    same: SameTokens
    own: Collection[bytes] = ()
    without: Sequence[int] = ()

    def condition(self, parameters: Parameters) -> str:
        """SQL for claims of other events that are not of what was forgotten."""
        where = f"NOT {WAS_FORGOTTEN}"
        if self.without:
            where += (
                f" AND {_EVENT_NUMBER} NOT IN {numbers_in(parameters, 'without', sorted({*self.without}))}"
            )
        return where

    def known(self, parameters: Parameters) -> str:
        """SQL for a subject that is somebody, and none of the people."""
        where = f"subject != {_NOTHING}"
        if self.own:
            where += f" AND subject NOT IN {tokens_in(parameters, 'own', sorted(self.own))}"
        return where


def _same(index: ClickHouse, tokens: Collection[bytes]) -> SameTokens:
    """The tokens of the same identifiers under all keys: while these change, others' claims may be of another one."""
    return SameTokens.joined_by(pairs_around(ClickHousePairs(index), tokens))


def _name(same: SameTokens, column: str, parameters: Parameters) -> str:
    """SQL for the names of the tokens in a column."""
    if not same.groups:
        return column
    tokens = sorted(same.groups)
    listed = [
        f"arrayMap(place -> toFixedString(substring({blob(parameters, name, b''.join(some))}, place + 1,"
        f" {TOKEN_BYTES}), {TOKEN_BYTES}), range(0, {len(tokens) * TOKEN_BYTES}, {TOKEN_BYTES}))"
        for name, some in (("several", tokens), ("named", [same.name(token) for token in tokens]))
    ]
    return f"transform({column}, {listed[0]}, {listed[1]}, {column})"


def _shared(index: ClickHouse, sessions: Sequence[Session], others: _Others) -> Mapping[int, set[bytes]]:
    """By session, the names of those of its identifiers that somebody else has near it."""
    found = defaultdict[int, set[bytes]](set)
    asked, of = list[_Asked](), list[int]()
    for number, session in enumerate(sessions):
        first, last = _ms(session.held.first), _ms(session.held.last)
        for token in sorted(session.tokens):
            asked.append((token, session.subject, first, last))
            of.append(number)
    for place in _near(index, asked, others):
        found[of[place]].add(asked[place][0])
    groups = _groups(index, {session.group for session in sessions}, others)
    for number, session in enumerate(sessions):
        if groups.get(session.group, set()) - {session.subject}:
            found[number].add(session.group)
    return found


def _groups(index: ClickHouse, groups: Collection[bytes], others: _Others) -> Mapping[bytes, set[bytes]]:
    """Who else is known in these sessions and slots."""
    found = defaultdict[bytes, set[bytes]](set)
    same = others.same
    asked = sorted(same.every(groups) - {NOTHING})
    if not asked:
        return found
    parameters: Parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', asked)}"
    where = f"{others.condition(parameters)} AND {others.known(parameters)}"
    rows = index.query(
        f"SELECT DISTINCT `group`, subject FROM identity_claims PREWHERE {under} WHERE `group` = key AND {where}",
        parameters,
    )
    for group, subject in rows:
        found[same.name(bytes(group))].add(same.name(bytes(subject)))
    return found


def _near(index: ClickHouse, asked: Sequence[_Asked], others: _Others) -> list[int]:
    """Which of these somebody else than the subject has had nearby."""
    if not asked:
        return []
    parameters: Parameters = {"near": _NEAR_MS}
    same = others.same
    tokens = sorted(same.every(item[0] for item in asked))
    under = f"key IN {tokens_in(parameters, 'key', tokens)}"
    if same.groups:
        # Reports of one session may be of two keys as well.
        rows = index.query(f"SELECT DISTINCT `group` FROM identity_claims PREWHERE {under}", parameters)
        sessions = _same(index, {bytes(group) for (group,) in rows})
        same = SameTokens({**same.groups, **sessions.groups})
    token, group, subject = (_name(same, name, parameters) for name in ("token", "`group`", "subject"))
    listed = b"".join(_RECORD.pack(*item) for item in asked)
    mine = (
        f"WITH {blob(parameters, 'asked', listed)} AS joined SELECT intDiv(place, {_RECORD.size}) AS number,"
        f" toFixedString(substring(joined, place + 1, {TOKEN_BYTES}), {TOKEN_BYTES}) AS identifier,"
        f" toFixedString(substring(joined, place + {TOKEN_BYTES + 1}, {TOKEN_BYTES}), {TOKEN_BYTES}) AS whose,"
        f" reinterpretAsInt64(substring(joined, place + {2 * TOKEN_BYTES + 1}, 8)) AS first,"
        f" reinterpretAsInt64(substring(joined, place + {2 * TOKEN_BYTES + 9}, 8)) AS last"
        f" FROM (SELECT arrayJoin(range(0, {len(listed)}, {_RECORD.size})) AS place)"
    )
    theirs = (
        f"SELECT {token} AS identifier, {group} AS session, if(session = {_NOTHING}, {subject}, {_NOTHING}) AS login,"
        f" countIf(subject != {_NOTHING}) AS named, groupUniqArrayIf({subject}, {others.known(parameters)}) AS people,"
        f" {_FIRST} AS begun, {_LAST} AS ended FROM identity_claims"
        f" PREWHERE {under} WHERE token = key AND {others.condition(parameters)} GROUP BY identifier, session, login"
    )
    found = index.query(
        f"SELECT DISTINCT number FROM ({mine}) AS mine INNER JOIN ({theirs}) AS theirs USING (identifier)"
        " WHERE (theirs.named = 0 OR arrayExists(person -> person != mine.whose, theirs.people))"
        " AND ended + {near:Int64} >= first AND last + {near:Int64} >= begun ORDER BY number",
        parameters,
    )
    return [int(number) for (number,) in found]


def _ms(moment: datetime) -> int:
    """`moment`: UTC without a zone; the latest of all is past all days of the index."""
    return _FOREVER if moment == LATEST else millis(moment.replace(tzinfo=UTC))
