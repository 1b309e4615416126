"""Counting whose events are while they are tagged: the answers of the identity rules, and few questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Resolution
from sinks.ports.identity import CLAIM_SCHEMA, PREFIX_SCHEMA, ClaimKey, OpenClaims
from streams.columns.observed import Observed
from streams.identity.coverage import Coverage
from streams.identity.identities import Identities
from tests.support.said import Claim, TableReader, at, session, table, token

SOURCES = load_catalogue().identity_sources
NO_CLAIMS, NO_PREFIXES = OpenClaims(), PREFIX_SCHEMA.empty_table()
# Far from every border, so that how far clocks may be off does not matter.
EARLY, LATE = -100_000.0, 100_000.0
Seen = tuple[str, float, int]


class Reader(TableReader):
    """Remembers which tokens were asked about, question by question, and learns."""

    def __init__(self, said: Sequence[Claim], prefixes: Sequence[tuple[str, str, int]] = ()) -> None:
        super().__init__(table(said), prefixes)
        self._said = list(said)
        self.asked: list[set[bytes]] = []

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        if of == "token":
            self.asked.append(set(keys))
        return super().claims(keys, known_at, of=of, without=without)

    def learn(self, said: Sequence[Claim]) -> pa.Table:
        """From now on this is said too; the batch of claims that said it."""
        self._said += said
        self._claims = table(self._said)
        return OpenClaims(table(said).select(CLAIM_SCHEMA.names))

    def take(self) -> set[bytes]:
        """What was asked about since the last time."""
        asked = set().union(*self.asked)
        self.asked.clear()
        return asked


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def observed(*seen: Seen) -> Observed:
    """(name, seconds, port)."""
    names = np.frombuffer(b"".join(token(name) for name, _, _ in seen), np.uint8).reshape(-1, 16)
    times = np.array([milliseconds(seconds) for _, seconds, _ in seen], np.int64)
    ports = np.array([port for _, _, port in seen], np.int64)
    return Observed(names, times, ports, np.zeros(len(seen), np.int64), np.arange(len(seen)))


def milliseconds(seconds: float) -> int:
    return round(at(seconds).timestamp() * 1000)


def above(*prefixes: tuple[str, str, int]) -> pa.Table:
    """(address, prefix, length) as the batch has them."""
    rows = [
        {"prefix": token(prefix), "length": length, "token": token(address)}
        for address, prefix, length in prefixes
    ]
    return pa.Table.from_pylist(rows, PREFIX_SCHEMA)


def tokens(*names: str) -> set[bytes]:
    return {token(name) for name in names}


KARI = session("s", "A", "kari", EARLY, [0], LATE)
OLA = session("t", "B", "ola", EARLY, [0], LATE)


def counting(reader: Reader) -> tuple[Coverage, Clock]:
    clock = Clock()
    return Coverage(Identities(reader, SOURCES), clock), clock


def test_answers_are_counted_per_topic() -> None:
    """One person, several, or nobody; each identifier of each event counts."""
    shared = session("u", "C", "siri", EARLY, [0], LATE, like=Claim(ports=(1000, 1999)))
    shared += session("v", "C", "per", EARLY, [0], LATE, like=Claim(ports=(2000, 2999)))
    whose, _ = counting(Reader([*KARI, *shared]))
    seen = {
        "web": observed(("A", 0, 0), ("A", 5, 443), ("C", 0, 0), ("X", 0, 0), ("A", 2 * LATE, 0)),
        "chat": observed(("C", 0, 1500), ("C", 0, 2000), ("C", 0, 4000), ("C", 0, 0)),
    }
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {
        ("web", "unique"): 2,
        ("web", "ambiguous"): 1,
        ("web", "none"): 2,
        ("chat", "unique"): 2,
        ("chat", "ambiguous"): 1,
        ("chat", "none"): 1,
    }


def test_chains_are_followed_to_their_end() -> None:
    """An address leads to a user name, which leads to a customer."""
    said = [*KARI, Claim("kari", "K1", 0, Mark.OPEN, ClaimForm.STATE, "slot", since=EARLY, source="register")]
    reader = Reader(said)
    whose, _ = counting(reader)
    assert whose.count({"web": observed(("A", 0, 0))}, NO_CLAIMS, NO_PREFIXES).totals == {
        ("web", "unique"): 1
    }
    assert tokens("A", "kari") <= reader.take()


@pytest.mark.parametrize("seen", [{}, {"web": observed()}, {"web": observed(), "chat": observed()}])
def test_nothing_observed_is_nothing_counted(seen: Mapping[str, Observed]) -> None:
    """And nothing is asked, whatever the batch says otherwise."""
    reader = Reader(KARI)
    whose, _ = counting(reader)
    assert whose.count(seen, OpenClaims(table(KARI).select(CLAIM_SCHEMA.names)), NO_PREFIXES).totals == {}
    assert reader.asked == []


def test_a_topic_that_observed_nothing_is_not_named() -> None:
    """Beside one that did."""
    whose, _ = counting(Reader(KARI))
    seen = {"chat": observed(), "web": observed(("A", 0, 0)), "mail": observed()}
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 1}


def test_what_was_looked_up_is_believed_for_half_a_minute() -> None:
    """Also that a token is nobody's. Afterwards it is asked anew: other taggers learn too."""
    reader = Reader(KARI)
    whose, clock = counting(reader)
    seen = {"web": observed(("A", 0, 0), ("B", 0, 0))}
    before = {("web", "unique"): 1, ("web", "none"): 1}
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == before
    assert tokens("A", "B") <= reader.take()
    reader.learn(OLA)
    clock.now += 29.9
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == before
    assert reader.asked == []
    clock.now += 0.2
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 2}
    assert tokens("A", "B") <= reader.take()


def test_only_new_tokens_are_asked_about() -> None:
    """A batch with an old and a new token asks for the new one, and answers for both."""
    reader = Reader([*KARI, *OLA])
    whose, _ = counting(reader)
    whose.count({"web": observed(("A", 0, 0), ("A", 1, 0))}, NO_CLAIMS, NO_PREFIXES)
    reader.take()
    seen = {"web": observed(("A", 0, 0), ("B", 0, 0), ("A", 2 * LATE, 0))}
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 2, ("web", "none"): 1}
    assert token("B") in (asked := reader.take())
    assert token("A") not in asked


def test_a_claim_makes_its_token_asked_anew() -> None:
    """What the same batch says of a token counts at once; other tokens are still believed."""
    reader = Reader(KARI)
    whose, _ = counting(reader)
    seen = {"web": observed(("A", 0, 0), ("B", 0, 0))}
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 1, ("web", "none"): 1}
    reader.take()
    said = reader.learn(OLA)
    assert whose.count(seen, said, NO_PREFIXES).totals == {("web", "unique"): 2}
    assert token("B") in (asked := reader.take())
    assert token("A") not in asked
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 2}
    assert reader.asked == []


def test_an_index_that_does_not_answer_leaves_nothing_half_remembered() -> None:
    """The error goes to the caller; asked again, the answer is right."""

    class Silent(Reader):
        silent = True

        def claims(
            self,
            keys: Sequence[bytes],
            known_at: datetime | None = None,
            *,
            of: ClaimKey,
            without: Sequence[bytes] = (),
        ) -> pa.Table:
            if self.silent:
                raise ConnectionError
            return super().claims(keys, known_at, of=of, without=without)

    reader = Silent(KARI)
    whose, _ = counting(reader)
    seen = {"web": observed(("A", 0, 0), ("X", 0, 0))}
    with pytest.raises(ConnectionError):
        whose.count(seen, NO_CLAIMS, NO_PREFIXES)
    reader.silent = False
    assert whose.count(seen, NO_CLAIMS, NO_PREFIXES).totals == {("web", "unique"): 1, ("web", "none"): 1}


UNDER = [("a1", "p56", 56), ("a1", "p48", 48), ("a2", "q56", 56), ("a2", "p48", 48)]


def test_an_ipv6_address_is_whose_its_prefix_is() -> None:
    """The longest prefix that anybody had decides; an address under no one's prefix is nobody's."""
    said = session("s", "p48", "kari", EARLY, [0], LATE, like=Claim(length=48))
    said += session("t", "p48", "siri", EARLY, [0], LATE, like=Claim(length=48))
    said += session("u", "p56", "ola", EARLY, [0], LATE, like=Claim(length=56))
    reader = Reader(said, UNDER)
    whose, _ = counting(reader)
    prefixes = above(*UNDER, ("a3", "r56", 56))
    seen = {"web": observed(("a1", 0, 0), ("a2", 0, 0), ("a3", 0, 0))}
    expected = {("web", "unique"): 1, ("web", "none"): 1, ("web", "ambiguous"): 1}
    for _ in range(2):
        assert whose.count(seen, NO_CLAIMS, prefixes).totals == expected
    assert tokens("p56", "p48", "q56", "r56") <= reader.take()


def test_an_ipv6_address_is_believed_beside_new_ones() -> None:
    """Its chain is in another look-up than the prefixes of this batch."""
    said = session("u", "p56", "ola", EARLY, [0], LATE, like=Claim(length=56))
    said += session("s", "q56", "kari", EARLY, [0], LATE, like=Claim(length=56))
    whose, _ = counting(Reader(said, UNDER))
    assert whose.count({"web": observed(("a1", 0, 0))}, NO_CLAIMS, above(*UNDER[:2])).totals == {
        ("web", "unique"): 1
    }
    seen = {"web": observed(("a1", 0, 0), ("a2", 0, 0))}
    assert whose.count(seen, NO_CLAIMS, above(*UNDER)).totals == {("web", "unique"): 2}


def test_hundreds_of_batches_with_new_tokens_are_answered() -> None:
    """Far more look-ups than are remembered: old tokens and new ones have the right answer in every batch."""
    count = 200
    said = [
        claim
        for number in range(count)
        if number % 3
        for claim in session(f"s{number}", f"T{number}", f"U{number % 7}", EARLY, [0], LATE)
    ]
    whose, clock = counting(Reader(said))
    for number in range(count):
        clock.now += 0.25
        names = {number, number // 2, max(0, number - 1), 0}
        unique = sum(1 for name in names if name % 3)
        expected = {("web", "unique"): unique, ("web", "none"): len(names) - unique}
        found = whose.count({"web": observed(*((f"T{n}", 0, 0) for n in names))}, NO_CLAIMS, NO_PREFIXES)
        assert found.totals == {key: value for key, value in expected.items() if value}


def test_a_feed_of_few_tokens_is_hardly_asked_about() -> None:
    """Batch after batch with the same tokens: one look-up in half a minute."""
    reader = Reader(KARI)
    whose, clock = counting(reader)
    looked_up = []
    for _ in range(100):
        whose.count({"web": observed(("A", 0, 0))}, NO_CLAIMS, NO_PREFIXES)
        if reader.take():
            looked_up.append(clock.now)
        clock.now += 1
    assert len(looked_up) == 4
    assert all(later - earlier > 30 for earlier, later in pairwise(looked_up))


NAMES = ("A", "B", "C", "a1", "a2", "kari", "X")
SESSIONS = st.builds(
    lambda number, name, subject, start, last, ports: session(
        f"s{number}",
        name,
        subject,
        start,
        [start + last / 2],
        start + last,
        like=Claim(
            ports=ports if len(name) == 1 else (0, 65_535), length=int(name[1:]) if name[0] in "pq" else 0
        ),
    ),
    st.integers(0, 10**6),
    st.sampled_from(["A", "B", "C", "p56", "p48", "q56", "kari"]),
    st.sampled_from(["K1", "K2", "kari"]),
    st.integers(0, 20).map(lambda number: number * 1000.0),
    st.integers(1, 10).map(lambda number: number * 1000.0),
    st.sampled_from([(0, 65_535), (1000, 1999), (2000, 2999)]),
)
SEEN = st.tuples(
    st.sampled_from(NAMES),
    st.integers(0, 60).map(lambda number: number * 500.0),
    st.sampled_from([0, 1500, 2500]),
)
BATCHES = st.lists(
    st.tuples(st.lists(SEEN, max_size=6), st.lists(SEEN, max_size=3), st.sampled_from([0, 3, 31])),
    max_size=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SESSIONS, max_size=8), BATCHES)
def test_the_figures_are_those_of_the_rules_asked_at_once(
    sessions: list[list[Claim]], batches: list[tuple[list[Seen], list[Seen], int]]
) -> None:
    """Whatever was looked up before, and when: every batch is counted as if everything were asked for it alone."""
    reader = Reader([claim for found in sessions for claim in found], UNDER)
    identities = Identities(reader, SOURCES)
    clock = Clock()
    whose = Coverage(identities, clock)
    for web, chat, pause in batches:
        clock.now += pause
        by_topic = {"web": web, "chat": chat}
        addresses = {name for name, _, _ in web + chat}
        prefixes = above(*(row for row in UNDER if row[0] in addresses))
        expected: Counter[tuple[str, str]] = Counter()
        for topic, seen in by_topic.items():
            names = sorted({name for name, _, _ in seen})
            given_ = observed(*seen)
            which = np.array([names.index(name) for name, _, _ in seen], np.int64)
            distinct = pa.array([token(name) for name in names], pa.binary(16))
            resolved, _ = identities.resolve(distinct, prefixes, which, given_.at, given_.port)
            expected.update((topic, Resolution.of(word)) for word in resolved.resolution.tolist())
        counted = whose.count(
            {topic: observed(*seen) for topic, seen in by_topic.items()}, NO_CLAIMS, prefixes
        )
        found = counted.totals
        assert found == dict(expected)


def test_each_identifier_says_of_its_event_whom_it_led_to() -> None:
    """One person, several, somebody at another time, or nobody that any link speaks of; with the event's place."""
    shared = session("u", "C", "siri", EARLY, [0], LATE, like=Claim(ports=(1000, 1999)))
    shared += session("v", "C", "per", EARLY, [0], LATE, like=Claim(ports=(2000, 2999)))
    whose, _ = counting(Reader([*KARI, *shared]))
    seen = observed(("A", 0, 0), ("C", 0, 0), ("A", 2 * LATE, 0), ("X", 0, 0))
    events = whose.count({"web": seen}, NO_CLAIMS, NO_PREFIXES).events.to_pylist()
    assert [(row["topic"], row["offset"], row["found"]) for row in events] == [
        ("web", 0, "one"),
        ("web", 1, "several"),
        ("web", 2, "another_time"),
        ("web", 3, "unknown"),
    ]
    assert events[0]["event_time"] == at(0).replace(tzinfo=None)
