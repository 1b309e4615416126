"""Makes the index forget a person's rows and what hangs on them, or narrow them to what is still held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, groupby

from schemas.tags import TagSet
from schemas.together import asked
from sinks.clickhouse.by_event import Event, event_conditions, in_roles
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.forgotten import Leaving, claims_of, keep_forgotten, tidy_forgotten
from sinks.clickhouse.going import Going, Standing, by_role, in_turn
from sinks.clickhouse.identifiers import Unmentioned
from sinks.clickhouse.known import Condition, known_by
from sinks.clickhouse.many import alike, at_once
from sinks.clickhouse.pairs import same_tokens
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.spans import conditions, token_conditions
from sinks.clickhouse.taking_out import hide, on_cluster, take_hidden_out, take_out
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.erasure import NOTHING_GONE, Forgotten, RecordsGone, ToForget
from sinks.ports.forgotten import Sources
from sinks.ports.lineage import Span


class ClickHouseEraser:
    """Contract: `sinks.ports.erasure.IndexEraserOfMany`."""

    def __init__(self, index: ClickHouse, sources: Sources | None = None) -> None:
        self._index = index
        self._sources: Sources = sources or {}
        self._writer = ClickHouseWriter(index)
        self._reader = ClickHouseReader(index)

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        return asked(self.going_each, ToForget(spans, kept, gone, known_at))

    def going_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        found = [Forgotten()] * len(questions)
        questions, crowded = self._of_every_key(questions)
        for places in alike([item.known_at for item in questions]):
            for some in at_once(
                places, [questions[place].spans for place in places], embedded=self._index.embedded
            ):
                known = known_by(self._index, questions[some[0]].known_at)
                going = Going(self._index, [questions[place] for place in some], crowded, known)
                rows = going.rows()
                # What goes besides goes with a row of the person's.
                besides = going.besides() if any(removed for removed, _ in rows) else [()] * len(rows)
                ended = going.rows_there(besides)
                for place, counted, others in zip(some, rows, ended, strict=True):
                    found[place] = Forgotten(*counted, others)
        return found

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        return asked(self.forget_each, ToForget(spans, kept, gone, known_at))

    def forget_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        found = [Forgotten()] * len(questions)
        questions, crowded = self._of_every_key(questions)
        # In order, as what one takes away may decide what another one finds.
        for known_at, numbers in groupby(range(len(questions)), lambda place: questions[place].known_at):
            places, known = list(numbers), known_by(self._index, known_at)
            for some in at_once(
                places, [questions[place].spans for place in places], embedded=self._index.embedded
            ):
                for apart in self._apart(some, questions, crowded, known):
                    going = Going(self._index, [questions[place] for place in apart], crowded, known)
                    for place, forgotten in zip(apart, self._forgotten(going), strict=True):
                        found[place] = forgotten
                if any(kept is None for place in some for kept in questions[place].kept.values()):
                    # Once for all of them, since whole parts are written anew: nobody is shown what is hidden.
                    take_hidden_out(self._index, "lineage")
        return found

    def _apart(
        self, some: Sequence[int], questions: Sequence[ToForget], crowded: Sequence[int], known: Condition
    ) -> list[list[int]]:
        """In portions of which no two have an event in common, in the order that these have then: what one takes away
        may decide what another one finds."""
        pairs: list[set[tuple[int, int]]] = [set() for _ in some]
        going = Going(self._index, [questions[place] for place in some], crowded, known)
        if len(some) > 1 and going.parts:
            for pair in going.sharing():
                for one in pair:
                    pairs[one].add(pair)
        return [[some[number] for number in portion] for portion in in_turn(pairs)]

    def _forgotten(self, going: Going) -> list[Forgotten]:
        """No two of the questions have an event in common. What goes is hidden in `lineage` then, and
        `take_hidden_out` has to follow."""
        removing = any(going.removing)
        if not going.parts or not (removing or any(going.narrower)):
            return [Forgotten()] * len(going.removing)
        ended = [0] * len(going.removing)
        besides = [set[Standing]()] * len(going.removing)
        if removing:
            # Before the rows: it is by them that a call which takes up an interrupted one finds what hangs on them.
            besides = going.besides()
            ended = self._end(going, besides)
            for table, events in going.leaving().items():
                if table == "identity_claims":
                    self._leave_claims(going, besides, events)
                else:
                    take_out(self._index, table, event_conditions(list(events)))
            self._leave_events(going)
        self._drop_older_versions(going)
        rows = going.rows()
        if any(removed for removed, _ in rows):
            hide(self._index, "lineage", self._of_known(going, going.removing))
        if any(narrowed for _, narrowed in rows):
            self._narrow(going)
        self._remove_prefixes(sorted({*going.tokens, *_tokens_of(besides)}))
        return [Forgotten(*counted, others) for counted, others in zip(rows, ended, strict=True)]

    def _of_every_key(self, questions: Sequence[ToForget]) -> tuple[list[ToForget], list[int]]:
        """The same for tag sets that are the same but for the key that made the tokens; and the tag sets of rows beside
        which others stand in the same role."""
        known = self._reader.tag_sets()
        crowded = [item for item, tags in known.items() if tags.several]
        return [self._under_every_key(item, known) for item in questions], crowded

    def _under_every_key(self, question: ToForget, known: Mapping[int, TagSet]) -> ToForget:
        wider = dict(question.kept)
        for tag_set, narrowed in question.kept.items():
            for other in self._reader.alike([tag_set]):
                if other not in question.kept:
                    wider[other] = narrowed and replace(narrowed, key_id=known[other].key_id)
        ended = {
            other: records
            for tag_set, records in question.gone.items()
            for other in self._reader.alike([tag_set])
        }
        return replace(question, kept=wider, gone=ended | dict(question.gone))

    def _end(self, going: Going, besides: Sequence[Collection[Standing]]) -> list[int]:
        """Take away the rows of others in events whose record is gone, and those beside a person's. How many of
        each."""
        ended = going.rows_there(besides)
        every = by_role(row for some in besides for row in some)
        for table in ("lineage", "lineage_by_event"):
            # Taken out of the parts together with the person's own, which come after: parts are written anew once.
            hide(self._index, table, in_roles(every))
        return ended

    def _leave_claims(
        self, going: Going, besides: Sequence[Collection[Standing]], events: Mapping[Event, int]
    ) -> None:
        """Take the claims of the events away, and the sealed identifiers that none mentions then; not that somebody had
        what others had too. Of people who share a token one after the other: to each the next one is somebody else."""
        theirs = defaultdict[int, list[Event]](list)
        for event, number in events.items():
            theirs[number].append(event)
        for numbers in going.in_turn():
            of_these = [event for number in numbers for event in theirs[number]]
            some, every = going.only(numbers), claims_of(self._index, of_these)
            leaving = every.parted(events, dict(zip(numbers, some.own, strict=True)))
            self._unseal(some, [besides[number] for number in numbers], leaving, of_these)
            keep_forgotten(self._index, leaving, self._sources)
            tidy_forgotten(self._index, every, self._sources)
            take_out(self._index, "identity_claims", event_conditions(of_these))

    def _leave_events(self, going: Going) -> None:
        """Take what is removed out of `lineage_by_event`."""
        take_out(self._index, "lineage_by_event", in_roles(going.by_event()))

    def _unseal(
        self,
        going: Going,
        besides: Sequence[Collection[Standing]],
        leaving: Sequence[Leaving],
        events: Sequence[Event],
    ) -> None:
        """Take away the sealed identifiers that no claim mentions without those of the events.

        Not where a row of the same person stays: when its day comes, a system has to be told by what it knows it.
        """
        each = [
            ({*tokens, *_tokens_of([rows]), *left.mentioned}, stay)
            for tokens, rows, left, stay in zip(
                going.tokens_each, besides, leaving, going.staying(), strict=True
            )
        ]
        same = same_tokens(self._index, set[bytes]().union(*chain(*each)))
        take_out(self._index, "sealed_identifiers", Unmentioned(self._index, same).conditions(each, events))

    def _of_known(self, going: Going, tag_sets: Sequence[Sequence[int]]) -> Iterator[tuple[str, Parameters]]:
        """The known rows under the spans of each that have one of its tag sets, as conditions."""
        text, values = going.known
        for where, parameters in conditions(going.parts, tag_sets, embedded=self._index.embedded):
            yield f"{where} AND {text}", {**parameters, **values}

    def _drop_older_versions(self, going: Going) -> None:
        # Removing the newest version of a row that was tagged again would bring back the one it replaced.
        for year in going.years_of_versions():
            self._index.command(
                f"OPTIMIZE TABLE lineage {on_cluster(self._index)} PARTITION {year} FINAL", erase=True
            )

    def _narrow(self, going: Going) -> None:
        self._writer.write_tag_sets(
            {tags.id: tags for item in going.narrower for tags in item.values()}.values()
        )
        for numbers, into in _compatible(going.narrower):
            wholes = {"wholes": list(into), "narrowed": list(into.values())}
            chosen = [list(item) if number in numbers else [] for number, item in enumerate(going.narrower)]
            for where, parameters in self._of_known(going, chosen):
                self._index.command(
                    f"ALTER TABLE lineage {on_cluster(self._index)} UPDATE tag_set ="
                    " transform(tag_set, {wholes:Array(UInt64)}, {narrowed:Array(UInt64)}, tag_set)"
                    f" WHERE {where}",
                    {**parameters, **wholes},
                    erase=True,
                )

    def _remove_prefixes(self, tokens: Sequence[bytes]) -> None:
        parameters: Parameters = {}
        asked = tokens_in(parameters, "token", tokens)
        rows = self._index.query(
            f"SELECT DISTINCT token FROM address_prefixes WHERE token IN {asked}"
            f" AND token NOT IN (SELECT token FROM lineage WHERE token IN {asked}) ORDER BY token",
            parameters,
        )
        take_out(self._index, "address_prefixes", token_conditions([bytes(token) for (token,) in rows]))


def _tokens_of(besides: Iterable[Iterable[Standing]]) -> set[bytes]:
    return {token for some in besides for _, (_, token) in some}


def _compatible(narrower: Sequence[Mapping[int, TagSet]]) -> list[tuple[set[int], dict[int, int]]]:
    """The questions in portions that narrow no tag set to two: which they are, and to what each tag set is narrowed."""
    found: list[tuple[set[int], dict[int, int]]] = []
    for number, item in enumerate(narrower):
        into = {whole: tags.id for whole, tags in item.items()}
        fits = (
            known for known in found if all(known[1].get(key, value) == value for key, value in into.items())
        )
        numbers, together = next(fits, (set[int](), dict[int, int]()))
        if not numbers and into:
            found.append((numbers, together))
        numbers.add(number)
        together |= into
    return found
