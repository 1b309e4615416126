"""Sessions against a brute force over the truth: ids used again, late reports, addresses that come and go, names."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given as each
from hypothesis import settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import Rank
from streams.identity.identities import Identities
from streams.identity.links.table import Links
from streams.identity.model import Given
from streams.identity.spans import moment
from tests.support import said
from tests.support.kinds import USERNAME
from tests.support.said import Claim, TableReader, session, table, token
from tests.unit.identity.test_history import CUSTOMERS, Event, answer, events, resolved, spans
from tests.unit.identity.test_history import Held as Place
from tests.unit.identity.test_history import History as Past
from tests.unit.identity.test_links import bounds, held, links, seconds

SOURCES = load_catalogue().identity_sources
REUSE = SOURCES["radius"].reuse_seconds
STEP = 600
HORIZON = 20_000
SHAPES = ("plain", "both", "late", "back", "swap")


@dataclass(frozen=True)
class Had:
    """The truth: one of the customers had the place in [since, until). In `hidden` the reports need not show it."""

    place: str
    customers: frozenset[str]
    since: int
    until: int
    hidden: tuple[tuple[int, int], ...] = ()


def histories(rng: random.Random) -> tuple[list[Had], list[Claim]]:
    """Sessions that follow each other under one id on each of a few servers, and the register of the user names."""
    had: list[Had] = []
    claims = [
        Claim(
            f"u-{name}",
            name,
            -5000,
            form=ClaimForm.STATE,
            group=f"slot {name}",
            proof=Proof.HOLDER,
            source="register",
        )
        for name in CUSTOMERS
    ]
    for number in range(2):
        start, apart = rng.randrange(0, 2000, 10), True
        while start < HORIZON - 4000:
            end = start + rng.randrange(10, 4000, 10)
            following = end + rng.choice((0, 0, 30, 300, 3000))
            mine, said = _session(rng, number, start, end, may_lose=apart)
            had += mine
            claims += said
            claims += _late(rng, number, start, end, until=following)
            # A lost Start is known by its session's age, which is rounded.
            apart = following - end > 10
            start = following
    return had, claims


def _session(
    rng: random.Random, number: int, start: int, end: int, *, may_lose: bool
) -> tuple[list[Had], list[Claim]]:
    shape = rng.choice(SHAPES)
    change = rng.randrange(start, end, 10) if end - start > 20 else start
    first, second, prefix = f"A{number}", f"B{number}", f"P{number}"
    times: dict[str, tuple[int, int]] = {
        "plain": {first: (start, end)},
        "both": {first: (start, end), prefix: (start, end)},
        "late": {prefix: (start, end), first: (change, end)},
        "back": {prefix: (start, end), first: (start, change)},
        "swap": {first: (start, change), second: (change, end)},
    }[shape]
    moments = sorted({start, change, *range(start + STEP, end, STEP)})
    holds = [(at, {name for name, (since, until) in times.items() if since <= at < until}) for at in moments]
    holds.append((end, {name for name, (_, until) in times.items() if until == end}))
    # A report may name nothing at all, which says nothing, if others show what changed.
    silent = {at for at in moments if at != change or shape in ("plain", "both")}
    named = [
        (at, set() if following == names and at in silent and rng.random() < 0.25 else names)
        for (at, names), (_, following) in pairwise(holds)
    ] + [(end, set() if rng.random() < 0.3 else holds[-1][1])]
    customer = rng.choice(CUSTOMERS)
    whose = {customer} | ({rng.choice(CUSTOMERS)} if rng.random() < 0.15 else set())
    subjects = _names(rng, number, sorted(whose), len(named))
    lost = may_lose and shape in ("plain", "both") and len(named) > 2 and rng.random() < 0.2
    claims = []
    for place, ((at, names), (subject, rank)) in enumerate(zip(named, subjects, strict=True)):
        if place == 0 and lost and any(kind == Rank.USERNAME for _, kind in subjects[1:]):
            whose = {name.removeprefix("u-") for name, kind in subjects[1:] if kind == Rank.USERNAME}
            continue
        mark = (
            Mark.OPEN if at == start else Mark.CLOSE if at == end and place == len(named) - 1 else Mark.SEEN
        )
        since = None if mark == Mark.OPEN else start
        base = Claim("", subject, at, mark, group=f"g{number}", since=since, rank=rank)
        claims += [replace(base, token=name) for name in sorted(names)] or [base]
    had = []
    for name, (since, until) in times.items():
        told = [at for at, names in named[lost:] if name in names]
        hidden = ((since, told[0]), (told[-1], until)) if told else ((since, until),)
        if until == end and told:
            hidden = hidden[:1]
        had.append(Had(name, frozenset(whose), since, until, hidden))
    return had, claims


def _names(rng: random.Random, number: int, whose: Sequence[str], count: int) -> list[tuple[str, Rank]]:
    """Whom each report names: the user, or only the hardware, or nobody; each of the users in one at least."""
    kinds = [(f"u-{rng.choice(whose)}", Rank.USERNAME), (f"m-{number}", Rank.HARDWARE), ("", Rank.CLIENT)]
    found = [rng.choice(kinds) for _ in range(count)]
    for place, name in zip(rng.sample(range(count), min(count, len(whose))), whose, strict=False):
        found[count - 1 - place] = (f"u-{name}", Rank.USERNAME)
    return found


def _late(rng: random.Random, number: int, start: int, end: int, until: int) -> Iterator[Claim]:
    """Reports of a session that is over, dated after its Stop: they say whatever they like."""
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = end + rng.choice((1, 2, 20, 100, 500))
        known = [start] if at >= until or rng.random() < 0.5 else [start, None, at]
        if at >= until and start >= end - 5:
            continue
        named = rng.choice((f"A{number}", f"B{number}", f"P{number}", ""))
        mark = rng.choice((Mark.SEEN, Mark.CLOSE))
        subject = f"u-{rng.choice(CUSTOMERS)}"
        yield Claim(named, subject, at, mark, group=f"g{number}", since=rng.choice(known))


def asked(rng: random.Random, had: Sequence[Had]) -> list[Event]:
    """At random moments, and at and around every edge."""
    past = Past([Place(item.place, "", item.since, item.until) for item in had], [])
    return [replace(event, port=0) for event in events(rng, past)]


def possible(had: Sequence[Had], event: Event) -> list[set[str]]:
    """What may be answered: who had it, and where that is hidden, nobody."""
    at = event.at
    there = [item for item in had if item.place == event.address and item.since <= at < item.until]
    found = [set().union(*(item.customers for item in there))]
    if any(since <= at < until for item in there for since, until in item.hidden):
        found.append(set())
    return found


@each(st.integers(0, 2**32))
@settings(max_examples=40)
def test_sessions_give_who_really_had_it(seed: int) -> None:
    """Whatever reports leave out, name wrongly or say too late: the holder, or nobody where no report shows them."""
    rng = random.Random(seed)
    had, claims = histories(rng)
    seen = asked(rng, had)
    for event, got in zip(seen, resolved(claims, seen), strict=True):
        assert got in [answer(found) for found in possible(had, event)], event


@each(st.integers(0, 2**32))
@settings(max_examples=20)
def test_order_and_repetition_of_any_reports_do_not_matter(seed: int) -> None:
    """Shuffled, some of them twice: the same answers in both directions."""
    rng = random.Random(seed)
    had, claims = histories(rng)
    seen = asked(rng, had)
    mixed = claims + rng.sample(claims, len(claims) // 2)
    rng.shuffle(mixed)
    assert resolved(mixed, seen) == resolved(claims, seen)
    for customer in CUSTOMERS:
        assert spans(mixed, customer) == spans(claims, customer)


SEEN, CLOSE, OPEN = Mark.SEEN, Mark.CLOSE, Mark.OPEN
KARI = session("s", "A", "kari", 0, [600], 1200)


@pytest.mark.parametrize("mark", [SEEN, CLOSE])
@pytest.mark.parametrize("late", [1, 20, 86_400])
@pytest.mark.parametrize("age", ["none", "of the session", "nothing"])
@pytest.mark.parametrize("named", ["A", "P", ""])
def test_a_closed_session_stays_closed(mark: Mark, late: int, age: str, named: str) -> None:
    """RFC 2866, 2: a Stop is the end of the service, whatever its server dates after it."""
    since = {"none": None, "of the session": 0, "nothing": 1200 + late}[age]
    after = Claim(named, "kari", 1200 + late, mark, group="s", since=since, length=56 if named == "P" else 0)
    for claims in ([*KARI, after], [after, *KARI]):
        found = links(*claims)
        assert [row[2:] for row in held(found, "A")] == [(1200, "stated")]
        assert held(found, "P") == []


def test_a_start_after_the_stop_is_a_new_session() -> None:
    """Under the same id and for the same one, also within a second."""
    assert [row[1:] for row in held(links(*KARI, *session("s", "A", "kari", 1201, [], 1300)), "A")] == [
        (0, 1200, "stated"),
        (1201, 1300, "stated"),
    ]


def test_a_lost_start_after_the_stop_is_known_by_the_age_of_its_session() -> None:
    """The server counts its ids anew; the report says that its session began after the other's end."""
    new = session("s", "A", "ola", 5000, [5600], 5700, opened=False)
    assert held(links(*KARI, *new), "A") == [("kari", 0, 1200, "stated"), ("ola", 5000, 5700, "stated")]


def test_after_a_restart_a_report_without_age_is_of_another_session() -> None:
    """Accounting-On between two reports of one id: whoever has it now need not have had it before."""
    old = [replace(claim, server="nas") for claim in session("s", "A", "kari", 0, [600])]
    new = [
        replace(claim, server="nas")
        for claim in session("s", "B", "ola", 0, [5000], 5600, opened=False, says_since=False)
    ]
    found = links(*old, Claim(mark=Mark.ON, at=1000, server="nas"), *new)
    assert held(found, "A") == [("kari", 0, 1000 - REUSE, "inferred")]
    assert held(found, "B") == [("ola", 5000, 5600, "stated")]


@pytest.mark.parametrize(
    "other",
    [("", Rank.CLIENT), *(("per", rank) for rank in (Rank.HARDWARE, Rank.LINE, Rank.PORT, Rank.PORT_NUMBER))],
)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_report_that_names_nobody_or_less_joins_its_session(other: tuple[str, Rank], which: int) -> None:
    """User-Name may be missing (RFC 2866, 5.13); the session is whose the others say."""
    claims = list(KARI)
    claims[which] = replace(claims[which], subject=other[0], rank=other[1])
    assert held(links(*claims), "A") == [("kari", 0, 1200, "stated")]


def test_of_several_names_of_a_line_the_best_is_meant() -> None:
    """Some reports carry the circuit, some only the number of the port."""
    ranks = (Rank.PORT_NUMBER, Rank.LINE, Rank.PORT)
    claims = [
        replace(claim, subject=name, rank=rank)
        for claim, name, rank in zip(KARI, ("per", "kari", "ola"), ranks, strict=True)
    ]
    assert held(links(*claims), "A") == [("kari", 0, 1200, "stated")]


def test_contradictory_names_may_each_be_meant_for_the_whole_session() -> None:
    """One session, ended by its Stop, never two that run on."""
    claims = [KARI[0], replace(KARI[1], subject="ola"), KARI[2]]
    assert sorted(held(links(*claims), "A")) == [("kari", 0, 1200, "stated"), ("ola", 0, 1200, "stated")]


def test_rows_from_before_names_were_ranked_stay_readable() -> None:
    """A line is told by what it proves."""
    line = replace(KARI[2], subject="per", proof=Proof.LINE_OWNER)
    claims = [replace(claim, rank=0) for claim in (*KARI[:2], line)]
    assert held(links(*claims), "A") == [("kari", 0, 1200, "stated")]


def reports(*named: tuple[float, str], stop: bool = True, since: float | None = 0) -> list[Claim]:
    """One session: at each time a report that names those tokens; the first is its Start, the last its Stop."""
    claims = []
    for place, (time, names) in enumerate(named):
        mark = OPEN if place == 0 else CLOSE if stop and place == len(named) - 1 else SEEN
        base = Claim("", "kari", time, mark, group="s", since=None if mark == OPEN else since)
        claims += [replace(base, token=name) for name in names.split()] or [base]
    return claims


def begin(found: Links, name: str) -> tuple[float | None, float | None]:
    (number,) = [n for n in range(len(found)) if found.name(int(found.token[n])) == token(name)]
    return seconds(moment(int(found.begin[number]))), seconds(moment(int(found.begun[number])))


def test_an_address_named_later_than_others_began_after_the_report_before() -> None:
    """The session's age is not the address's: it counts from the report that names it."""
    found = links(*reports((0, "P"), (600, "P"), (1200, "P A"), (1800, "P A")))
    assert held(found, "A") == [("kari", 1200, 1800, "stated")]
    assert begin(found, "A") == (600, 1200)
    assert held(found, "P") == [("kari", 0, 1800, "stated")]


@pytest.mark.parametrize("rest", [[(1800, "P"), (2400, "P")], [(2400, "P")], [(1800, ""), (2400, "P")]])
def test_an_address_missing_where_another_is_named_ended_there(rest: list[tuple[float, str]]) -> None:
    """Given back within the session; the bounds are the reports on both sides."""
    found = links(*reports((0, "P A"), (600, "P A"), *rest))
    assert held(found, "A") == [("kari", 0, 600, "inferred")]
    assert bounds(found, "A") == (600, next(time for time, names in rest if names))
    assert held(found, "P") == [("kari", 0, 2400, "stated")]


def test_an_address_that_one_report_alone_names_was_held_at_its_moment() -> None:
    """Nobody knows for how long; the reports on both sides are the bounds."""
    found = links(*reports((0, "P"), (600, "P A"), (1200, "P"), (1800, "P")))
    assert held(found, "A") == [("kari", 600, 600.001, "inferred")]
    assert begin(found, "A") == (0, 600)
    assert bounds(found, "A") == (600, 1200)


def test_a_report_that_names_nothing_says_nothing_of_addresses() -> None:
    """RFC 2866 asks for none, and 0.0.0.0 is none: what the session has goes on."""
    found = links(*reports((0, ""), (60, "A"), (600, ""), (1200, "A"), (1800, "")))
    assert held(found, "A") == [("kari", 0, 1800, "stated")]
    assert begin(found, "A") == (0, 60)


def test_what_no_report_shows_yields_to_who_is_reported_to_have_it() -> None:
    """A begin before the first report that names it, and an end after the last one, are guesses."""
    late = [replace(claim, group="t", subject="ola") for claim in reports((0, ""), (2400, "A"), (3000, "A"))]
    found = links(*reports((0, "A"), (600, "A"), (1200, "")), *late)
    assert held(found, "A") == [("kari", 0, 1200, "stated"), ("ola", 1200 + REUSE, 3000, "stated")]
    between = [replace(claim, group="t", subject="ola") for claim in reports((900, "A"), (1500, "A"))]
    found = links(*reports((0, "A"), (600, "A"), (2400, "")), *between)
    assert held(found, "A") == [("kari", 0, 900 - REUSE, "inferred"), ("ola", 900, 1500, "stated")]


def test_port_blocks_of_one_session_come_and_go_one_by_one() -> None:
    """A block is told apart by its ports."""
    claims = reports((0, "A"), (600, "A"), (1200, "A"), (1800, "A"))
    second = [replace(claim, ports=(2048, 3071)) for claim in claims[2:]]
    found = links(*(replace(claim, ports=(1024, 2047)) for claim in claims), *second)
    rows = {int(found.port_from[n]): seconds(moment(int(found.since[n]))) for n in range(len(found))}
    assert rows == {1024: 0, 2048: 1200}


def test_a_person_has_the_address_that_only_another_report_of_the_session_names() -> None:
    """The name came first in a report without the address."""
    claims = [
        Claim("A", "box", 0, OPEN, group="s", rank=Rank.HARDWARE),
        Claim("", "kari", 600, SEEN, group="s", since=0),
        Claim("A", "", 1200, CLOSE, group="s", since=0),
    ]
    identities = Identities(TableReader(table(claims)), SOURCES)
    person = identities.person([Given(USERNAME, token("kari"))], said.at(0))
    assert [(span.since, span.until) for span in person.spans if span.token == token("A")] == [
        (said.at(0), said.at(1200))
    ]
