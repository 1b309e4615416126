"""How the spans of a person become what a system is told. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Proof
from sinks.ports.lineage import Span
from sinks.ports.record_keys import UnnamedRecords
from streams.answers.naming import MOST_BYTES, MOST_TOLD, KeyedRecords, Namer, Naming, known_kinds
from streams.identity.values import RecordKey, Value
from streams.rights.protocol.messages import identifiers_json, told_json
from streams.rights.subject import named_told
from tests.support.company import model
from tests.support.kinds import KINDS

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ADDRESS, PREFIX, INSIDE, NAME = b"a" * 16, b"p" * 16, b"i" * 16, b"n" * 16
VALUES = {
    ADDRESS: Value("ip", "192.0.2.7"),
    PREFIX: Value("ip", "2001:db8::/56", 56),
    NAME: Value("username", "kari"),
}
MEANT = [KeyedRecords([1])]
KNOWS = {"web": frozenset({"ip"}), "crm": frozenset({"username"})}
EVERY = frozenset(Proof)


def span(token: bytes, since: int | None, until: int | None, **more: Any) -> Span:
    """From one hour of the day to another."""
    begin, end = (None if hour is None else DAY + timedelta(hours=hour) for hour in (since, until))
    return Span(token, begin, end, proof=Proof.SUBSCRIBER, **more)


def naming(*spans: Span, **more: Any) -> Naming:
    return replace(Naming(spans, KINDS, KNOWS, VALUES, {}, EVERY), **more)


def test_a_system_is_told_the_kinds_that_its_records_have() -> None:
    """The web the address with its time and ports, the register the user name, and nobody else anything."""
    lease, name = span(ADDRESS, 1, 2, port_from=1000, port_to=1999), Span(NAME)
    made = naming(lease, name)
    assert [(item.kind, item.value, item.span) for item in made.told("web")] == [("ip", "192.0.2.7", lease)]
    assert [(item.kind, item.value, item.span) for item in made.told("crm")] == [("username", "kari", name)]
    assert made.told("billing") == []
    assert (made.covered("web"), made.covered("crm"), made.covered("billing")) == ([lease], [name], [])
    assert not made.cannot(["billing", "crm"])
    assert made.cannot(["billing"])


def test_the_kinds_of_a_system_are_those_of_all_its_records() -> None:
    """Cases have a customer number alone, the register of the same system has more; chats hold what people write."""
    assert known_kinds(model())["crm"] >= {"customer_number", "email", "phone", "username"}
    assert known_kinds(model())["flow_collector"] == {"ip", "phone"}
    assert known_kinds(model())["contact_centre"] >= {"chat_handle", "email", "fodselsnummer"}


@pytest.mark.parametrize("proof", [Proof.HOLDER, Proof.SUBSCRIBER, Proof.LINE_OWNER, Proof.USER])
def test_what_the_policy_leaves_to_a_person_is_not_told(proof: Proof) -> None:
    """Nor counted as if it were; what was given is told whatever the policy says."""
    lease = replace(span(ADDRESS, 1, 2), proof=proof)
    assert naming(lease, proofs=EVERY - {proof}).told("web") == []
    assert naming(lease, proofs=EVERY - {proof}).covered("web") == []
    assert naming(lease, proofs=frozenset({proof})).covered("web") == [lease]
    assert naming(replace(lease, proof=None), proofs=frozenset()).covered("web") != []


def test_what_is_not_kept_is_not_told() -> None:
    """Its key was destroyed, or it was seen before values were kept."""
    assert naming(span(ADDRESS, 1, 2), values={}).told("web") == []


def test_a_prefix_names_the_addresses_that_were_seen_in_it() -> None:
    """They have no value of their own: those of its time are found by it, others are not."""
    whole, seen = span(PREFIX, 1, 9), span(INSIDE, 0, 5)
    made = naming(whole, seen, span(INSIDE, 5, 12), inside={PREFIX: frozenset({INSIDE})})
    assert [(item.value, item.prefix) for item in made.told("web")] == [("2001:db8::/56", True)]
    assert made.covered("web") == [whole, span(INSIDE, 1, 5), span(INSIDE, 5, 9)]


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [span(INSIDE, 1, 5)],
        [span(INSIDE, 1, 5), span(INSIDE, 6, 9)],
        [span(INSIDE, 1, 9, port_from=1, port_to=99)],
    ],
)
def test_a_prefix_in_which_somebody_else_had_a_part_is_not_told(seen: list[Span]) -> None:
    """A system that is told the shorter one cannot see the longer one in it."""
    made = naming(span(PREFIX, 1, 9), *seen, inside={PREFIX: frozenset({INSIDE})})
    assert made.told("web") == []
    assert made.covered("web") == []


def test_a_user_name_is_told_as_it_may_be_written() -> None:
    """With the operator's own realm and without; other kinds have none."""
    made = naming(Span(NAME), span(ADDRESS, 1, 2), realms=["isp.example"])
    assert [item.value for item in made.told("crm")] == ["kari", "kari@isp.example"]
    assert [item.value for item in made.told("web")] == ["192.0.2.7"]


def test_a_command_stays_a_message_that_kafka_takes() -> None:
    """The newest are told, and what has no end; the rest counts as not named."""
    many = [span(ADDRESS, hour, hour + 1) for hour in range(0, 2 * MOST_TOLD, 2)]
    made = naming(span(ADDRESS, -1, None), *many)
    assert len(made.told("web")) == len(made.covered("web")) == MOST_TOLD
    assert made.covered("web")[0] == span(ADDRESS, -1, None)
    assert span(ADDRESS, 0, 1) not in made.covered("web")


@pytest.mark.parametrize(
    ("text", "kind", "realms"),
    [
        ("2001:db8:1111:2222:3333:4444:5555:6666", "ip", ()),
        ("kari", "username", [f"realm{number}.example.no" for number in range(5)]),
        ("a" * 240 + "@example.no", "email", ()),
        ("æ" * 200, "username", ()),
    ],
)
def test_what_is_told_fits_into_a_message(text: str, kind: str, realms: list[str]) -> None:
    """However long a value is, and in however many spellings it is told; what is not told is not covered either."""
    many = [span(ADDRESS, hour, hour + 1, port_from=10_000) for hour in range(0, 2 * MOST_TOLD, 2)]
    made = naming(*many, values={ADDRESS: Value(kind, text)}, knows={"web": frozenset({kind})}, realms=realms)
    told = made.told("web")
    assert 500 < len(told) <= MOST_TOLD
    assert len(json.dumps(identifiers_json(map(named_told, told)))) < MOST_BYTES
    newest = set(many[-len(told) // (len(realms) + 1) :])
    assert {item.span for item in told} == set(made.covered("web")) == newest


HOURS = st.integers(0, 12)


@given(st.lists(st.tuples(HOURS, HOURS), max_size=6), st.tuples(HOURS, HOURS))
def test_a_prefix_is_told_exactly_where_the_addresses_in_it_were_the_persons_all_along(
    seen: list[tuple[int, int]], whole: tuple[int, int]
) -> None:
    """Held against every hour of the day."""
    begin, end = sorted(whole)
    spans = [span(INSIDE, *sorted(hours)) for hours in seen]
    made = naming(span(PREFIX, begin, end), *spans, inside={PREFIX: frozenset({INSIDE})})
    theirs = {hour for hours in seen for hour in range(min(hours), max(hours))}
    assert bool(made.told("web")) == (set(range(begin, end)) <= theirs)


KNOWN = RecordKey("WebVisit", "visit_id", "V-1")


class Kept:
    """Values of nobody, and the keys of any number of records."""

    realms = ()

    def __init__(self, key: RecordKey = KNOWN, most: int = MOST_TOLD) -> None:
        self.asked: list[UnnamedRecords] = []
        self._key, self._most = key, most

    def of(self, tokens: Any) -> dict[bytes, Value]:
        return {}

    def addresses(self, prefixes: Any) -> dict[bytes, frozenset[bytes]]:
        return {}

    def record_keys(self, question: UnnamedRecords) -> list[RecordKey]:
        self.asked.append(question)
        return [self._key] * min(question.most, self._most)


def test_records_are_told_by_key_as_far_as_there_is_room_beside_identifiers() -> None:
    """In number, and in bytes however long a key is."""
    many = [span(ADDRESS, hour, hour + 1) for hour in range(0, 2 * MOST_TOLD - 20, 2)]
    assert len(Namer(model(), Kept()).record_keys(naming(*many), "web", [], MEANT)) == 10
    long = Kept(replace(KNOWN, value="æ" * 5_000))
    keys = Namer(model(), long).record_keys(naming(), "web", [], MEANT)
    assert 20 < len(keys) < 100
    assert len(json.dumps(told_json(keys))) < MOST_BYTES


def test_with_no_room_left_no_record_is_asked_for() -> None:
    many, kept = [span(ADDRESS, hour, hour + 1) for hour in range(0, 2 * MOST_TOLD, 2)], Kept()
    assert Namer(model(), kept).record_keys(naming(*many), "web", [], MEANT) == []
    assert kept.asked == []


def test_what_the_policy_leaves_to_a_person_is_not_told_by_key_either() -> None:
    """Where strangers share a line, the key of a record would name the guest's as well."""
    lease, given_one, kept = span(ADDRESS, 1, 2), Span(NAME), Kept()
    made = naming(lease, given_one, proofs=EVERY - {Proof.SUBSCRIBER})
    Namer(model(), kept).record_keys(made, "web", [given_one], MEANT)
    assert kept.asked == [UnnamedRecords([given_one], [given_one], [1], MOST_TOLD)]


def test_records_that_run_out_by_several_days_share_the_room_of_one_command() -> None:
    """And what has an event on the day or later is left out like one that is named."""
    many, kept = [span(ADDRESS, hour, hour + 1) for hour in range(0, 2 * MOST_TOLD - 20, 2)], Kept()
    assert len(Namer(model(), kept).record_keys(naming(*many), "web", [], [*MEANT, KeyedRecords([2])])) == 10
    lease, later = span(ADDRESS, 1, 4), span(ADDRESS, 5, 6)
    limited = KeyedRecords([2], DAY + timedelta(hours=3))
    kept = Kept(most=3)
    assert len(Namer(model(), kept).record_keys(naming(lease, later), "web", [], [*MEANT, limited])) == 6
    newer = [span(ADDRESS, 3, 4), later]
    room = MOST_TOLD - 2
    assert kept.asked == [
        UnnamedRecords([lease, later], [], [1], room),
        UnnamedRecords([lease, later], newer, [2], room - 3),
    ]
