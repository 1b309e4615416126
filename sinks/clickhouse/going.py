"""What goes when people are forgotten: read from the index, for many questions in one statement each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any

from schemas.tags import TagSet
from sinks.clickhouse.by_event import EVENT, Event, event_conditions, place_conditions, rows_in
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.known import EVERYTHING, Condition
from sinks.clickhouse.many import of_each
from sinks.clickhouse.pairs import same_tokens
from sinks.clickhouse.reader import rows_of
from sinks.clickhouse.spans import matching, of_another, of_questions, pieces_each, tokens_of
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.erasure import RecordsGone, ToForget

Place = tuple[Event, bytes]
"""Event and token of a row."""
Standing = tuple[str, Place]
"""A row: its role, and where it is."""
HANGING = ("identity_claims", "retained_claims", "findings", "clock_events", "fact_events", "record_keys")
"""Tables of what hangs on events."""


class Going:
    """What goes by each of the questions. `crowded`: tag sets of rows beside which others stand in the same role.
    `known`: of which rows anything goes; the others stay.

    `parts`, `tokens`: of all. `tokens_each`, `own`: of each, and of these the person's own. `removing`, `narrower`: of
    each, the tag sets whose rows go, and those whose rows take a narrower one.
    """

    def __init__(
        self,
        index: ClickHouse,
        questions: Sequence[ToForget],
        crowded: Sequence[int],
        known: Condition = EVERYTHING,
    ) -> None:
        self._index = index
        self.known = known
        self._questions = list(questions)
        self._gone = [item.gone for item in questions]
        self._crowded = list(crowded)
        self.parts = pieces_each(item.spans for item in questions)
        self.tokens = tokens_of(self.parts)
        self.tokens_each = [{span.token for span in item.spans} for item in questions]
        self.own = [{span.token for span in item.spans if span.proof is None} for item in questions]
        decided = [_decided(item.kept) for item in questions]
        self.removing = [removing for removing, _ in decided]
        self.narrower = [narrower for _, narrower in decided]

    def in_turn(self) -> list[list[int]]:
        """The questions in portions of which no two have a token in common, in the order that these have then."""
        return in_turn(self.tokens_each)

    def only(self, numbers: Sequence[int]) -> Going:
        """The same, of these questions alone."""
        if len(numbers) == len(self._questions):
            return self
        return Going(self._index, [self._questions[number] for number in numbers], self._crowded, self.known)

    def rows(self) -> list[tuple[int, int]]:
        """Of each, how many rows go and how many are narrowed."""
        found = [(0, 0)] * len(self.removing)
        narrower = [list(item) for item in self.narrower]
        every = sorted({item for each in (*self.removing, *narrower) for item in each})
        if not self.parts or not every:
            return found
        parameters: Parameters = {"counted": every}
        rows = self._rows("tag_set IN {counted:Array(UInt64)}", parameters)
        going = of_each(self.removing, parameters, "going")
        narrowed = of_each(narrower, parameters, "narrowed")
        for asked, removed, kept in self._index.query(
            f"SELECT asked, countIf({going}), countIf({narrowed})"
            f" FROM ({matching(self.parts, rows, parameters)}) GROUP BY asked",
            parameters,
        ):
            found[int(asked)] = int(removed), int(kept)
        return found

    def besides(self) -> list[set[Standing]]:
        """Of each, the rows that go besides the person's own."""
        found: list[set[Standing]] = [set() for _ in self.removing]
        if not self.parts or not any(self.removing):
            return found
        for records in dict.fromkeys(item for gone in self._gone for item in gone.values()):
            for asked, row in self._others_of(records):
                found[asked].add(row)
        for asked, row in self._beside():
            found[asked].add(row)
        return found

    def rows_there(self, standing: Sequence[Collection[Standing]]) -> list[int]:
        """Of each, how many of these rows there are."""
        there: set[Standing] = set()
        # Each event and token apart, as the rows are read by token and the events of each are few.
        for where, parameters in place_conditions({place for some in standing for _, place in some}):
            there |= {
                (str(role), (_event(event), bytes(token)))
                for *event, token, role in self._index.query(
                    f"SELECT DISTINCT {EVENT}, token, toString(role) FROM lineage WHERE {where}", parameters
                )
            }
        return [len(there.intersection(some)) for some in standing]

    def sharing(self) -> set[tuple[int, int]]:
        """Pairs of questions that have an event in common, the lower number first."""
        parameters: Parameters = {}
        rows = self._mine(parameters)
        found = self._index.query(
            "SELECT DISTINCT arraySort(groupUniqArray(asked)) AS whose"
            f" FROM ({rows}) GROUP BY {EVENT} HAVING length(whose) > 1",
            parameters,
        )
        return {
            (int(one), int(other))
            for (whose,) in found
            for place, one in enumerate(whose)
            for other in whose[place + 1 :]
        }

    def _rows(self, where: str, parameters: Parameters) -> str:
        """SQL for the known rows of all tokens that meet `where`."""
        text, values = self.known
        parameters |= values
        return rows_of(self.tokens, f"{where} AND {text}", parameters)

    def _mine(self, parameters: Parameters) -> str:
        """SQL for the known rows under the spans of each."""
        return f"SELECT * FROM ({matching(self.parts, self._rows('1', parameters), parameters)})"

    def _removed(self, parameters: Parameters) -> str:
        """SQL for the rows that go by each."""
        going = of_each(self.removing, parameters, "removing")
        return f"SELECT * FROM ({self._mine(parameters)}) WHERE {going}"

    def _others_of(self, records: RecordsGone) -> list[tuple[int, Standing]]:
        """Rows of others in events whose record is gone in that way."""
        parameters: Parameters = {
            "roles": sorted(records.roles),
            "stayed_for": sorted(records.stayed_for),
            "crowded": self._crowded,
        }
        ending = [
            [item for item in removing if gone.get(item) == records]
            for removing, gone in zip(self.removing, self._gone, strict=True)
        ]
        if not any(ending):
            return []
        mine = self._mine(parameters)
        theirs = (
            f"{of_each(ending, parameters, 'ending')} AND toString(role) IN {{roles:Array(String)}}"
            # What names another customer is theirs, and no record of the person's that a system deletes.
            f" AND NOT {of_another(self.parts, parameters)}"
        )
        person = (
            f"SELECT asked, {EVENT}, groupUniqArray((role, token)) AS own,"
            " groupUniqArrayIf(role, tag_set NOT IN {crowded:Array(UInt64)}) AS alone"
            f" FROM ({mine}) GROUP BY asked, {EVENT} HAVING countIf({theirs}) > 0"
        )
        # As a value, which is worked out once: it is asked for several times.
        ended = f"SELECT groupUniqArray((toString(topic), partition, offset, moment)) FROM ({mine}) WHERE {theirs}"
        everybody = self._everybody(ended, parameters)
        by_event = (
            f"SELECT {EVENT}, groupUniqArray((role, token)) AS everybody FROM ({everybody}) GROUP BY {EVENT}"
        )
        rows = self._index.query(
            f"WITH ({ended}) AS ended SELECT asked, {EVENT}, other.2 AS token, toString(other.1) AS stands,"
            " has(alone, other.1) AS beside FROM"
            f" (SELECT asked, {EVENT}, alone, arrayFilter(item -> NOT has(own, item), everybody) AS others"
            f" FROM ({person}) AS p INNER JOIN ({by_event}) AS e USING ({EVENT})"
            # In the person's own role stands nobody else, unless the row says so.
            " WHERE NOT arrayExists(item -> toString(item.1) IN {stayed_for:Array(String)}"
            " AND NOT has(alone, item.1), others)) ARRAY JOIN others AS other",
            parameters,
        )
        customers = self._customers({bytes(row[4]) for row in rows if row[6]})
        # Another customer in the person's own role: it is theirs, and something of the person stands on it.
        return _standing(row[:6] for row in rows if not (row[6] and bytes(row[4]) in customers))

    def _everybody(self, ended: str, parameters: Parameters) -> str:
        """SQL for the rows of everybody in the events of `ended`, a value that is SQL for an array of event and
        `moment`; adds to the parameters."""
        columns = f"{EVENT}, role, token"
        these = (
            "SELECT item.1 AS topic, item.2 AS partition, item.3 AS offset, item.4 AS moment"
            " FROM (SELECT arrayJoin(ended) AS item)"
        )
        by_event = (
            f"SELECT {columns} FROM lineage_by_event WHERE ({EVENT}) IN (SELECT {EVENT} FROM ({these}))"
        )
        # It has no event of owners alone.
        ((count, first, last),) = self._index.query(
            f"WITH ({ended}) AS ended SELECT count(), min(moment), max(moment) FROM ({these})"
            f" WHERE ({EVENT}) NOT IN (SELECT {EVENT} FROM ({by_event}))",
            parameters,
        )
        if not count:
            return by_event
        parameters |= {"first": int(first), "last": int(last)}
        return f"{by_event} UNION ALL SELECT {columns} FROM {rows_in(these)}"

    def _customers(self, tokens: Collection[bytes]) -> set[bytes]:
        """Those of the tokens to whom a claim leads, of whatever key it is."""
        if not tokens:
            return set()
        same = same_tokens(self._index, tokens)
        parameters: Parameters = {}
        # A claim lies under its subject as well.
        listed = tokens_in(parameters, "token", sorted(same.every(tokens)))
        rows = self._index.query(
            f"SELECT DISTINCT subject FROM identity_claims WHERE key IN {listed} AND subject = key",
            parameters,
        )
        return same.every(bytes(token) for (token,) in rows)

    def _beside(self) -> list[tuple[int, Standing]]:
        """Where another identifier of the person has an event of theirs in the same role, outside its span.

        The report that ends a session is of the moment from which on the address is nobody's.
        """
        alone = [[item for item in removing if item not in self._crowded] for removing in self.removing]
        if not any(alone):
            return []
        parameters: Parameters = {"alone": sorted({item for removing in alone for item in removing})}
        rows = self._rows("tag_set IN {alone:Array(UInt64)}", parameters)
        going = of_each(alone, parameters, "going")
        mine = (
            f"SELECT asked, {EVENT}, role, groupUniqArray(token) AS own"
            f" FROM ({matching(self.parts, rows, parameters)}) WHERE {going} GROUP BY asked, {EVENT}, role"
        )
        found = self._index.query(
            f"SELECT DISTINCT asked, {EVENT}, token, toString(role)"
            f" FROM (SELECT * FROM ({of_questions(self.parts, rows, parameters)}) WHERE {going}) AS r"
            f" INNER JOIN ({mine}) AS m USING (asked, {EVENT}, role) WHERE NOT has(own, token)",
            parameters,
        )
        return _standing(found)

    def by_event(self) -> dict[str, set[Place]]:
        """By role the places in `lineage_by_event` of the rows that go."""
        parameters: Parameters = {}
        removed = self._removed(parameters)
        rows = self._index.query(
            f"WITH removed AS MATERIALIZED ({removed})"
            f" SELECT DISTINCT {EVENT}, token, toString(role) FROM lineage_by_event"
            f" WHERE ({EVENT}) IN (SELECT {EVENT} FROM removed)"
            f" AND ({EVENT}, role, token) IN (SELECT {EVENT}, role, token FROM removed)",
            parameters,
        )
        return by_role((str(role), (_event(event), bytes(token))) for *event, token, role in rows)

    def leaving(self) -> dict[str, dict[Event, int]]:
        """By each of the tables that hang on events, those named in it that lose all rows they have, and by which of
        the questions: for findings any row, else those under a person's tokens. No two of the questions may have an
        event in common."""
        parameters: Parameters = {}
        removed = f"removed AS MATERIALIZED ({self._removed(parameters)})"
        named = " UNION ALL ".join(
            f"SELECT {EVENT}, '{table}' AS hanging FROM {table} WHERE ({EVENT}) IN (SELECT {EVENT} FROM removed)"
            for table in HANGING
        )
        found: dict[str, list[Event]] = {table: [] for table in HANGING}
        for *place, table in self._index.query(
            f"WITH {removed} SELECT DISTINCT {EVENT}, hanging FROM ({named})", parameters
        ):
            found[str(table)].append(_event(place))
        if not any(found.values()):
            return {table: {} for table in found}
        among = f"({EVENT}) IN (SELECT {EVENT} FROM named)"
        rows = of_questions(self.parts, f"({rows_not_merged(self.tokens, among, parameters)})", parameters)
        counted = self._index.query(
            f"WITH {removed}, named AS MATERIALIZED ({named}) SELECT asked, {EVENT}, sum(leave), sum(have) FROM"
            f" (SELECT asked, {EVENT}, count() AS leave, 0 AS have FROM removed WHERE {among}"
            f" GROUP BY asked, {EVENT}"
            # Not FINAL, which would merge the whole table: older versions of a row have its token and role.
            f" UNION ALL SELECT asked, {EVENT}, 0 AS leave, uniqExact(token, role) AS have FROM ({rows})"
            f" GROUP BY asked, {EVENT}) GROUP BY asked, {EVENT} HAVING sum(leave) > 0",
            parameters,
        )
        leave, have, by = dict[Event, int](), dict[Event, int](), dict[Event, int]()
        for number, *place, going, there in counted:
            event = _event(place)
            leave[event], have[event], by[event] = int(going), int(there), int(number)
        there_of = dict.fromkeys(HANGING, have) | {"findings": self._rows_of_everybody(found["findings"])}
        return {
            table: {
                event: by[event]
                for event in sorted(events)
                if leave.get(event, 0) == there_of[table].get(event, 0) and event in by
            }
            for table, events in found.items()
        }

    def _rows_of_everybody(self, events: Sequence[Event]) -> dict[Event, int]:
        """How many rows each of these events has, which have findings."""
        have: dict[Event, int] = {}
        # Everybody's rows of an event with findings lie by event. Findings that came apart from the rows of their
        # event: nobody writes them so, and only then all is looked at.
        for table in ("lineage_by_event", "lineage"):
            for where, only in event_conditions([event for event in events if event not in have]):
                counted = (
                    f"SELECT {EVENT}, uniqExact(token, role) FROM {table} WHERE {where} GROUP BY {EVENT}"
                )
                for *place, count in self._index.query(counted, only):
                    have[_event(place)] = int(count)
        return have

    def staying(self) -> list[set[bytes]]:
        """Of each, the tokens under whose spans a row stays."""
        text, values = self.known
        parameters: Parameters = {**values}
        going = of_each(self.removing, parameters, "removing")
        every = matching(self.parts, rows_of(self.tokens, "1", parameters), parameters)
        rows = self._index.query(
            f"SELECT DISTINCT asked, token FROM ({every}) WHERE NOT ({going} AND {text})", parameters
        )
        found: list[set[bytes]] = [set() for _ in self.removing]
        for asked, token in rows:
            found[int(asked)].add(bytes(token))
        return found

    def years_of_versions(self) -> list[int]:
        """In which there are several versions of a row under the spans, of other tag sets."""
        parameters: Parameters = {}
        versions = rows_not_merged(self.tokens, "1", parameters)
        rows = self._index.query(
            "SELECT DISTINCT year FROM (SELECT toYear(event_time) AS year"
            f" FROM ({matching(self.parts, f'({versions})', parameters)})"
            " GROUP BY token, topic, partition, offset, role, year"
            " HAVING uniqExact(tag_set) > 1) ORDER BY year",
            parameters,
        )
        return [int(year) for (year,) in rows]


def rows_not_merged(tokens: Sequence[bytes], where: str, parameters: Parameters) -> str:
    """SQL for the rows of the tokens in all their versions."""
    return f"SELECT * FROM lineage PREWHERE token IN {tokens_in(parameters, 'token', tokens)} WHERE {where}"


def in_turn(of: Sequence[Set[object]]) -> list[list[int]]:
    """The places in portions of which no two have anything in common, in the order that these have then."""
    portions: list[list[int]] = []
    last: dict[object, int] = {}
    for place, keys in enumerate(of):
        portion = max((last[key] for key in keys if key in last), default=-1) + 1
        if portion == len(portions):
            portions.append([])
        portions[portion].append(place)
        last |= dict.fromkeys(keys, portion)
    return portions


def _event(row: Sequence[Any]) -> Event:
    topic, partition, offset = row
    return str(topic), int(partition), int(offset)


def by_role(rows: Iterable[Standing]) -> dict[str, set[Place]]:
    """The places by role: in another role the same person may stay."""
    found: defaultdict[str, set[Place]] = defaultdict(set)
    for role, place in rows:
        found[role].add(place)
    return found


def _standing(rows: Iterable[Sequence[Any]]) -> list[tuple[int, Standing]]:
    return [(int(asked), (str(role), (_event(event), bytes(token)))) for asked, *event, token, role in rows]


def _decided(kept: Mapping[int, TagSet | None]) -> tuple[list[int], dict[int, TagSet]]:
    """The tag sets whose rows go, and those whose rows take a narrower one."""
    removing = [tag_set for tag_set, narrowed in kept.items() if narrowed is None]
    narrower = {
        tag_set: narrowed
        for tag_set, narrowed in kept.items()
        if narrowed is not None and narrowed.id != tag_set
    }
    return removing, narrower
