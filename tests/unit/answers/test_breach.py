"""How far a breach reaches: who is counted, what is known of them, and what is said of what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.exposed import MOST_EVENTS, Reach
from sinks.ports.lineage import Filter
from streams.answers.breach import BreachFinder
from streams.identity.values import Value
from tests.support.company import model
from tests.support.town import KARI, MOVED, OLA, STRANGE, Town, moment, town

LETTERS = (OpenLetters("web.visits", "cut_short", 3), OpenLetters("billing.invoices", "cut_short", 2))


class Kept:
    """Stands for the sealed values: of whom the customer number was kept."""

    def __init__(self, made: Town, customers: Iterable[str]) -> None:
        self._values = {
            made.token("customer_number", number): Value("customer_number", number) for number in customers
        }

    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]:
        return {token: self._values[token] for token in tokens if token in self._values}


@pytest.fixture
def made(tmp_path: Path) -> Town:
    return town(tmp_path)


def radius(
    made: Town, reach: Reach, *, kept: Iterable[str] = (KARI, OLA), named: bool = True
) -> dict[str, Any]:
    values = Kept(made, kept)
    finder = BreachFinder(made.index, made.index, made.identities, values, model(), lambda: LETTERS)
    return finder.radius(reach, moment(16), named=named)


def between(first: datetime, last: datetime, *topics: str) -> Reach:
    return Reach(Filter(since=first, until=last), topics)


def test_an_address_stands_for_whoever_had_it_then(made: Town) -> None:
    """Of one address Kari in the morning and Ola after noon, each only where the breach reaches that time."""
    assert radius(made, between(moment(10), moment(12), "web.visits"))["notify"] == [KARI, OLA]
    after = radius(made, between(moment(12), moment(14), "web.visits"))
    assert (after["events"], after["people"], after["notify"]) == (1, 1, [OLA])


def test_what_leads_to_nobody_or_to_several_is_said_beside(made: Town) -> None:
    """The shared address without a port is one of the two; the moved one at three is nobody's, the strange one too."""
    found = radius(made, between(moment(0), moment(23), "web.visits"))
    assert found["people"] == 2
    assert (found["identifiers_of_several"], found["identifiers_of_nobody"]) == (1, 2)
    alone = {made.token("ip", address) for address in (MOVED, STRANGE)}
    assert len(alone) == found["identifiers_of_nobody"]


def test_a_customer_whom_no_claim_leads_to_is_a_person_by_their_number(made: Town) -> None:
    found = radius(made, Reach(topics=["billing.invoices"]))
    assert (found["people"], found["notify"]) == (1, [KARI])
    assert found["topics_reached"] == [
        {
            "topic": "billing.invoices",
            "systems": ["billing"],
            "records": ["Invoice"],
            "events": 1,
            "people": 1,
        }
    ]


def test_whose_record_is_anothers_duplicate_counts_as_that_one(made: Town) -> None:
    """Beside a browser, where the event names them under the old number, and in a row of their own under the new."""
    made.merge("10077", KARI, moment(20), moment(21))
    made.visit_named("c1", "10077", moment(1), moment(21))
    made.visit_named("c2", OLA, moment(1), moment(21))
    made.visit_of("10077", moment(1), moment(21))
    made.invoice(KARI, moment(1), moment(21))
    found = radius(made, between(moment(1), moment(2)), kept=[KARI, OLA, "10077"])
    assert (found["people"], found["identifiers_of_nobody"]) == (2, 0)
    assert found["notify"] == [KARI, OLA]
    assert {item["topic"]: item["people"] for item in found["topics_reached"]} == {
        "billing.invoices": 1,
        "web.visits": 2,
    }


def test_a_stranger_in_a_record_that_always_names_a_customer_is_one_more_person(made: Town) -> None:
    """No claim speaks of them; each invoice has a customer number."""
    made.invoice("10077", moment(9), moment(15))
    found = radius(made, Reach(topics=["billing.invoices"]))
    assert (found["people"], found["can_be_told"], found["identifiers_of_nobody"]) == (2, 1, 0)


def test_whoever_is_a_person_in_one_event_is_the_same_in_the_others(made: Town) -> None:
    """A visit names a customer or not; what an invoice shows to be one is no second unknown there."""
    made.invoice("10077", moment(9), moment(15))
    made.visit_of("10077", moment(9), moment(15))
    alone = radius(made, between(moment(9), moment(10), "web.visits"))
    assert (alone["people"], alone["identifiers_of_nobody"]) == (0, 1)
    together = radius(made, between(moment(9), moment(10)))
    assert (together["people"], together["identifiers_of_nobody"]) == (1, 0)
    assert {item["topic"]: item["people"] for item in together["topics_reached"]} == {
        "billing.invoices": 1,
        "web.visits": 1,
    }


def test_whoever_cannot_be_told_is_counted_and_not_left_out(made: Town) -> None:
    found = radius(made, between(moment(10), moment(14)), kept=[OLA])
    assert (found["people"], found["can_be_told"], found["cannot_be_told"]) == (2, 1, 1)
    assert found["notify"] == [OLA]


def test_numbers_are_shown_only_where_they_are_asked_for(made: Town) -> None:
    found = radius(made, Reach(), named=False)
    assert "notify" not in found
    assert KARI not in repr(found)
    assert found["can_be_told"] == 2


def test_categories_say_how_sensitive_they_are_and_of_how_many_people(made: Town) -> None:
    found = radius(made, Reach())
    order = [item["sensitivity"] for item in found["categories"]]
    assert order == sorted(order, reverse=True)
    by_name = {item["category"]: item for item in found["categories"]}
    assert by_name["C-07"]["people"] == 1
    assert by_name["C-21"]["people"] == 2
    assert not by_name["C-21"]["in_texts_alone"]


def test_messages_nobody_could_read_are_said_of_the_topics_it_reaches(made: Town) -> None:
    assert radius(made, Reach(topics=["web.visits"]))["unread"] == {"web.visits": 3}
    assert radius(made, Reach(events=[("billing.invoices", 0, 0)]))["unread"] == {"billing.invoices": 2}
    assert radius(made, Reach(Filter(systems=["web"])))["unread"] == {"web.visits": 3}
    assert radius(made, Reach())["unread"] == {"billing.invoices": 2, "web.visits": 3}


def test_more_events_than_one_question_takes_are_counted_together(made: Town) -> None:
    """Each once, however often it is named."""
    events = [("web.visits", 0, offset) for offset in range(2 * MOST_EVENTS)]
    named = radius(made, Reach(events=[*events[::-1], *events]))
    whole = radius(made, Reach(topics=["web.visits"]))
    told = ("events", "people", "first_seen", "last_seen", "categories", "topics_reached", "notify")
    assert {name: named[name] for name in told} == {name: whole[name] for name in told}
    assert named["events_named"] == len(events)


def test_a_place_that_the_company_has_not_is_refused(made: Town) -> None:
    """An empty answer for a mistyped topic would say that nobody is affected."""
    for reach in (Reach(topics=["web.visit"]), Reach(Filter(systems=["webb"]))):
        with pytest.raises(InputError, match="unknown; use one of"):
            radius(made, reach)


def test_what_the_company_has_no_more_is_found_while_its_events_are_held(made: Town) -> None:
    """A topic that was left is breached as well as one in use."""
    left = made.left("web.former", system="portal")
    for reach in (Reach(topics=["web.former"]), Reach(Filter(systems=["portal"]))):
        found = radius(made, reach)
        assert (found["events"], found["people"], found["notify"]) == (1, 1, [KARI])
        assert found["topics_reached"][0]["topic"] == left.topic
    with pytest.raises(InputError, match="unknown; use one of"):
        radius(made, Reach(topics=["web.former", "web.formr"]))


def test_a_breach_of_nothing_reaches_nobody(made: Town) -> None:
    found = radius(made, between(moment(1), moment(2)))
    assert (found["events"], found["people"], found["first_seen"], found["notify"]) == (0, 0, None, [])
