"""`innsyn demo` from outside: the whole story, twice, and nothing of it stays."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.product import innsyn, naming
from tests.support.stories import CARRIER
from tests.support.time_bounds import HANGING_SECONDS

ACTS = (
    r"1\. A provider with 30 households, 7 days of its events",
    r"2\. One of them, no longer a customer, asks: what do you hold about me\?",
    r"3\. …and then: delete it",
    r"4\. Proof",
    r"5\. That was \d+ seconds\. Where to look next",
)


def test_the_demo_tells_its_story_and_leaves_nothing(tmp_path: Path) -> None:
    """Five acts in their order, the invoice held with rule and citation, no folder, file or process left behind."""
    folders = {name: tmp_path / name for name in ("work", "temporary", "home")}
    for folder in folders.values():
        folder.mkdir()
    done = innsyn(
        folders["home"], "demo", "--customers", "30", "--days", "7", "--seed", "2",
        cwd=folders["work"],
        settings={"TMPDIR": str(folders["temporary"])},
        timeout=HANGING_SECONDS,
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


CARRIERS_ACTS = (
    r"1\. A parcel carrier and 40 people, 7 days of its events",
    r"2\. One of them, a customer, asks: what do you hold about me\?",
    r"3\. …and then: delete it",
    r"4\. Proof",
    r"5\. That was \d+ seconds\. Where to look next",
)


@pytest.mark.parametrize("renamed", [False, True], ids=["as it ships", "changed by somebody else"])
def test_the_demo_tells_the_story_of_a_folder(tmp_path: Path, renamed: bool) -> None:
    """The carrier's own systems, rules and topics; also of a copy under another name with another topic."""
    folder = shutil.copytree(CARRIER, tmp_path / "ours")
    if renamed:
        _rename(folder, "transport.scans", "handhelds")
    work = tmp_path / "work"
    work.mkdir()
    done = innsyn(
        tmp_path / "home", "demo", "--company", str(folder), "--customers", "40", "--days", "7",
        cwd=work,
        timeout=HANGING_SECONDS,
    )  # fmt: skip
    assert done.status == 0, done.err
    told = " ".join(done.out.split())
    places = [act.start() for act in (re.search(act, told) for act in CARRIERS_ACTS) if act is not None]
    assert len(places) == len(CARRIERS_ACTS), done.out
    assert ("handhelds" if renamed else "transport.scans") in told
    assert re.search(r"still held .* shop C-07 \d+ \d{4}-12-31 T50 bokføringsloven", told[places[3] :]), (
        done.out
    )
    assert "✗" not in told
    assert done.err == ""
    assert not [*work.iterdir()]


def test_a_folder_without_a_story_is_told_so(tmp_path: Path) -> None:
    """In a line, before anything starts."""
    folder = shutil.copytree(CARRIER, tmp_path / "ours")
    (folder / "story.yaml").unlink()
    done = innsyn(tmp_path / "home", "demo", "--company", str(folder))
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "has no story.yaml" in done.err


def test_a_folder_whose_events_cannot_be_read_does_not_pass(tmp_path: Path) -> None:
    """The demo plays on, and says how many events of which record it is, and why; another exit status."""
    folder = shutil.copytree(CARRIER, tmp_path / "ours")
    story = (folder / "story.yaml").read_text("utf-8")
    before = "{counterparty: consignee, agent: courier}}"
    texts = '{counterparty: consignee, agent: courier}, texts: {parcel.number: "none"}}'
    (folder / "story.yaml").write_text(story.replace(before, texts), "utf-8")
    done = innsyn(
        tmp_path / "home", "demo", "--company", str(folder), "--customers", "20", "--days", "7",
        cwd=tmp_path,
        timeout=HANGING_SECONDS,
    )  # fmt: skip
    assert done.status == 1, done.err
    told = " ".join(done.out.split())
    assert re.search(r"events sent and \d+ tagged", told)
    lines = re.findall(
        r"✗ (\d+) of (\d+) events of ParcelScan \(transport\.scans\) could not be read: (\w+)", told
    )
    # As it happens, and once more at the end.
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert (int(lines[0][0]) > 0, lines[0][2]) == (True, "invalid_identifier")
    assert told.index("Not all of it is as it should be") > told.index("Where to look next")


def _rename(folder: Path, topic: str, other: str) -> None:
    """The topic under another name, and the company too."""
    for path in (folder / "topics.yaml", folder / "story.yaml", folder / "company.yaml"):
        text = path.read_text("utf-8").replace(topic, other).replace("name: Trillebud", "name: Ours")
        path.write_text(text, "utf-8")
    (folder / "contracts" / f"{topic}.yaml").rename(folder / "contracts" / f"{other}.yaml")
    (folder / "examples" / topic).rename(folder / "examples" / other)
