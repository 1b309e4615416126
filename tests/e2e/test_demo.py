"""`innsyn demo` from outside: the whole story, twice, and nothing of it stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.product import innsyn, naming

pytestmark = pytest.mark.slow

ACTS = (
    r"1\. A provider with 30 households, 7 days of its events",
    r"2\. One of them, no longer a customer, asks: what do you hold about me\?",
    r"3\. …and then: delete it",
    r"4\. Proof",
    r"5\. That was \d+ seconds\. Where to look next",
)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_demo_tells_its_story_and_leaves_nothing(tmp_path: Path, seed: int) -> None:
    """Five acts in their order, the invoice held with rule and citation, no folder, file or process left behind."""
    folders = {name: tmp_path / name for name in ("work", "temporary", "home")}
    for folder in folders.values():
        folder.mkdir()
    done = innsyn(
        folders["home"], "demo", "--customers", "30", "--days", "7", "--seed", str(seed),
        cwd=folders["work"],
        settings={"TMPDIR": str(folders["temporary"])},
        timeout=120.0,
    )  # fmt: skip
    assert done.status == 0, done.err
    told = " ".join(done.out.split())
    acts = [re.search(act, told) for act in ACTS]
    places = [act.start() for act in acts if act is not None]
    assert len(places) == len(ACTS), done.out
    assert places == sorted(places)
    # In the proof: what is still held, until when, by which rule, with its citation.
    assert re.search(r"still held .* billing C-07 \d+ \d{4}-12-31 T01 bokføringsloven", told[places[3] :]), (
        done.out
    )
    assert "✗" not in told
    assert done.err == ""
    assert {*tmp_path.rglob("*")} == {*folders.values()}
    assert not naming(folders["temporary"])
