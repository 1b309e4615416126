"""Events that concern several people: lineage is sorted by person, `lineage_by_event` has such rows by event."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.vocabulary import Role
from sinks.clickhouse.spans import Piece, matching
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.lineage import LineageBatch, Others

_T = TypeVar("_T")
EVENT = "topic, partition, offset"
Event = tuple[str, int, int]  # topic, partition, offset
COLUMNS = ("topic", "partition", "offset", "role", "token")

# In one statement that deletes: as `sinks.clickhouse.spans` says of its own.
_EVENTS_AT_ONCE = 2_000
_PLACES_AT_ONCE = 500


def rows_by_event(batch: LineageBatch) -> pa.Table:
    """The rows of a batch that `lineage_by_event` takes: of events with another role than owner, with several people
    in one role, or with findings."""
    rows = batch.rows
    other = rows["role"].to_numpy() != Role.OWNER.code
    if crowded := [tags.id for tags in batch.tag_sets if tags.several]:
        other = other | np.isin(rows["tag_set"].to_numpy(), np.array(crowded, np.uint64))
    if not other.any() and not batch.findings.num_rows:
        return rows.select(COLUMNS).slice(0, 0)
    wanted = _offsets(rows.filter(pa.array(other)))
    for where, offsets in _offsets(batch.findings).items():
        wanted[where] = np.concatenate([wanted[where], offsets]) if where in wanted else offsets
    chosen = np.zeros(rows.num_rows, np.bool_)
    topics, partitions = rows["topic"].cast(pa.string()), rows["partition"]
    for (topic, partition), offsets in wanted.items():
        here = pc.and_(pc.equal(topics, topic), pc.equal(partitions, partition)).to_numpy()
        chosen[here] = np.isin(rows["offset"].to_numpy()[here], offsets)
    return rows.select(COLUMNS).filter(pa.array(chosen))


def _offsets(rows: pa.Table) -> dict[tuple[str, int], np.ndarray]:
    """The offsets in the rows, by topic and partition."""
    if not rows.num_rows:
        return {}
    # The aggregation wants plain text, and one value for each group.
    plain = pa.table({"t": rows["topic"].cast(pa.string()), "p": rows["partition"], "o": rows["offset"]})
    grouped = plain.group_by(["t", "p"]).aggregate([("o", "distinct")]).to_pydict()
    places = zip(grouped["t"], grouped["p"], grouped["o_distinct"], strict=True)
    return {(topic, partition): np.array(offsets, np.int64) for topic, partition, offsets in places}


def others(
    parts: Sequence[Piece],
    rows: str,
    parameters: Parameters,
    tag_set: str = "tag_set",
    *,
    crowded: Sequence[int] = (),
    several_keys: bool = False,
) -> str:
    """SQL for `sinks.ports.lineage.Others`: which question, tag set, roles, others, known, events.

    `rows`: as `matching` takes them; `tag_set`: by what the tag set of a row goes; `crowded`: tag sets of rows beside
    which others stand in the same role; `several_keys`: a claim may be of the token under another key.
    """
    parameters["crowded"] = list(crowded)
    mine = (
        f"SELECT asked, {EVENT}, token, role, {tag_set} AS tags, tag_set IN {{crowded:Array(UInt64)}} AS among"
        f" FROM ({matching(parts, rows, parameters)})"
    )
    named = f"SELECT {EVENT}, role, token FROM lineage_by_event WHERE ({EVENT}) IN (SELECT {EVENT} FROM mine)"
    claimed = "SELECT key FROM identity_claims WHERE key IN (SELECT token FROM named)"
    if several_keys:
        pairs = "FROM token_pairs WHERE token IN (SELECT token FROM named)"
        keys = f"SELECT key FROM identity_claims WHERE key IN (SELECT other {pairs})"
        claimed += f" UNION ALL SELECT token {pairs} AND other IN ({keys})"
    per_event = (
        f"SELECT asked, {EVENT}, any(person.tag_sets) AS theirs, any(person.roles) AS stands,"
        " arraySort(groupUniqArray(other.role)) AS others,"
        f" arraySort(groupUniqArrayIf(other.role, other.token IN ({claimed}))) AS known"
        f" FROM (SELECT asked, {EVENT}, groupUniqArray(tags) AS tag_sets, arraySort(groupUniqArray(role)) AS roles,"
        " groupUniqArrayIf(role, among) AS shared,"
        f" groupArray((role, token)) AS own FROM mine GROUP BY asked, {EVENT})"
        " AS person"
        f" INNER JOIN named AS other USING ({EVENT})"
        " WHERE NOT has(person.own, (other.role, other.token))"
        # In one role stands one person, by whatever identifiers, unless they are mentioned or the row says otherwise.
        " AND (other.role = 'mentioned' OR has(person.shared, other.role) OR NOT has(person.roles, other.role))"
        f" GROUP BY asked, {EVENT}"
    )
    return (
        f"WITH mine AS MATERIALIZED ({mine}), named AS MATERIALIZED ({named})"
        " SELECT asked, arrayJoin(theirs) AS tag_set, stands, others, known, count()"
        f" FROM ({per_event}) GROUP BY asked, tag_set, stands, others, known ORDER BY ALL"
    )


def beside(parts: Sequence[Piece], rows: str, parameters: Parameters) -> tuple[str, str]:
    """Two statements. The first: how many rows are under the pieces, and their first and last time in milliseconds.

    The second, with these two as the parameters `first` and `last`: `sinks.ports.lineage.BESIDE_SCHEMA`. `rows`: as
    `matching` takes them.
    """
    mine = f"(SELECT * FROM ({matching(parts, rows, parameters)}) WHERE role != 'mentioned')"
    bounds = f"SELECT count(), min(moment), max(moment) FROM {mine}"
    others = f"SELECT {EVENT}, role, token, event_time FROM {rows_in(mine)}"
    found = (
        "SELECT hex(m.token), hex(o.token), toUnixTimestamp64Milli(min(o.event_time))"
        f" FROM ({others}) AS o INNER JOIN (SELECT {EVENT}, role, token FROM {mine}) AS m"
        " USING (topic, partition, offset, role) WHERE o.token != m.token"
        " GROUP BY m.token, o.token, toDate(o.event_time)"
    )
    return bounds, found


def rows_in(events: str) -> str:
    """SQL for the rows of lineage in the events, which are SQL; all lie between the parameters `first` and `last`, in
    milliseconds.

    Lineage is sorted by person. The offsets are the one column that is read whole; a year that has none of the events
    is left out.
    """
    return (
        f"lineage PREWHERE offset IN (SELECT offset FROM ({events}))"
        " WHERE event_time >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')"
        " AND event_time <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')"
        f" AND ({EVENT}) IN (SELECT {EVENT} FROM ({events}))"
    )


def to_others(row: Sequence[Any]) -> Others:
    """From a row of `others`."""
    _, tag_set, roles, named, known, events = row
    return Others(int(tag_set), _roles(roles), _roles(named), _roles(known), int(events))


def _roles(names: Iterable[str]) -> frozenset[Role]:
    return frozenset(Role(str(name)) for name in names)


def event_conditions(events: Sequence[Event]) -> Iterator[tuple[str, Parameters]]:
    """The events as conditions on a row, a few at once."""
    for chunk in _chunks(events):
        yield _in_events(chunk)


def place_conditions(places: Iterable[tuple[Event, bytes]]) -> Iterator[tuple[str, Parameters]]:
    """Rows of events under tokens as conditions, a few at once: each event under its own tokens alone."""
    ordered = sorted(places)
    for start in range(0, len(ordered), _PLACES_AT_ONCE):
        chunk = ordered[start : start + _PLACES_AT_ONCE]
        events, tokens = {event for event, _ in chunk}, {token for _, token in chunk}
        text, parameters = _in_events(events)
        listed = tokens_in(parameters, "token", sorted(tokens))
        if len(events) > 1 and len(tokens) > 1:
            # Somebody who has a place in one of the events may stand in another one, and stay there.
            parameters["places"] = [place_of(event, token) for event, token in chunk]
            text += f" AND {PLACE} IN {{places:Array(UInt64)}}"
        yield f"token IN {listed} AND {text}", parameters


def in_roles(places: Mapping[str, Iterable[tuple[Event, bytes]]]) -> Iterator[tuple[str, Parameters]]:
    """The rows of events under tokens, by role, as conditions."""
    for role, some in places.items():
        for where, parameters in place_conditions(some):
            yield f"role = {{role:String}} AND {where}", {**parameters, "role": role}


# A place as one number, since 500 have to fit into an address of 64 KiB. Half of a token is 64 bits of an HMAC, so
# it is less likely than one in 10^11 that one of 250,000 other pairs has the number of one of 500 places.
PLACE = (
    "(reinterpretAsUInt64(substring(token, 1, 8)) + toUInt64(CRC32(topic)) * 11400714819323198485"
    " + toUInt64(partition) * 14029467366897019727 + toUInt64(offset) * 1609587929392839161)"
)


def place_of(event: Event, token: bytes) -> int:
    """What `PLACE` is of a row of that event under that token."""
    topic, partition, offset = event
    number = int.from_bytes(token[:8], "little") + zlib.crc32(topic.encode()) * 11400714819323198485
    return (number + partition * 14029467366897019727 + offset * 1609587929392839161) % 2**64


def _chunks(items: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(items), _EVENTS_AT_ONCE):
        yield list(items[start : start + _EVENTS_AT_ONCE])


def _in_events(events: Iterable[Event]) -> tuple[str, Parameters]:
    by_partition: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for topic, partition, offset in events:
        by_partition[topic, partition].add(offset)
    parameters: Parameters = {}
    texts = []
    for number, ((topic, partition), offsets) in enumerate(by_partition.items()):
        parameters |= {
            f"topic{number}": topic,
            f"partition{number}": partition,
            f"offsets{number}": sorted(offsets),
        }
        texts.append(
            f"topic = {{topic{number}:String}} AND partition = {{partition{number}:Int32}}"
            f" AND offset IN {{offsets{number}:Array(Int64)}}"
        )
    return f"(({') OR ('.join(texts)}))", parameters
