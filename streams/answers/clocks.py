"""When a person's retention clocks started, as events tell it: a pure fold, and what is asked of the index for it.

A clock that stands for a state (the end of the contract, the withdrawal of a consent) starts once every thing that it
runs for has ended: a customer with two contracts who ends one is a customer. A clock that is a moment (the settlement
of an invoice, the close of a case) starts for each thing by itself. A day that somebody types corrects what events say,
and both are shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from schemas.calendars import Calendar
from schemas.days import OPEN
from schemas.policy import MOMENTS, ClockPeriod, ClocksOfEvents, RetentionAnchors
from schemas.times import iso
from sinks.ports.clocks import UNNAMED, ClockReader
from sinks.ports.lineage import Span

_Person = TypeVar("_Person", bound=Hashable)
_CLOCKS = tuple(item.name for item in fields(RetentionAnchors))


@dataclass(frozen=True)
class ClockEvent:
    """What one event says of a clock; times in UTC. `started` None: the thing is going on."""

    clock: str
    thing: bytes = field(repr=False)
    event_time: datetime
    since: datetime
    started: datetime | None
    topic: str
    partition: int
    offset: int
    part: int

    @property
    def place(self) -> tuple[datetime, str, int, int, int]:
        """By which events are put in order."""
        return self.event_time, self.topic, self.partition, self.offset, self.part


@dataclass(frozen=True)
class ClockSaid:
    """What events say of one clock: of how many things, how many of these are going on, the day on which it started
    (OPEN: it has not; of a moment, the last one), and the event that decided that."""

    clock: str
    things: int
    going_on: int
    day: date
    by: ClockEvent


@dataclass(frozen=True)
class EarlierDays:
    """Days from which an earlier erasure of the person counted (OPEN: the clock had not started), by clock.

    It took the events that said so along. They count until events say otherwise that are later than the day, or than
    the plan (`planned_at`): what comes back of the old ones says nothing new.
    """

    days: Mapping[str, date]
    planned_at: datetime

    def counting(self, said: Mapping[str, ClockSaid], calendar: Calendar) -> dict[str, date]:
        """Those that count beside what events say now."""
        return {
            clock: day
            for clock, day in self.days.items()
            if not self._superseded(day, said.get(clock), calendar)
        }

    def _superseded(self, day: date, said: ClockSaid | None, calendar: Calendar) -> bool:
        if said is None:
            return False
        at = said.by.event_time
        return day == OPEN or at > self.planned_at or calendar.day(at) > day


@dataclass(frozen=True)
class KnownAnchors:
    """The days from which clocks run. `anchors` is what rules take; `given` was typed, `said` is what events say,
    `earlier` are those that an earlier erasure counted from and that no event contradicts."""

    anchors: RetentionAnchors = field(default_factory=RetentionAnchors)
    given: RetentionAnchors = field(default_factory=RetentionAnchors)
    said: tuple[ClockSaid, ...] = ()
    earlier: Mapping[str, date] = field(default_factory=dict)

    def shown(self) -> list[dict[str, Any]]:
        """One JSON object for each clock of which anything is known, with where it comes from.

        `day`: that counts, None: it has not started. `from`: given, earlier (an erasure before) or events. `differs`:
        what was typed is another day than events say.
        """
        by_events, given = {item.clock: item for item in self.said}, self.given.days()
        return [
            _shown(name, given.get(name), self.earlier.get(name), by_events.get(name))
            for name in _CLOCKS
            if name in by_events or name in given or name in self.earlier
        ]


class Clocks:
    """Asks the index what events said of clocks. Safe from several threads. Every method may raise IndexUnavailable."""

    def __init__(self, reader: ClockReader, calendar: Calendar) -> None:
        self._reader = reader
        self._calendar = calendar

    def anchors_for(
        self,
        spans: Sequence[Span],
        given: RetentionAnchors | None = None,
        known_at: datetime | None = None,
        earlier: EarlierDays | None = None,
    ) -> KnownAnchors:
        """The clocks of one person, to whom the spans lead. `given`: days that somebody typed, which go before."""
        before = {"": earlier} if earlier is not None else {}
        return self.anchors_of_each({"": spans}, given, known_at, before)[""]

    def anchors_of_each(
        self,
        people: Mapping[_Person, Sequence[Span]],
        given: RetentionAnchors | None = None,
        known_at: datetime | None = None,
        earlier: Mapping[_Person, EarlierDays] | None = None,
    ) -> dict[_Person, KnownAnchors]:
        """The same of many people at once, in one question."""
        tokens = sorted({span.token for spans in people.values() for span in spans})
        by_token: defaultdict[bytes, list[ClockEvent]] = defaultdict(list)
        for row in self._reader.clock_events(tokens, known_at).to_pylist() if tokens else ():
            by_token[row.pop("token")].append(_event(row))
        typed = given or RetentionAnchors()
        return {
            person: known_anchors(
                _within(spans, by_token), self._calendar, typed, (earlier or {}).get(person)
            )
            for person, spans in people.items()
        }


def known_anchors(
    events: Iterable[ClockEvent],
    calendar: Calendar,
    given: RetentionAnchors,
    earlier: EarlierDays | None = None,
) -> KnownAnchors:
    """What the events of one person say of each clock, corrected by the days that are given. Pure.

    Of a thing the newest event decides; of several at one moment in one partition the last, in different ones that
    which says that it is going on. An event that is there under several identifiers counts once. One of which no key
    tells the thing is about a thing of its own.
    """
    things: defaultdict[str, defaultdict[Any, set[ClockEvent]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        if event.clock in _CLOCKS:
            # Of two contracts without a key one may have ended and the other not.
            thing = event.thing if event.thing != UNNAMED else (event.topic, event.partition, event.offset)
            things[event.clock][thing].add(event)
    said, days, periods = [], dict[str, date](), list[ClockPeriod]()
    for clock, each in sorted(things.items()):
        newest = [_newest(found) for found in each.values()]
        last = max(newest, key=lambda item: (_day(item, calendar), item.place))
        going_on = sum(item.started is None for item in newest)
        said.append(ClockSaid(clock, len(newest), going_on, _day(last, calendar), last))
        if clock not in MOMENTS:
            days[clock] = _day(last, calendar)
            continue
        for item, found in zip(newest, each.values(), strict=True):
            until = _day(item, calendar)
            since = min(min(calendar.day(one.since) for one in found), until)
            periods.append(ClockPeriod(clock, since, until))
    before = earlier.counting({item.clock: item for item in said}, calendar) if earlier else {}
    anchors = ClocksOfEvents(**{**days, **before, **given.days()}, periods=tuple(sorted(periods, key=repr)))
    return KnownAnchors(anchors, given, tuple(said), before)


def anchors_of_shown(clocks: Iterable[Mapping[str, Any]]) -> RetentionAnchors:
    """The days that a plan counted from, out of what `KnownAnchors.shown` said then. Of a moment that was not typed no
    day stands for all of its things."""
    days = {
        item["clock"]: date.fromisoformat(item["day"]) if item["day"] else OPEN
        for item in clocks
        if item["clock"] in _CLOCKS and (item["from"] != "events" or item["clock"] not in MOMENTS)
    }
    return RetentionAnchors(**days)


def _newest(events: Iterable[ClockEvent]) -> ClockEvent:
    ordered = sorted(events, key=lambda item: item.place)
    last = ordered[-1]
    rivals = [item for item in ordered if item.event_time == last.event_time]
    if len({(item.topic, item.partition) for item in rivals}) == 1:
        rivals = [item for item in rivals if item.offset == last.offset]
    return max(rivals, key=lambda item: (item.started is None, item.started or item.event_time, item.place))


def _day(event: ClockEvent, calendar: Calendar) -> date:
    return OPEN if event.started is None else calendar.day(event.started)


def _within(spans: Sequence[Span], by_token: Mapping[bytes, Sequence[ClockEvent]]) -> set[ClockEvent]:
    return {
        event
        for span in spans
        for event in by_token.get(span.token, ())
        if (span.since is None or event.event_time >= span.since)
        and (span.until is None or event.event_time < span.until)
    }


def _event(row: Mapping[str, Any]) -> ClockEvent:
    moments = {
        name: row[name] and row[name].replace(tzinfo=UTC) for name in ("event_time", "since", "started")
    }
    return ClockEvent(**{**row, **moments})


def _shown(clock: str, given: date | None, earlier: date | None, said: ClockSaid | None) -> dict[str, Any]:
    events = said and {
        "day": _written(said.day),
        "things": said.things,
        "going_on": said.going_on,
        "topic": said.by.topic,
        "partition": said.by.partition,
        "offset": said.by.offset,
        "at": iso(said.by.event_time),
    }
    by = "given" if given is not None else "earlier" if earlier is not None else "events"
    counts = {"given": given, "earlier": earlier, "events": said.day if said else None}[by]
    return {
        "clock": clock,
        "day": _written(counts),
        "from": by,
        "given": _written(given),
        "events": events,
        "differs": given is not None and said is not None and given != said.day,
    }


def _written(day: date | None) -> str | None:
    return None if day is None or day == OPEN else day.isoformat()
