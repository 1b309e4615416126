"""Claims of forgotten people on ClickHouse: read before they go, and what stays of them written. See
`sinks.ports.forgotten`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.by_event import EVENT, Event, event_conditions
from sinks.clickhouse.claims import keyed
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.nearby import Theirs, Wanted, near
from sinks.clickhouse.pairs import ClickHousePairs, named, same_tokens
from sinks.clickhouse.taking_out import take_out
from sinks.clickhouse.values import Parameters, millis, numbers_in, tokens_in
from sinks.ports.forgotten import (
    LATEST,
    NEAR,
    NO_TOPIC,
    Claim,
    Session,
    Sources,
    drawn_token,
    is_forgotten,
    left_of,
    sessions_of,
)
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING
from sinks.ports.same import SameTokens, pairs_around

_SCHEMA = KNOWN_CLAIM_SCHEMA.append(pa.field("key_id", pa.string()))
_ENUMS = frozenset({"form", "mark", "proof"})
_NEAR_MS = NEAR // (datetime.resolution * 1_000)
_FOREVER = 2**62
_NOTHING = f"toFixedString(unhex('{NOTHING.hex()}'), {TOKEN_BYTES})"
_FIRST = "toUnixTimestamp64Milli(min(least(at, ifNull(since, at))))"
_EVENT_NUMBER = f"cityHash64({EVENT})"
WAS_FORGOTTEN = f"topic = '{NO_TOPIC}'"
"""SQL for claims of which nobody can tell any more whose they were."""


@dataclass(frozen=True)
class Leaving:
    """Claims that are about to go: rows of `KNOWN_CLAIM_SCHEMA` with the `key_id` that made their tokens, each once.

    `events`: of each, a number that stands for its event. `own`: identifiers of the person whom they leave with, who is
    nobody else."""

    claims: Sequence[Claim]
    events: Sequence[int]
    own: Collection[bytes] = ()

    def parted(self, whose: Mapping[Event, int], own: Mapping[int, Collection[bytes]]) -> list[Leaving]:
        """Person by person, as `own` has them: those of the events that are of each by `whose`."""
        parts: dict[int, tuple[list[Claim], list[int]]] = {number: ([], []) for number in own}
        for claim, number in zip(self.claims, self.events, strict=True):
            claims, numbers = parts[whose[claim["topic"], claim["partition"], claim["offset"]]]
            claims.append(claim)
            numbers.append(number)
        return [Leaving(*part, own[number]) for number, part in parts.items()]

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
    found: dict[tuple[str, int, int, int], tuple[Claim, int]] = {}
    for where, parameters in event_conditions(events):
        # A claim lies under each of its keys; of one without an identifier there is its session.
        once = f"(key = token OR token = {_NOTHING} AND key = `group`)"
        for claim, event in _read(index, f"identity_claims WHERE {where} AND {once}", parameters):
            place = (claim["topic"], claim["partition"], claim["offset"], claim["part"])
            if place not in found or claim["learnt_at"] < found[place][0]["learnt_at"]:
                found[place] = claim, event
    return Leaving([claim for claim, _ in found.values()], [event for _, event in found.values()])


def _read(index: ClickHouse, source: str, parameters: Parameters) -> Iterable[tuple[Claim, int]]:
    """Claims with a number that stands for the event of each."""
    columns = ", ".join(
        f"toInt8({name}) AS {name}" if name in _ENUMS else f"`{name}`" for name in _SCHEMA.names
    )
    rows = index.query_arrow(f"SELECT {columns}, {_EVENT_NUMBER} AS event_number FROM {source}", parameters)
    typed = zip(_SCHEMA.names, _SCHEMA.types, strict=True)
    table = pa.table([rows[name].cast(kind) for name, kind in typed], _SCHEMA)
    return zip(table.to_pylist(), rows["event_number"].to_pylist(), strict=True)


def keep_forgotten(index: ClickHouse, leaving: Sequence[Leaving], sources: Sources) -> None:
    """Write what stays of claims that are about to go, person by person. Raises IndexUnavailable.

    Before the claims go: what a call that was interrupted between wrote of them says the same twice.
    """
    tokens = set[bytes]().union(*({*item.mentioned, *item.shareable, *item.own} for item in leaving))
    pairs = pairs_around(ClickHousePairs(index), tokens)
    same = SameTokens.joined_by(pairs)
    # Nobody is somebody else than by one of their own identifiers.
    people = SameTokens.joined_by(
        [*pairs, *((one, own, "") for item in leaving for one in list(item.own)[:1] for own in item.own)]
    )
    sessions = list[tuple[Session, bytes]]()
    for item in leaving:
        person = next((people.name(token) for token in item.own), NOTHING)
        sessions += ((session, person) for session in sessions_of(item.claims, same, sources))
    shared = _shared(
        index, sessions, _Others(same, people, sources, [x for item in leaving for x in item.events])
    )
    stays = [
        claim for number, (session, _) in enumerate(sessions) for claim in left_of(session, shared[number])
    ]
    if stays:
        index.insert("identity_claims", keyed(pa.Table.from_pylist(stays, _SCHEMA)))


def tidy_forgotten(index: ClickHouse, left: Leaving, sources: Sources) -> None:
    """Take away what stands for forgotten people near whom nobody is any more once these claims have left; of what
    stays, the identifiers that nobody else has then. Raises IndexUnavailable.

    Before the claims go: it is by them that a call which takes up an interrupted one finds what to look at.
    """
    if not left.shareable:
        return
    same = same_tokens(index, left.shareable)
    parameters: Parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', sorted(same.every(left.shareable)))}"
    found = index.query(
        f"SELECT DISTINCT `group` FROM identity_claims PREWHERE {under} WHERE {WAS_FORGOTTEN}", parameters
    )
    groups = {bytes(group) for (group,) in found}
    if not groups:
        return
    same = same_tokens(index, {*left.shareable, *groups})
    parameters = {}
    under = f"key IN {tokens_in(parameters, 'key', sorted(same.every(groups)))}"
    rows = index.query(
        f"SELECT `group`, groupUniqArray(token), {_FIRST}, {_last(sources, parameters)} FROM identity_claims"
        f" PREWHERE {under} WHERE {WAS_FORGOTTEN} AND key = `group` GROUP BY `group` ORDER BY `group`",
        parameters,
    )
    same = same_tokens(index, {*groups, *(bytes(token) for row in rows for token in row[1])})
    others = _Others(same, same, sources, left.events)
    asked, of = list[Wanted](), list[bytes]()
    for group, tokens, first, last in rows:
        for token in tokens:
            asked.append(Wanted(same.name(bytes(token)), NOTHING, NOTHING, int(first), int(last)))
            of.append(same.name(bytes(group)))
    shared = {(of[place], asked[place].identifier) for place in _near(index, asked, others)}
    stay = {group for group, _ in shared} | _groups(index, groups, others).keys()
    gone = [group for group in sorted(same.every(groups)) if same.name(group) not in stay]
    if gone:
        parameters = {}
        where = f"{WAS_FORGOTTEN} AND `group` IN {tokens_in(parameters, 'group', gone)}"
        take_out(index, "identity_claims", [(where, parameters)])
    every = {(group, item.identifier) for group, item in zip(of, asked, strict=True)}
    alone = {(group, token) for group, token in every if group in stay and not is_forgotten(token)} - shared
    _draw_anew(index, {(group, token) for group, token in alone if token != NOTHING}, same)


def _draw_anew(index: ClickHouse, which: Collection[tuple[bytes, bytes]], same: SameTokens) -> None:
    """Put drawn tokens in place of identifiers that nobody else has any more: by session and token what stands there.

    Under the session the old ones stand until the new ones take their places, so that a call that was interrupted
    between is taken up.
    """
    if not which:
        return
    parameters: Parameters = {}
    groups = tokens_in(parameters, "group", sorted(same.every(group for group, _ in which)))
    source = f"identity_claims FINAL PREWHERE key IN {groups} WHERE {WAS_FORGOTTEN} AND key = `group`"
    drawn = {item: drawn_token() for item in which}
    fresh = [
        {**claim, "token": drawn[place]}
        for claim, _ in _read(index, source, parameters)
        if (place := (same.name(claim["group"]), same.name(claim["token"]))) in drawn
    ]
    conditions = list[tuple[str, Parameters]]()
    for group, token in sorted(which):
        parameters = {}
        groups, tokens = (
            tokens_in(parameters, name, sorted(same.every([item])))
            for name, item in (("group", group), ("token", token))
        )
        conditions.append((f"{WAS_FORGOTTEN} AND `group` IN {groups} AND key IN {tokens}", parameters))
    take_out(index, "identity_claims", conditions)
    if fresh:
        index.insert("identity_claims", keyed(pa.Table.from_pylist(fresh, _SCHEMA)))


@dataclass(frozen=True)
class _Others:
    """Whose claims are those of somebody else: of none of the events that the numbers in `without` stand for. `same`
    joins tokens of several keys, `people` identifiers of one person too."""

    same: SameTokens
    people: SameTokens
    sources: Sources
    without: Sequence[int] = ()

    def condition(self, parameters: Parameters) -> str:
        """SQL for claims of other events that are not of what was forgotten."""
        where = f"NOT {WAS_FORGOTTEN}"
        if self.without:
            where += (
                f" AND {_EVENT_NUMBER} NOT IN {numbers_in(parameters, 'without', sorted({*self.without}))}"
            )
        return where


def _last(sources: Sources, parameters: Parameters) -> str:
    """SQL for the latest moment of a session, as `sinks.ports.forgotten.held` has it; of claims on one identifier alone
    at the latest so long."""
    limited = {
        name: (source.missed_reports, source.silence_seconds * 1_000)
        for name, source in sources.items()
        if source.silence_seconds is not None
    }
    parameters |= {
        "limited": list(limited),
        "missed": [missed for missed, _ in limited.values()],
        "silence": [silence for _, silence in limited.values()],
    }
    at, until = "toUnixTimestamp64Milli(at)", "toUnixTimestamp64Milli(assumeNotNull(until))"
    place = "indexOf({limited:Array(String)}, toString(source))"
    # A lease may be for ever: as numbers that do not run over.
    term = (
        f"least(arrayElement({{missed:Array(Int64)}}, {place}) * toFloat64({until} - {at}), {_FOREVER / 2})"
    )
    term = f"greatest(toInt64({term}), arrayElement({{silence:Array(Int64)}}, {place}))"
    silent = f"if(isNull(until) OR {place} = 0, toInt64({_FOREVER}), {at} + {term})"
    ended = f"(mark = 'close' OR token = {_NOTHING})"
    return f"argMax(if({ended}, {at}, {silent}), at)"


def _shared(
    index: ClickHouse, sessions: Sequence[tuple[Session, bytes]], others: _Others
) -> Mapping[int, set[bytes]]:
    """By session, the names of those of its identifiers that somebody else has near it; each with its person."""
    found = defaultdict[int, set[bytes]](set)
    asked, of = list[Wanted](), list[int]()
    for number, (session, person) in enumerate(sessions):
        first, last = _ms(session.held.first), _ms(session.held.last)
        for token in sorted(session.tokens):
            asked.append(Wanted(token, others.people.name(session.subject), person, first, last))
            of.append(number)
    for place in _near(index, asked, others):
        found[of[place]].add(asked[place].identifier)
    groups = _groups(index, {session.group for session, _ in sessions}, others)
    for number, (session, person) in enumerate(sessions):
        if groups.get(session.group, set()) - {others.people.name(session.subject), person}:
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
    rows = index.query(
        f"SELECT DISTINCT `group`, subject FROM identity_claims PREWHERE {under}"
        f" WHERE `group` = key AND subject != {_NOTHING} AND {others.condition(parameters)}",
        parameters,
    )
    for group, subject in rows:
        found[same.name(bytes(group))].add(others.people.name(bytes(subject)))
    return found


def _near(index: ClickHouse, asked: Sequence[Wanted], others: _Others) -> list[int]:
    """Which of these somebody else than the subject has had nearby."""
    if not asked:
        return []
    parameters: Parameters = {"near": _NEAR_MS}
    same = others.same
    tokens = sorted(same.every(item.identifier for item in asked))
    under = f"key IN {tokens_in(parameters, 'key', tokens)}"
    if same.groups:
        # Reports of one session may be of two keys as well.
        rows = index.query(f"SELECT DISTINCT `group` FROM identity_claims PREWHERE {under}", parameters)
        sessions = same_tokens(index, {bytes(group) for (group,) in rows})
        same = SameTokens({**same.groups, **sessions.groups})
    token, group = (named(same, name, parameters) for name in ("token", "`group`"))
    subject = named(others.people, "subject", parameters, "person_")
    parameters |= {"first": min(item.first for item in asked), "last": max(item.last for item in asked)}
    theirs = index.query(
        f"SELECT {token} AS identifier, {group} AS session, if(session = {_NOTHING}, {subject}, {_NOTHING}) AS login,"
        f" groupUniqArrayIf({subject}, subject != {_NOTHING}) AS people,"
        f" {_FIRST} AS begun, {_last(others.sources, parameters)} AS ended FROM identity_claims"
        f" PREWHERE {under} WHERE token = key AND {others.condition(parameters)} GROUP BY identifier, session, login"
        " HAVING ended + {near:Int64} >= {first:Int64} AND begun <= {last:Int64} + {near:Int64}",
        parameters,
    )
    sessions_there = (
        Theirs(bytes(identifier), frozenset(map(bytes, people)), int(begun), int(ended))
        for identifier, _, _, people, begun, ended in theirs
    )
    return near(asked, sessions_there, _NEAR_MS)


def _ms(moment: datetime) -> int:
    """`moment`: UTC without a zone; the latest of all is past all days of the index."""
    return _FOREVER if moment == LATEST else millis(moment.replace(tzinfo=UTC))
