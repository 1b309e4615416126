"""People of whom something has run out by clocks of their own: found a few at a time, a request made for each.

Whoever calls this calls again until a day is `through`. What was begun goes on by itself, as every request does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

import structlog

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.counted import counted
from schemas.days import FIRST_DAY
from schemas.errors import BrokerUnavailable, Unavailable, place_of
from schemas.expiry import clocks_of_people, clocks_said, decided, kept_from, started_before
from schemas.identity import RETAINED
from schemas.policy import RetentionAnchors
from schemas.tags import TagSet
from schemas.vocabulary import BY_ITSELF, Resolution
from sinks.ports.clocks import Owner
from sinks.ports.expiry import DayCount
from streams.answers.erased import earlier_states
from streams.answers.frozen import Frozen
from streams.answers.report import rules_of, terms_of
from streams.answers.run_out import start_of
from streams.answers.unjudged import rule_fault
from streams.identity.model import Given
from streams.rights.expiry_run import LONGEST_PAUSE, approved_runs, long_ago, rules_changed
from streams.rights.other_rules import rules_now
from streams.rights.overlap import subjects_of
from streams.rights.people_planning import planner_of
from streams.rights.person_expiry import kept_by
from streams.rights.protocol.request import RequestState, State
from streams.rights.right import Clocked, Tools
from streams.rights.turns import AT_ONCE, Turns, outcomes

CHANNEL = "clock"
SESSIONS_AT_ONCE = 100_000
PAGES = 10
"""So many pages of owners are looked at in one turn at most."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Begun:
    """The requests that were made now. `through`: everybody of whom anything may have run out by that day was looked
    at; `unclear`: of how many identifiers nobody can say whose they are, so that nothing of theirs goes. `why`: what
    has to come first, so that nobody was looked at.
    """

    requests: Sequence[RequestState]
    through: bool
    unclear: int = 0
    why: str | None = None


@dataclass
class _Round:
    """How far a day's look has come: `pages` of owners that are still to be looked at."""

    day: date
    pages: Iterator[list[Owner]]
    waiting: list[Owner] = field(default_factory=list)
    unclear: int = 0
    through: bool = False

    def fill(self) -> bool:
        """Whether there is anybody left to look at."""
        if not self.waiting:
            self.waiting = next(self.pages, [])
            self.through = not self.waiting
        return not self.through


class PeopleExpiry:
    """One thread at a time. Every method may raise IndexUnavailable, KeyUnavailable; what was begun stands then."""

    def __init__(self, tools: Tools, clocked: Clocked, turns: Turns) -> None:
        self._file = tools.file
        self._turns = turns
        self._subjects = tools.subjects
        self._identities = tools.identities
        self._keeping = tools.keeping
        assert tools.kept is not None
        self._kept = tools.kept
        self._sending = tools.sending
        self._about: Callable[[RequestState], RequestState] = tools.about
        self._company = tools.company
        self._planner = planner_of(tools)
        self._owners = clocked.owners
        self._expiry = clocked.expiry
        self._sessions = clocked.sessions
        self._round: _Round | None = None

    def begin(self, now: datetime, limit: int) -> Begun:
        """Make requests for as many people as may be under way at once, `limit`, without those that are.

        The same day makes the same requests, whoever makes them: a second caller makes no second one.
        """
        if (why := self._waits(now)) is not None:
            return Begun((), through=False, why=why)
        day = self._company.catalogue.calendar.day(now)
        if self._round is None or self._round.day != day:
            self._forget_sessions(day, now)
            self._round = _Round(day, self._pages(day))
        try:
            return self._begun(self._round, now, limit)
        except BaseException:
            # Where it ended nobody knows: the day is looked at from its beginning.
            self._round = None
            raise

    def _waits(self, now: datetime) -> str | None:
        """What has to come first: people see the rules, and that the clock is right, by a run; and whose data an open
        request keeps has to be known."""
        requests = self._file.every()
        runs = [item for item in requests if item.of_everybody]
        if approval := [item.request_id for item in runs if item.awaits_approval]:
            return f"{approval[0]} awaits approval of the rules by which data run out"
        if unplanned := [item.request_id for item in runs if not item.ended and item.plan is None]:
            return (
                f"{unplanned[0]} is not planned yet, and may need approval of the rules by which data run out"
            )
        if not approved_runs(runs):
            return "no retention run has been approved yet; `innsyn retention run` begins one, which shows the rules"
        if rules_changed(runs, rules_now(self._company)):
            return (
                "the retention rules are others than those approved last; `innsyn retention run` shows them"
            )
        if long_ago(requests, now):
            pause = counted(LONGEST_PAUSE.days, "day")
            return (
                f"nothing was deleted by a retention rule within {pause} of now: the clock of this machine may be"
                " wrong; `innsyn retention run` begins a run, which a person approves where it is right"
            )
        if nobodys := self._kept.unknown():
            return f"nobody knows yet whom {nobodys[0]} is about, whose data stay"
        return None

    def _forget_sessions(self, day: date, now: datetime) -> None:
        """Of the police's copy what ended long enough ago; not of whom a preservation order holds. No system is told of
        what no row leads to."""
        calendar, first = self._company.catalogue.calendar, sessions_kept_from(self._company, day)
        if self._sessions is not None and first is not None:
            kept = self._keeping.frozen(now).tokens
            while (
                self._sessions.expire(start_of(first, calendar), kept, SESSIONS_AT_ONCE) == SESSIONS_AT_ONCE
            ):
                pass

    def _begun(self, current: _Round, now: datetime, limit: int) -> Begun:
        made = list[RequestState]()
        room = limit - sum(_under_way(item) for item in self._file.every())
        frozen = self._keeping.frozen(now)
        for _ in range(PAGES):
            if room <= len(made) or not current.fill():
                break
            due = self._due(current, now, frozen)
            some, left = due[: room - len(made)], due[room - len(made) :]
            made += self._made(some, current.day, now)
            # Whoever they are is found again by one of their tokens.
            current.waiting = [Owner(min(subjects)) for subjects in left]
        return Begun(made, current.through, current.unclear)

    def _due(self, current: _Round, now: datetime, frozen: Frozen) -> list[frozenset[bytes]]:
        """The people behind the tokens that wait of whom something has run out and nothing keeps it, each once."""
        owners = {f"{number}": owner for number, owner in enumerate(current.waiting)}
        found = self._turns.take_each(list(owners), lambda name: self._look(owners[name], now, frozen))
        people = dict[frozenset[bytes], None]()
        for item in found:
            if isinstance(item, Unavailable):
                raise item
            if isinstance(item, Exception):
                _log.error("nobody can tell what has run out of a person", fault=place_of(item))
            if item is None or isinstance(item, Exception):
                current.unclear += 1
            elif item:
                people[item] = None
        return list(people)

    def _look(self, owner: Owner, now: datetime, frozen: Frozen) -> frozenset[bytes] | None:
        """The subjects of the person if anything is due; empty: nothing is; None: nobody can say who it is."""
        nobody = frozenset[bytes]()
        given = [Given(self._company.kinds.customer, owner.token)]
        person = self._identities.person(given, owner.at or now)
        if owner.at is not None and owner.token in person.subjects:
            # Nobody's then: whoever has it now is another.
            person = self._identities.person(given, now)
            if person.subjects != {owner.token}:
                return None
        if person.resolution is Resolution.AMBIGUOUS:
            return None
        theirs = self._subjects.requests_of(subjects_of(person, ()), person.spans)
        if any(not item.ended for item in theirs) or kept_by(theirs) or frozen.holds(person.spans):
            return nobody
        earlier = earlier_states(self._subjects, person, ())
        return person.subjects if self._planner.look(person, now, earlier) else nobody

    def _made(self, people: Sequence[frozenset[bytes]], day: date, now: datetime) -> list[RequestState]:
        subjects = [sorted(token.hex() for token in item) for item in people]
        by_id = {self._file.expiry_id(tokens, day): tokens for tokens in subjects}
        found = self._turns.take_each(list(by_id), lambda name: self._one(name, by_id[name], now))
        # One that was made today and has ended is not made again.
        return [request for request in outcomes(list(by_id), found) if not request.ended]

    def _one(self, request_id: str, subjects: Sequence[str], now: datetime) -> RequestState:
        sealed = self._file.seal(request_id, [], None)
        given = (BY_ITSELF[0].value, CHANNEL, now, sealed, RetentionAnchors())
        self._file.record_received(request_id, *given, subjects=subjects)
        request = self._file.get(request_id)
        if not request.ended:
            request = self._turns.take(request_id, self._about)
            with suppress(BrokerUnavailable):
                # Recorded, so `resume` goes on with it.
                self._sending.announce(request)
        return request

    def _pages(self, day: date) -> Iterator[list[Owner]]:
        """Tokens of whom something may have run out: whose clocks started long enough ago, whose events are old enough
        by the clock of a thing, and of whom something went before, as that took along what said when."""
        calendar, catalogue = self._company.catalogue.calendar, self._company.catalogue
        started = {
            clock: start_of(first, calendar)
            for clock, first in started_before(catalogue.retention_rules.values(), day).items()
        }
        yield from _paged(
            lambda after: [Owner(token) for token in self._owners.owners(started, after, AT_ONCE)]
        )
        old = old_enough(self._expiry.by_day(calendar.zone), catalogue, self._told(), day)
        moments = {tag_set: start_of(first, calendar) for tag_set, first in old.items()}
        yield from _paged(lambda after: self._owners.owners_of_rows(moments, after, AT_ONCE))
        before = {token for item in self._file.every() if _took(item) for token in item.subjects}
        known = sorted(map(bytes.fromhex, before))
        for start in range(0, len(known), AT_ONCE):
            yield [Owner(token) for token in known[start : start + AT_ONCE]]

    def _told(self) -> frozenset[str]:
        return self._expiry.clocks_told() | clocks_said(self._company.every_record.values())


def sessions_kept_from(company: Company, day: date) -> date | None:
    """The first day of which sessions are kept for the police alone that ended on it; None: no rule says so. Pure."""
    field, symbol = RETAINED
    words = [
        variants[symbol]
        for record in company.every_record.values()
        if any(rule.form == "assignment" for rule in record.annotation.identity)
        and symbol in (variants := record.annotation.variants.get(field, {}))
    ]
    rules = [company.catalogue.retention_rules[name] for item in words for name in item.retention]
    return kept_from(rules, day, company.catalogue.calendar) if decided(rules) else None


def old_enough(
    counts: Iterable[DayCount], catalogue: Catalogue, told: Collection[str], day: date
) -> dict[int, date]:
    """Of the tag sets of which something runs out by the clock of a thing the first day whose events are kept, if no
    thing was ended later than its events; those of which there are older events. Pure."""
    firsts = dict[int, date]()
    found = dict[int, date]()
    for item in counts:
        tags = item.tags
        if tags.id not in firsts:
            firsts[tags.id] = _first_kept(tags, catalogue, told, day)
        if item.day < firsts[tags.id]:
            found[tags.id] = firsts[tags.id]
    return found


def _first_kept(tags: TagSet, catalogue: Catalogue, told: Collection[str], day: date) -> date:
    if tags.of_another or rule_fault(tags, catalogue):
        return FIRST_DAY
    text = [rule for rule in rules_of(tags, catalogue) if any(map(rule.covers_category, tags.categories))]
    ways = [list(terms_of(tags, name, catalogue).rules) for name in tags.every_category]
    ways += [text] if tags.revealed else []
    personal = [rules for rules in ways if decided(rules) and clocks_of_people(rules, told)]
    return max((kept_from(rules, day, catalogue.calendar) for rules in personal), default=FIRST_DAY)


def _paged(page: Callable[[bytes], list[Owner]]) -> Iterator[list[Owner]]:
    after = b""
    while found := page(after):
        yield found
        after = found[-1].token


def _took(request: RequestState) -> bool:
    return (request.runs_out or request.erases) and request.carried_out


def _under_way(request: RequestState) -> bool:
    """Whether it takes part of what may be under way at once: not while it waits for a person."""
    return (
        request.runs_out
        and not request.of_everybody
        and not request.ended
        and request.state is not State.ATTENTION
    )
