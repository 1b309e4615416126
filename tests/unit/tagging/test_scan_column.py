"""The column front of the scanner, and plug-ins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sinks.ports.lineage import FINDING_SCHEMA
from streams.simulate.labelled import labelled
from streams.tagging.scan import Finding, Limits, Scanned, Scanner, column, load_recognisers, scan
from tests.support.kinds import KINDS, PHONE

LINES = [item.text for item in labelled(4, 40)]


def names(text: str) -> Iterable[Finding]:
    """Finds one invented name."""
    at = text.find("Kari Eksempel")
    return [Finding("name", "C-01", 0.8, at, at + 13)] if at >= 0 else []


def failing(text: str) -> Iterable[Finding]:
    """Yields one finding, then fails."""
    yield Finding("name", "C-01", 0.8, 0, 1)
    raise RuntimeError("no model")


def rows(scanned: Scanned) -> list[tuple[int, int, int, str, str, float]]:
    return list(
        zip(
            scanned.row.tolist(),
            scanned.start.tolist(),
            scanned.end.tolist(),
            scanned.kind.to_pylist(),
            scanned.category.to_pylist(),
            [round(score, 4) for score in scanned.score.tolist()],
            strict=True,
        )
    )


@given(st.lists(st.one_of(st.none(), st.sampled_from(LINES), st.just("")), max_size=20))
def test_the_column_says_what_each_text_does(texts: list[str | None]) -> None:
    """Row by row the same as scanning text by text, repeated texts and nulls included."""
    scanned = Scanner(KINDS).scan_column(pa.array(texts, pa.string()))
    expected = [
        (row, item.start, item.end, item.kind, item.category, round(item.score, 4))
        for row, text in enumerate(texts)
        for item in scan(text or "")
    ]
    assert [item[:5] for item in rows(scanned)] == [item[:5] for item in expected]
    assert [item[5] for item in rows(scanned)] == pytest.approx([item[5] for item in expected], abs=1e-4)
    mentions = {
        (row, KINDS.found[item.identifier[0]], item.identifier[1])
        for row, text in enumerate(texts)
        for item in scan(text or "")
        if item.proven and item.identifier
    }
    assert set(scanned.mentions) == mentions
    assert len(scanned.mentions) == len(mentions)


def test_columns_have_the_types_of_the_index() -> None:
    """What the index stores of a finding fits without a cast, also when there is none."""
    for texts in (LINES, []):
        scanned = Scanner(KINDS).scan_column(pa.array(texts, pa.string()))
        for name in ("start", "end", "kind", "category", "score"):
            assert pa.array(getattr(scanned, name)).type == FINDING_SCHEMA.field(name).type


def test_distinct_texts_are_scanned_once() -> None:
    """A canned answer a thousand times over is one call of a plug-in."""
    calls: list[str] = []

    def count(text: str) -> Iterable[Finding]:
        calls.append(text)
        return ()

    scanned = Scanner(KINDS, [count]).scan_column(pa.array(["ring 41234567", "hei"] * 500))
    assert sorted(calls) == ["hei", "ring 41234567"]
    assert len(scanned.row) == len(scanned.mentions) == 500


def test_long_texts_are_told() -> None:
    """Rows of which only a part was scanned are named."""
    texts = ["x" * 30 + " 41234567", None, "tlf 41234567", "x" * 30 + " 41234567"]
    scanned = Scanner(KINDS, limits=Limits(longest=25)).scan_column(pa.array(texts))
    assert scanned.truncated.tolist() == [0, 3]
    assert scanned.row.tolist() == [2]


def test_a_plug_in_adds_names() -> None:
    """What a recogniser finds stands among the rest, in order of place."""
    scanned = Scanner(KINDS, [names]).scan_column(pa.array(["Kari Eksempel, mobil 41234567"]))
    assert scanned.kind.to_pylist() == ["name", "phone"]
    assert scanned.mentions == [(0, PHONE, "+4741234567")]
    assert scanned.failures == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Finding("name", "C-01", 0.8, 0, 99),
        Finding("name", "C-01", 0.8, 3, 3),
        Finding("name", "C-01", 1.8, 0, 3),
        Finding("name", "C-02", 0.8, 0, 3),
        Finding("shoe_size", "C-01", 0.8, 0, 3),
        Finding("phone", "C-01", 0.8, 0, 3, ("phone", "abc"), True),
        "name",
    ],
)
def test_what_cannot_be_a_finding_is_counted_and_left_out(wrong: Finding) -> None:
    """A place outside the text, an unknown kind or a value that is none does not reach the index."""
    scanned = Scanner(KINDS, [lambda _: [wrong]]).scan_column(pa.array(["ring 41234567"]))
    assert scanned.kind.to_pylist() == ["phone"]
    assert scanned.failures == 1


def test_a_failing_plug_in_loses_nothing_else() -> None:
    """Its exception is counted and named once; the text, the other plug-ins and the scanner's own findings stay."""
    with capture_logs() as logs:
        scanned = Scanner(KINDS, [failing, names]).scan_column(pa.array(["Kari Eksempel 41234567", "hei"]))
    (line,) = logs
    assert line["event"] == "recogniser.failed"
    assert line["error"].startswith(f"{__name__}: RuntimeError in streams/tagging/scan/column.py, line ")
    assert scanned.kind.to_pylist() == ["name", "phone"]
    assert scanned.failures == 2


def test_no_value_is_shown() -> None:
    """The repr of a scanned column holds no value."""
    scanned = Scanner(KINDS).scan_column(pa.array(["ring 41234567"]))
    assert "41234567" not in repr(scanned)


def test_plug_ins_are_loaded_by_their_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package names its recogniser in the group, and the order is that of the names."""
    here = "tests.unit.tagging.test_scan_column"
    points = [EntryPoint(name, f"{here}:{name}", column.GROUP) for name in ("names", "failing")]

    def entry_points(group: str) -> list[EntryPoint]:
        return [point for point in points if point.group == group]

    monkeypatch.setattr(column, "entry_points", entry_points)
    assert [item.__name__ for item in load_recognisers()] == ["failing", "names"]  # type: ignore[attr-defined]
