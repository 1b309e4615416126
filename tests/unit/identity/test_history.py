"""Generated histories of addresses against a brute-force oracle: who really held what, and what the reports show."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as each
from hypothesis import settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Proof, Resolution
from sinks.ports.identity import PREFIX_SCHEMA
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.identity.model import Given
from tests.support.kinds import CUSTOMER_NUMBER, IP
from tests.support.said import EPOCH, Claim, TableReader, at, session, table, token

NONE, UNIQUE, AMBIGUOUS = (word.code for word in Resolution)
SOURCES = load_catalogue().identity_sources
CUSTOMERS = ("C1", "C2", "C3")
HORIZON = 20_000
STEP = 600
BLOCKS = ((1024, 2047), (2048, 3071), (3072, 4095))


@dataclass(frozen=True)
class Held:
    """The truth: a customer had an address, or a block of its ports, in [start, end)."""

    address: str
    customer: str
    start: int
    end: int
    ports: tuple[int, int] = (0, 65_535)
    # From here to there the reports do not show who had it.
    gap: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class History:
    """What was true, and what was reported of it."""

    held: Sequence[Held]
    claims: Sequence[Claim]


@dataclass(frozen=True)
class Event:
    """Something seen under an address."""

    address: str
    at: float
    port: int


def history(rng: random.Random, faults: bool) -> History:
    """Sessions that follow each other on a few addresses, and port blocks that share one."""
    held: list[Held] = []
    claims: list[Claim] = [
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
    for number in range(3):
        _sessions(rng, f"A{number}", faults, held, claims)
    for nth, ports in enumerate(BLOCKS[: rng.randrange(4)]):
        start = rng.randrange(0, 5000, 10)
        for turn in range(rng.randrange(1, 4)):
            end = start + rng.randrange(10, 6000, 10)
            customer = rng.choice(CUSTOMERS)
            held.append(Held("N", customer, start, end, ports))
            block = Claim(
                "N", f"u-{customer}", start, Mark.OPEN, group=f"{nth} {customer}", ports=ports, source="cgnat"
            )
            claims += [block, replace(block, at=end, mark=Mark.CLOSE)]
            start = end + rng.choice((0, 0, 500))
            assert turn < 4
    return History(held, claims)


def _sessions(rng: random.Random, address: str, faults: bool, held: list[Held], claims: list[Claim]) -> None:
    start = rng.randrange(0, 2000, 10)
    number = 0
    while start < HORIZON - 2000:
        end = start + rng.randrange(10, 5000, 10)
        customer = rng.choice(CUSTOMERS)
        lost_start, lost_stop = (rng.random() < 0.25, rng.random() < 0.25) if faults else (False, False)
        reports = list(range(start + STEP, end, STEP))
        following = end + rng.choice((0, 30, 300, 4000))
        beyond = following if following < HORIZON - 2000 else 10**9
        gap = (0, 0)
        if lost_stop:
            gap = (reports[-1] if reports else start, beyond)
        if lost_start and lost_stop and not reports:
            gap = (start, beyond)
            # Nothing at all was reported: whoever may have had it before may have it still.
            for place, before in enumerate(held):
                if before.address == address and before.gap[1] == start:
                    held[place] = replace(before, gap=(before.gap[0], beyond))
        held.append(Held(address, customer, start, end, gap=gap))
        claims += session(
            f"{address}/{number}",
            address,
            f"u-{customer}",
            start,
            reports,
            None if lost_stop else end,
            opened=not lost_start,
        )
        start = following
        number += 1


def truth(history: History, event: Event) -> set[str]:
    """Brute force: everybody who had the address, behind that port, at that moment."""
    return {
        item.customer
        for item in history.held
        if item.address == event.address
        and item.start <= event.at < item.end
        and (not event.port or item.ports == (0, 65_535) or item.ports[0] <= event.port <= item.ports[1])
    }


def hidden(history: History, event: Event) -> set[str]:
    """Whose lost Stop leaves open whether they still had the address."""
    return {
        item.customer
        for item in history.held
        if item.address == event.address and item.gap[0] <= event.at < item.gap[1]
    }


def events(rng: random.Random, history: History) -> list[Event]:
    """At random moments, and at and around every edge."""
    edges = [edge for item in history.held for edge in (item.start, item.end)]
    moments = [edge + shift for edge in edges for shift in (-0.001, 0, 0.001)] + [
        rng.uniform(0, HORIZON) for _ in range(40)
    ]
    names = sorted({item.address for item in history.held} | {"nobody's"})
    ports = (0, 0, 1023, 1024, 2047, 2048, 4095, 4096)
    return [Event(rng.choice(names), round(moment, 3), rng.choice(ports)) for moment in moments]


def resolved(claims: Sequence[Claim], seen: Sequence[Event]) -> list[tuple[int, bytes | None]]:
    """What innsyn says of each event: the resolution, and the customer where it is unique."""
    identities = Identities(TableReader(table(claims)), SOURCES)
    names = sorted({event.address for event in seen})
    found, subjects = identities.resolve(
        pa.array([token(name) for name in names], pa.binary(16)),
        PREFIX_SCHEMA.empty_table(),
        np.array([names.index(event.address) for event in seen], np.int64),
        np.array([milliseconds(event) for event in seen], np.int64),
        np.array([event.port for event in seen], np.int64),
    )
    return [
        (int(kind), subjects[int(subject)].as_py() if subject >= 0 else None)
        for kind, subject in zip(found.resolution, found.subject, strict=True)
    ]


def milliseconds(event: Event) -> int:
    return round(EPOCH.timestamp() * 1000) + round(event.at * 1000)


def answer(holders: set[str]) -> tuple[int, bytes | None]:
    if not holders:
        return NONE, None
    return (UNIQUE, token(next(iter(holders)))) if len(holders) == 1 else (AMBIGUOUS, None)


@each(st.integers(0, 2**32))
@settings(max_examples=60)
def test_complete_reports_resolve_every_event_as_it_was(seed: int) -> None:
    """Nobody's, one's or several's: exactly what the brute force over the truth says."""
    rng = random.Random(seed)
    past = history(rng, faults=False)
    seen = events(rng, past)
    for event, got in zip(seen, resolved(past.claims, seen), strict=True):
        assert got == answer(truth(past, event)), event


@each(st.integers(0, 2**32))
@settings(max_examples=60)
def test_lost_reports_cost_only_the_gaps_they_leave(seed: int) -> None:
    """Outside the gaps all is as it was; within, it is the last known holder's, or nobody's, or as it was."""
    rng = random.Random(seed)
    past = history(rng, faults=True)
    seen = events(rng, past)
    for event, got in zip(seen, resolved(past.claims, seen), strict=True):
        right, unsure = truth(past, event), hidden(past, event)
        assert got in [
            answer(right),
            *([answer(set()), *(answer({name}) for name in unsure)] if unsure else []),
        ], event


@each(st.integers(0, 2**32), st.booleans())
@settings(max_examples=40)
def test_order_and_repetition_of_the_reports_do_not_matter(seed: int, twice: bool) -> None:
    """Shuffled, each once or twice: the same resolution of every event, the same spans of every customer."""
    rng = random.Random(seed)
    past = history(rng, faults=True)
    seen = events(rng, past)
    claims = list(past.claims) * (2 if twice else 1)
    rng.shuffle(claims)
    assert resolved(claims, seen) == resolved(past.claims, seen)
    for customer in CUSTOMERS:
        assert spans(claims, customer) == spans(past.claims, customer)


def spans(claims: Sequence[Claim], customer: str) -> tuple[list[Span], list[Span]]:
    identities = Identities(TableReader(table(claims)), SOURCES)
    person = identities.person([Given(CUSTOMER_NUMBER, token(customer))], at(HORIZON))
    return list(person.spans), list(person.shared)


def inside(found: Sequence[Span], event: Event) -> bool:
    moment = at(event.at)
    return any(
        span.token == token(event.address)
        and (span.since is None or span.since <= moment)
        and (span.until is None or moment < span.until)
        and span.port_from <= event.port <= span.port_to
        for span in found
    )


@each(st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_persons_spans_hold_exactly_the_events_that_resolve_to_them(seed: int) -> None:
    """The two directions of the question give one answer: alone where unique, shared where ambiguous."""
    rng = random.Random(seed)
    past = history(rng, faults=rng.random() < 0.5)
    seen = events(rng, past)
    found = resolved(past.claims, seen)
    for customer in CUSTOMERS:
        alone, shared = spans(past.claims, customer)
        for event, got in zip(seen, found, strict=True):
            assert inside(alone, event) == (got == (UNIQUE, token(customer))), event
            assert not (inside(alone, event) and inside(shared, event)), event
            if inside(shared, event):
                assert got[0] == AMBIGUOUS, event
    everybody = [spans(past.claims, customer)[1] for customer in CUSTOMERS]
    for event, got in zip(seen, found, strict=True):
        if got[0] == AMBIGUOUS:
            assert sum(inside(shared, event) for shared in everybody) >= 2, event


def test_the_longest_prefix_decides() -> None:
    """The household has the delegated prefix, a neighbour a longer one inside it, a device an address of its own."""
    claims = [
        *session("s", "P56", "C1", 0, [], 1000, like=Claim(length=56)),
        *session("t", "P64", "C2", 200, [], 600, like=Claim(length=64)),
        *session("u", "X", "C3", 400, [], 500),
    ]
    reader = TableReader(table(claims), [("X", "P56", 56), ("X", "P64", 64)])
    identities = Identities(reader, SOURCES)
    moments = np.array([100, 300, 450, 550, 700, 1000])
    found, subjects = identities.resolve(
        pa.array([token("X")], pa.binary(16)), reader.prefixes([token("X")]), np.zeros(6, np.int64),
        moments * 1000 + round(EPOCH.timestamp() * 1000), np.zeros(6, np.int64),
    )  # fmt: skip
    names = [subjects[int(subject)].as_py() if subject >= 0 else None for subject in found.subject]
    assert names == [token("C1"), token("C2"), token("C3"), token("C2"), token("C1"), None]
    person = identities.person([Given(CUSTOMER_NUMBER, token("C2"))], at(0))
    mine = [(span.since, span.until) for span in person.spans if span.token == token("X")]
    assert mine == [(at(200), at(400)), (at(500), at(600))]


def test_what_is_learnt_later_is_not_known_before() -> None:
    """A correction changes the answer from then on; asked as known before, it is as it was."""
    claims = [replace(claim, learnt_at=10) for claim in session("s", "A", "C1", 0, [600], None)] + [
        replace(claim, learnt_at=5000) for claim in session("s", "A", "C1", 0, [], 700, opened=False)
    ]
    identities = Identities(TableReader(table(claims)), SOURCES)
    mine = [Given(CUSTOMER_NUMBER, token("C1"))]

    def ends(known_at: float | None) -> list[object]:
        person = identities.person(mine, at(9000), None if known_at is None else at(known_at))
        return [span.until for span in person.spans if span.token == token("A")]

    assert ends(None) == [at(700)]
    assert ends(4999) == [at(600 + 3 * 600)]
    assert ends(5) == []


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_known_resolves_to_nobody(count: int) -> None:
    """Without claims, and without events."""
    assert resolved([], [Event("A0", 5.0, 0)] * count) == [(NONE, None)] * count
    assert isinstance(table([]), pa.Table)


def test_a_chain_shows_every_link_on_the_way() -> None:
    """The address leads to a user name, the user name to the customer; of the address itself it is one link."""
    name = Claim("u", "C1", 0, form=ClaimForm.STATE, group="slot", proof=Proof.HOLDER, source="register")
    identities = Identities(TableReader(table([*session("s", "A", "u", 0, [], 900), name])), SOURCES)
    address = Given(IP, token("A"), at(10))
    assert [link.subject for link in identities.links([address])[0]] == [token("u")]
    assert {link.subject for link in identities.chains([address])[0]} == {token("u"), token("C1")}


def test_a_clock_that_may_be_off_makes_edges_ambiguous() -> None:
    """Ten seconds of tolerance: near the edge of two holders both are possible, near an open edge the one there is."""
    claims = [*session("s", "A", "C1", 100, [], 200), *session("t", "A", "C2", 200, [], 300)]
    off = {**SOURCES, "radius": SOURCES["radius"].model_copy(update={"skew_seconds": 10})}
    identities = Identities(TableReader(table(claims)), off)
    moments = np.array([85, 95, 150, 195, 205, 250, 305, 315])
    found, _ = identities.resolve(
        pa.array([token("A")], pa.binary(16)), PREFIX_SCHEMA.empty_table(), np.zeros(8, np.int64),
        moments * 1000 + round(EPOCH.timestamp() * 1000), np.zeros(8, np.int64),
    )  # fmt: skip
    one, both = UNIQUE, AMBIGUOUS
    assert found.resolution.tolist() == [NONE, one, one, both, both, one, one, NONE]
    person = identities.person([Given(CUSTOMER_NUMBER, token("C1"))], at(0))
    assert [(span.since, span.until) for span in person.spans if span.token == token("A")] == [
        (at(90), at(190))
    ]
    assert [(span.since, span.until) for span in person.shared] == [(at(190), at(210))]
