"""Many questions at once are answered as each would be alone: overlapping people, shared addresses, shared events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.vocabulary import Proof, Role
from sinks.ports.lineage import NO_LIMITS, CountsQuestion, Filter, FindQuestion, IndexReaderOfMany, Span
from tests.support.index import NOW, Index, Row, moment, tags, token

WEB = tags()
CHAT = tags("C-12", topic="support.chats", system="contact_centre", purposes=("P-SUPPORT",))
CALL = tags("C-16", topic="network.traffic", system="flow_collector", purposes=("P-CONTRACT",))
SETS = [WEB, CHAT, CALL]
ROLES = [Role.OWNER.code, Role.COUNTERPARTY.code, Role.MENTIONED.code]
PEOPLE, EVENTS, HOUR = 6, 60, 3_600_000

moments = st.one_of(st.none(), st.integers(-1, 13).map(lambda hour: moment(hour * HOUR)))
ports = st.sampled_from([(0, 65_535), (0, 20_000), (10_000, 30_000), (40_000, 65_535)])


@st.composite
def a_span(draw: st.DrawFn) -> Span:
    low, high = draw(ports)
    proof = draw(st.sampled_from([None, Proof.SUBSCRIBER, Proof.HOLDER]))
    return Span(token(draw(st.integers(1, PEOPLE))), draw(moments), draw(moments), low, high, proof)


people = st.lists(a_span(), max_size=6)
known = st.sampled_from([None, NOW, NOW - timedelta(days=1)])
some_sets = st.lists(st.sampled_from([item.id for item in SETS]), unique=True)
limits = st.one_of(
    st.just(NO_LIMITS),
    st.builds(Filter, since=moments, until=moments, tag_sets=some_sets),
    st.sampled_from(
        [
            Filter(systems=["web"]),
            Filter(categories=["C-16"]),
            Filter(purposes=["P-NONE"]),
            Filter(recipients=["police"]),
        ]
    ),
)


def filled(index: Index) -> IndexReaderOfMany:
    """Events of up to three people each, in several roles, at several times and ports."""
    chance = Random(5)
    rows = [
        Row(
            chance.randint(1, PEOPLE),
            offset,
            chance.choice(SETS),
            at=chance.randint(0, 12) * HOUR,
            role=role,
            port=chance.choice([0, 0, 15_000, 50_000]),
            record=chance.choice([0, 1, 2]),
        )
        for offset in range(EVENTS)
        for role in chance.sample(ROLES, chance.randint(1, 3))
    ]
    index.write(rows)
    return cast(IndexReaderOfMany, index.reader)


def hold(check: Callable[[Any], None], questions: st.SearchStrategy[Any]) -> None:
    """The check holds for whatever is asked."""
    settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))(
        given(questions)(check)
    )()


def test_what_is_found_for_each_is_what_is_found_for_it_alone(index: Index) -> None:
    reader = filled(index)

    def check(questions: list[FindQuestion]) -> None:
        alone = [reader.find(item.spans, item.limits, item.known_at) for item in questions]
        assert reader.find_each(questions) == alone

    hold(check, st.lists(st.builds(FindQuestion, people, limits, known), max_size=8))


def test_what_is_counted_for_each_is_what_is_counted_for_it_alone(index: Index) -> None:
    reader = filled(index)

    def check(questions: list[CountsQuestion]) -> None:
        alone = [reader.counts(item.spans, item.tag_sets, item.known_at) for item in questions]
        assert reader.counts_each(questions) == alone

    hold(check, st.lists(st.builds(CountsQuestion, people, some_sets, known), max_size=8))


def test_several_counts_of_the_same_spans_are_what_each_is_alone(index: Index) -> None:
    reader = filled(index)

    def check(said: list[tuple[list[Span], list[list[int]]]]) -> None:
        questions = [CountsQuestion(spans, tag_sets) for spans, each in said for tag_sets in each]
        assert reader.counts_each(questions) == [
            reader.counts(item.spans, item.tag_sets) for item in questions
        ]

    hold(check, st.lists(st.tuples(people, st.lists(some_sets, max_size=4)), max_size=4))


def test_who_else_stands_in_the_events_of_each_is_told_as_for_it_alone(index: Index) -> None:
    reader = filled(index)

    def check(questions: list[list[Span]]) -> None:
        alone = [Counter(reader.others(item)) for item in questions]
        assert [Counter(found) for found in reader.others_each(questions)] == alone

    hold(check, st.lists(people, max_size=8))


def test_questions_that_do_not_fit_into_one_statement_are_several(index: Index) -> None:
    """Of thousands of people each gets the answer to what was asked of them."""
    reader = filled(index)
    every = [Span(token(number)) for number in range(1, PEOPLE + 1)]
    alone = [reader.find([span]) for span in every]
    spans = [[*(Span(token(900 + number)) for number in range(700)), span] for span in every * 2]
    assert reader.find_each([FindQuestion(item) for item in spans]) == alone * 2
