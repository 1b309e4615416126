"""Heavy questions: many addresses with times in one, people behind hundreds of blocks of ports."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from schemas.vocabulary import ClaimForm, Proof
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.identity.links.table import FOREVER, Links
from streams.identity.model import Given, ResolvedSubject
from streams.identity.spans import milliseconds
from tests.support.kinds import CUSTOMER_NUMBER, IP, USERNAME
from tests.support.said import Claim, TableReader, at, session, table, token
from tests.support.time_bounds import million_steps
from tests.support.worlds import HORIZON, SOURCES, world

NOW = at(HORIZON)


class Counting(TableReader):
    """Counts how often the index is asked."""

    questions = 0

    def claims(self, *given: object, **named: object) -> pa.Table:
        self.questions += 1
        return super().claims(*given, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(25))
def test_many_identifiers_in_one_question_are_answered_as_each_of_them_alone(seed: int) -> None:
    """Random worlds: resolution, candidates, subjects, problems, links and chains."""
    chance = random.Random(seed)
    made = world(chance)
    asked, identities = made.asked(chance), made.identities()
    chains = identities.chains(asked)
    for item, found, chain in zip(asked, identities.each(asked, NOW), chains, strict=True):
        alone = identities.person([item], NOW)
        assert (found.resolution, found.candidates, found.subjects, found.problems) == (
            *(alone.resolution, alone.candidates, alone.subjects, alone.problems),
        )
        assert list(found.links) == identities.links([item])[0]
        assert chain == identities.chains([item])[0]
        assert set(found.links) <= set(chain)


@pytest.mark.parametrize("seed", range(25))
def test_spans_say_at_each_moment_and_port_what_the_holders_of_that_moment_say(seed: int) -> None:
    """Random worlds, every moment at which anything changes: alone, shared or not the person's."""
    chance = random.Random(1_000 + seed)
    made = world(chance)
    identities = made.identities()
    number = made.given(CUSTOMER_NUMBER, f"C{seed % 4}")
    person = identities.person([number], NOW)
    for name in made.addresses:
        address = made.given(IP, name)
        names = [address.token, *(prefix for prefix, _ in address.prefixes)]
        ends = identities.ends(names)
        ends = ends.where(np.isin(ends.token, [ends.codes[name] for name in names if name in ends.codes]))
        edges = {time for times in (ends.since, ends.until) for time in times.tolist() if abs(time) < FOREVER}
        for edge in sorted(edges):
            for port in (0, 1100, 1250, 5000):
                expected = _by_holders(ends, edge, port, person.subjects)
                assert (
                    _covered(person.spans, address, edge, port),
                    _covered(person.shared, address, edge, port),
                ) == expected


def _by_holders(ends: Links, when: int, port: int, subjects: frozenset[bytes]) -> tuple[bool, bool]:
    """Whether the person alone, or the person and others, had the address then: one link after the other."""
    active = [row for row in range(len(ends)) if ends.since[row] <= when < ends.until[row]]
    longest = max((int(ends.length[row]) or 128 for row in active), default=0)
    holders = [
        ends.names[int(ends.subject[row])].as_py() if ends.subject[row] >= 0 else b""
        for row in active
        if (int(ends.length[row]) or 128) == longest
        and (
            port == 0
            or (ends.port_from[row], ends.port_to[row]) == ALL_PORTS
            or ends.port_from[row] <= port <= ends.port_to[row]
        )
    ]
    mine = any(holder in subjects for holder in holders)
    return mine and subjects.issuperset(holders), mine and not subjects.issuperset(holders)


def _covered(spans: Sequence[Span], item: Given, when: int, port: int) -> bool:
    return any(
        span.token == item.token
        and span.port_from <= port <= span.port_to
        and (span.since is None or milliseconds(span.since) <= when)
        and (span.until is None or when < milliseconds(span.until))
        for span in spans
    )


def _shared(blocks: int, turns: int) -> list[Claim]:
    """An address whose blocks of ports are given out again and again; the one in the middle always to Kari."""
    size = 64_512 // blocks
    claims = []
    for block in range(blocks):
        ports = (1_024 + block * size, 1_024 + block * size + size - 1)
        for turn in range(turns):
            whom = "kari" if block == blocks // 2 else f"u{block}-{turn}"
            like = Claim(ports=ports, source="nat_map")
            start = turn * 1_000 + block
            claims += session(f"g{block}-{turn}", "A", whom, start, [], start + 700, like=like)
    return claims


def person_of(identities: Identities, name: str) -> tuple[ResolvedSubject, float]:
    """The person with that user name, and what finding it costs in millions of steps."""
    found: list[ResolvedSubject] = []
    given = [Given(USERNAME, token(name))]
    steps = million_steps(lambda: found.append(identities.person(given, NOW)))
    return found[0], steps


def test_a_person_behind_504_blocks_of_ports_costs_no_more_than_sorting_them() -> None:
    """Took blocks squared for each of the moments: two minutes for what is here."""
    identities = Identities(TableReader(table(_shared(504, 4))), SOURCES)
    person, steps = person_of(identities, "kari")
    assert steps < 50
    alone = [span for span in person.spans if span.token == token("A")]
    ports = (1_024 + 252 * 128, 1_024 + 252 * 128 + 127)
    assert [(span.since, span.until, span.port_from, span.port_to) for span in alone] == [
        (at(turn * 1_000 + 252), at(turn * 1_000 + 952), *ports) for turn in range(4)
    ]
    assert {(span.port_from, span.port_to) for span in person.shared} == {(0, 0)}


def test_somebody_who_has_all_ports_beside_504_blocks_shares_them_and_the_cost_is_not_their_square() -> None:
    """Every block is a range of the person's own."""
    claims = [*_shared(504, 2), *session("whole", "A", "ola", 0, [], 5_000, like=Claim(source="nat_map"))]
    identities = Identities(TableReader(table(claims)), SOURCES)
    person, steps = person_of(identities, "ola")
    assert steps < 50
    alone = {(span.port_from, span.port_to) for span in person.spans if span.since == at(0)}
    assert (1, 1_023) in alone
    assert len(person.shared) >= 504


@pytest.mark.parametrize("count", [1, 20, 100])
def test_a_hundred_addresses_with_times_cost_as_many_questions_of_the_index_as_one(count: int) -> None:
    """Each was looked up alone, with everything that its holder had at any time."""
    claims = [
        claim
        for number in range(100)
        for claim in session(f"g{number}", f"A{number}", f"u{number}", 0, [600], 1_200, like=Claim(line="l"))
    ]
    reader = Counting(table(claims))
    givens = [Given(IP, token(f"A{number}"), at(300)) for number in range(count)]
    found = Identities(reader, SOURCES).each(givens, NOW)
    assert [person.subjects for person in found] == [{token(f"u{number}")} for number in range(count)]
    assert reader.questions <= 6


def test_a_chain_that_is_too_long_leads_nowhere_whoever_else_is_asked_about() -> None:
    """Six links: what lies behind the fifth was read only if somebody else led there."""
    like = Claim(source="nat_map")
    claims = [
        claim
        for number in range(6)
        for claim in session(f"g{number}", f"T{number}", f"T{number + 1}", 0, [], 900, like=like)
    ]
    identities = Identities(TableReader(table(claims)), SOURCES)
    far, near = (Given(IP, token(name), at(10)) for name in ("T0", "T3"))
    alone, beside = identities.each([far], NOW)[0], identities.each([far, near], NOW)[0]
    assert alone == beside
    assert alone.resolution == "ambiguous"
    assert identities.person([near], NOW).subjects == {token("T6")}


def test_who_had_an_address_before_is_not_shown_to_whom_asks_about_a_moment() -> None:
    """The register's entry of an earlier holder was among the links."""
    name = {"form": ClaimForm.STATE, "proof": Proof.HOLDER, "source": "register"}
    claims = [
        *session("s", "A", "u1", 0, [], 100),
        *session("t", "A", "u2", 500, [], 900),
        Claim("u1", "C1", 0, group="slot 1", **name),  # type: ignore[arg-type]
        Claim("u2", "C2", 0, group="slot 2", **name),  # type: ignore[arg-type]
    ]
    identities = Identities(TableReader(table(claims)), SOURCES)
    found = identities.chains([Given(IP, token("A"), at(600))])[0]
    assert {link.subject for link in found} == {token("u2"), token("C2")}
