"""A little of what `python -m bench.gdprbench` does a lot of: every answer of the API is that of the model."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.gdprbench import MIXES, Run


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_every_answer_of_a_mix_is_right(tmp_path: Path, mix: str) -> None:
    with ExitStack() as stack:
        run = Run(tmp_path, stack, users=5, memory=True, zipf=mix == "customer")
        found = run.measure(MIXES[mix], records=20, operations=25)
    assert found["wrong"] == 0, found["what_was_wrong"]
    assert sum(found["counted"].values()) == 25


def test_a_visit_that_was_withdrawn_is_expected_of_no_run_on_the_embedded_index(tmp_path: Path) -> None:
    """Nor is it found under the address that it came from, of which nothing says whose it was."""
    with ExitStack() as stack:
        run = Run(tmp_path, stack, users=2, memory=False, zipf=False)
        run.fill(24)
        run.withdraw(0)
        run.expire(1)
        assert run.wrong == []


def test_a_wrong_answer_is_counted(tmp_path: Path) -> None:
    """An event that the model does not know of is seen by every kind of question."""
    with ExitStack() as stack:
        run = Run(tmp_path, stack, users=1, memory=True, zipf=False)
        for _ in range(3):
            run.insert(0)
        run.held[0].visits -= 1
        run.read(0)
        run.read_by_purpose(0)
        run.read_by_user(0)
        assert [line.split(" of ")[0] for line in run.wrong] == ["access", "purpose", "lineage", "stored"]
        run.delete(0)
        assert len(run.wrong) == 4


def test_what_has_run_out_goes_by_expiry_and_nothing_else(tmp_path: Path) -> None:
    """Of all users at once; a run that finds nothing is none."""
    with ExitStack() as stack:
        run = Run(tmp_path, stack, users=2, memory=True, zipf=False)
        for number in range(16):
            run.insert(number % 2)
        assert sum(held.old for held in run.held.values()) > 1
        before = sum(held.every for held in run.held.values())
        run.expire(0)
        run.read_by_user(1)
        run.expire(1)
        assert run.wrong == []
        assert 0 < sum(held.every for held in run.held.values()) < before
