"""A little of what `python -m bench.gdprbench` does a lot of: every answer is the model's, and a wrong one is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.gdprbench.__main__ import ADDITIONS, measured
from bench.gdprbench.erasures import Holds, Replays
from bench.gdprbench.installation import Installation
from bench.gdprbench.network import LateIdentity, SharedAddresses
from bench.gdprbench.score import Refused, Score, table
from bench.gdprbench.users import MIXES, Users, records_by_consent
from sinks.memory.index import MemoryIndex
from streams.answers.restricted import Restricted


@pytest.fixture
def score() -> Score:
    return Score()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def users(folder: Path, stack: ExitStack, score: Score, count: int, on: str = "memory") -> Users:
    there = Installation(folder, stack, on, records_by_consent())
    return Users(there, score, count, "controller")


@pytest.mark.parametrize("mix", [*MIXES, *ADDITIONS])
def test_every_answer_of_a_mix_is_right(mix: str) -> None:
    found = measured(mix, "memory", users=4, records=20, operations=25)
    assert found.wrong == []
    counted = {row["operation"]: row["count"] for row in found.rows()}
    assert {row["operation"]: row["right"] for row in found.rows()} == counted
    if mix in MIXES:
        prepared = {"everybody_again", "objections_again", "object", "delete" if mix == "regulator" else ""}
        assert sum(count for name, count in counted.items() if name not in prepared) == 25


def test_a_visit_that_was_withdrawn_is_expected_of_no_run_on_the_embedded_index(
    tmp_path: Path, stack: ExitStack, score: Score
) -> None:
    """Nor is it found under the address that it came from, of which nothing says whose it was."""
    run = users(tmp_path, stack, score, 2, on="chdb")
    run.fill(24)
    run.do("withdraw", 0)
    run.do("expire", 1)
    assert score.wrong == []


def test_a_wrong_answer_is_counted(tmp_path: Path, stack: ExitStack, score: Score) -> None:
    """An event that the model does not know of is seen by every kind of question."""
    run = users(tmp_path, stack, score, 1)
    for _ in range(3):
        run.do("insert", 0)
    run.held[0].visits.pop()
    for name in ("read", "read_by_purpose", "read_by_recipient", "read_by_objection", "read_by_user"):
        run.do(name, 0)
    said = [line.partition(" (")[0] for line in score.wrong]
    assert said == [
        "read",
        "read_by_purpose",
        "read_by_recipient",
        "read_by_objection",
        *["read_by_user"] * 2,
    ]
    assert {row["operation"]: row["right"] for row in score.rows()}["read"] == 0
    run.do("delete", 0)
    assert len(score.wrong) == 6


def test_what_has_run_out_goes_by_expiry_and_nothing_else(
    tmp_path: Path, stack: ExitStack, score: Score
) -> None:
    """Of all users at once; a run that finds nothing is none."""
    run = users(tmp_path, stack, score, 2)
    for number in range(16):
        run.do("insert", number % 2)
    assert sum(len(held.old) for held in run.held.values()) > 1
    before = sum(held.every for held in run.held.values())
    for name, user in (("expire", 0), ("read_by_user", 1), ("expire", 1)):
        run.do(name, user)
    assert score.wrong == []
    assert 0 < sum(held.every for held in run.held.values()) < before


def test_a_question_that_is_refused_is_a_wrong_answer(score: Score) -> None:
    def refuse() -> None:
        raise Refused("/v1/access answered 500: no")

    with score.operation("read", 7):
        refuse()
    assert score.wrong == ["read (7): /v1/access answered 500: no"]
    assert [(row["count"], row["right"]) for row in score.rows()] == [(1, 0)]
    assert "read" in table("customer", score)


def test_an_objection_that_nobody_heeds_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Restricted, "purposes_of", lambda self, tags: [])
    wrong = measured("processor", "memory", users=4, records=20, operations=1).wrong
    assert {line.partition(" (")[0] for line in wrong} == {"objections_again"}


def test_a_question_that_is_not_on_record_is_seen(tmp_path: Path, stack: ExitStack, score: Score) -> None:
    run = users(tmp_path, stack, score, 1)
    run.do("read_by_user", 0)
    run.do("logs", 0)
    assert score.wrong == []
    run.there.sizes["/v1/lineage/query"].append(3)
    run.do("logs", 0)
    assert len(score.wrong) == 1


def test_an_index_that_does_not_look_at_ports_gives_one_neighbour_the_other(
    tmp_path: Path, stack: ExitStack, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is found out by it: what holds behind a shared address is one rule."""
    looked = MemoryIndex.under

    def any_port(self: MemoryIndex, spans: Any) -> Any:
        return looked(self, [replace(span, port_from=0, port_to=65_535) for span in spans])

    monkeypatch.setattr(MemoryIndex, "under", any_port)
    SharedAddresses(Installation(tmp_path, stack, "memory"), score, 4).run()
    assert any(line.startswith("ask_customer") for line in score.wrong)


def test_a_replay_that_nobody_looks_for_is_seen(
    tmp_path: Path, stack: ExitStack, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Installation, "minute", lambda self: None)
    Replays(Installation(tmp_path, stack, "memory"), score, 2).run()
    seen = {line.partition(" (")[0] for line in score.wrong}
    assert seen == {"ask_again", "what_is_recorded"}


def test_a_link_that_is_lost_and_a_field_that_stays_are_seen(
    tmp_path: Path, stack: ExitStack, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateIdentity(Installation(tmp_path / "late", stack, "memory"), score, 2)
    late.visits[0] += 1
    late.visits[1] += 1
    late._events = lambda: iter(())  # type: ignore[method-assign]
    late.run()
    assert {line.partition(" (")[0] for line in score.wrong} == {"ask_after", "everybody_again"}
    score.wrong.clear()
    monkeypatch.setattr("bench.gdprbench.erasures.KEPT_FIELDS", {"invoice_number"})
    Holds(Installation(tmp_path / "holds", stack, "memory"), score, 4).run()
    assert {line.partition(" (")[0] for line in score.wrong} == {"fields_in_the_systems"}
