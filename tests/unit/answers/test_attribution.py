"""The identity behind an answer: as it is shown, kept, compared, and cut where somebody else is linked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import Bound, Proof, Resolution
from sinks.ports.lineage import Span
from streams.answers.ambiguity import needs_more, timeless
from streams.answers.attribution import (
    LINKS_SHOWN,
    STANDS_FOR_ITSELF,
    Attribution,
    IdentitySnapshot,
    differences,
    ending_before,
    newest,
    snapshot_of,
    unlinked_spans,
)
from streams.identity.model import Link, ResolvedSubject
from streams.rights.protocol.messages import (
    Named,
    canonical_identifiers,
    identifiers_from_json,
    identifiers_json,
)
from tests.support.kinds import KINDS

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKEN, OTHER = b"\x01" * 16, b"\x02" * 16


def at(minutes: int | None) -> datetime | None:
    return None if minutes is None else NOON + timedelta(minutes=minutes)


def link(
    since: int | None, until: int | None, ports: tuple[int, int] = (0, 65_535), token: bytes = TOKEN
) -> Link:
    return Link(
        token, OTHER, at(since), at(until), Proof.SUBSCRIBER, "radius", Bound.STATED, at(until), at(until), NOON,
        ("network.assignments", 0, 7), 0, ports,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("resolution", "shared", "held", "said"),
    [
        ("unique", 0, True, "unique"),
        ("unique", 0, False, "none"),
        ("unique", 3, True, "unique"),
        ("unique", 3, False, "ambiguous"),
        ("ambiguous", 0, False, "ambiguous"),
        ("ambiguous", 0, True, "ambiguous"),
        ("none", 0, True, "none"),
    ],
)
def test_the_resolution_of_an_answer(resolution: Resolution, shared: int, held: bool, said: str) -> None:
    """Ambiguous if an identifier is or only shared events were found; none if nothing is anybody's."""
    attribution = Attribution(resolution, 1, shared)
    assert attribution.of_answer(held) == said
    assert attribution.shown(held)["candidates"] == (0 if said == "none" else 1)


def test_the_newest_links_are_shown_and_all_are_counted() -> None:
    """In the same order, whatever order they come in; a link without an end counts as new."""
    links = [link(number, number + 1) for number in range(LINKS_SHOWN + 5)]
    shown = Attribution(Resolution.UNIQUE, 1, 0, links[::-1]).shown(True)
    assert (len(shown["identity"]), shown["identity_total"]) == (LINKS_SHOWN, LINKS_SHOWN + 5)
    assert newest(links) == newest(links[::-1]) == links[5:]
    assert STANDS_FOR_ITSELF.shown(True)["identity"] == []
    assert shown["identity"][-1]["until"] == "2026-05-01T15:25:00Z"
    assert TOKEN.hex() not in json.dumps(shown)


def test_links_are_compared_by_where_they_begin() -> None:
    """New, gone, or with another end; one that merely was confirmed is the same."""
    then = [link(0, None), link(10, 20), link(30, 40)]
    now = [replace(link(0, None), evidence=("network.assignments", 0, 9)), link(10, 15), link(50, 60)]
    assert differences(then, now) == {"links_new": 1, "links_ended_differently": 1, "links_gone": 1}
    assert set(differences(now, now).values()) == {0}


minutes = st.none() | st.integers(0, 60)
spans = st.builds(
    lambda since, until, low, high, proof: Span(
        TOKEN, at(since), at(until), min(low, high), max(low, high), proof
    ),
    minutes,
    minutes,
    st.integers(0, 9),
    st.integers(0, 9),
    st.none() | st.sampled_from(Proof),
)
links = st.builds(
    lambda since, until, low, high: link(since, until, (min(low, high), max(low, high))),
    minutes,
    minutes,
    st.integers(0, 9),
    st.integers(0, 9),
).filter(lambda item: item.since is None or item.until is None or item.since < item.until)


def covers(piece: Span | Link, minute: float) -> bool:
    moment = NOON + timedelta(minutes=minute)
    return (piece.since is None or piece.since <= moment) and (piece.until is None or moment < piece.until)


@given(st.lists(spans, max_size=4), st.lists(links, max_size=4), st.integers(-1, 61))
def test_where_a_link_is_nothing_stays_unclaimed(one: list[Span], other: list[Link], minute: int) -> None:
    """At every moment: a span is left exactly where it was and no link of some of its ports is."""
    half = minute + 0.5
    for span in one:
        meeting = [
            item for item in other if item.ports[0] <= span.port_to and span.port_from <= item.ports[1]
        ]
        left = [piece for piece in unlinked_spans([span], other) if covers(piece, half)]
        free = covers(span, half) and not any(covers(item, half) for item in meeting)
        assert len(left) == int(free)
        assert all((piece.port_from, piece.proof) == (span.port_from, span.proof) for piece in left)
    assert unlinked_spans(one, [replace(item, token=OTHER) for item in other]) == [
        span for span in one if span.since is None or span.until is None or span.since < span.until
    ]


@given(st.lists(spans, max_size=4), st.lists(spans, max_size=4))
def test_an_identity_survives_the_ledger(one: list[Span], other: list[Span]) -> None:
    """Written as JSON and read back it is the same."""
    person = ResolvedSubject(Resolution.UNIQUE, 1, frozenset([TOKEN]), one, other, ())
    assert IdentitySnapshot.read(json.loads(json.dumps(snapshot_of(person).json()))) == snapshot_of(person)


def test_spans_are_cut_at_a_moment() -> None:
    """What begins then or later is left out."""
    asked = [Span(TOKEN), Span(TOKEN, at(0), at(5)), Span(TOKEN, at(0), at(20)), Span(TOKEN, at(10))]
    cut = ending_before(asked, NOON + timedelta(minutes=10))
    assert [(span.since, span.until) for span in cut] == [(None, at(10)), (at(0), at(5)), (at(0), at(10))]


def test_identifiers_keep_their_moment() -> None:
    """The time of an address goes into the case file, in UTC, and comes back; the value is in no repr."""
    given_at = datetime.fromisoformat("2026-05-01T14:00:00+02:00")
    named = canonical_identifiers(
        [("email", "Kari@example.no"), Named("ip", "192.0.2.7", given_at, 1500)], KINDS
    )
    stored = identifiers_json(named)
    assert stored == [["email", "kari@example.no"], ["ip", "192.0.2.7", "2026-05-01T12:00:00Z", 1500]]
    assert identifiers_from_json(stored) == named
    assert "192" not in repr(named)


def test_what_to_give_is_said() -> None:
    """The time for an address that has none, another identifier else."""
    assert timeless([(True, None), (False, None)])
    assert not timeless([(True, NOON), (False, None)])
    assert "give the time" in needs_more(["ip"], timeless_address=True, customer="member_number", place=True)
    shared = needs_more(["ip"], timeless_address=False, customer="member_number", place=True)
    assert "such as the member number, or the port of a shared address" in shared
    told = needs_more(
        ["username", "card_number"], timeless_address=False, customer="member_number", place=False
    )
    assert "the card number, username given" in told
    assert told.endswith(
        "such as the member number, or the time at which it was theirs (`at`, or `--at card_number=TIME`)"
    )
