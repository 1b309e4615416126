"""What `innsyn ingest` tells at the end."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from console.cli import ingest
from streams.feeds.lines.reasons import EXPLANATIONS
from streams.feeds.run.account import Report
from streams.feeds.run.checkpoint import Skip
from tests.support.company import model_feed

FEED = model_feed("radius-detail")
SKIPPED = {
    "bad_prefix": Skip(count=7, lines=(17, 33, 41_000, 52_000, 186_971)),
    "truncated": Skip(count=1, lines=(9,)),
}


def report(name: str, *, noticed: dict[str, Skip] | None = None) -> Report:
    return Report(
        name=name, feed_id="0" * 16, label=f"radius-detail:{'0' * 16}", topic="network.assignments", read=14_339,
        sent=14_338, sent_now=300, others=12, skipped=SKIPPED, noticed=noticed or {}, resumed_after=7, found=2,
        finished_before=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "names", [["/var/log/freeradius/radacct/detail-20260302"], ["a.gz", "/var/log/" + "x" * 90]]
)
def test_the_tables_fit_into_100_columns(names: list[str]) -> None:
    """However long the names are; reasons stay whole, each with its explanation."""
    out = io.StringIO()
    console = Console(file=out, width=100)
    reports = [report(name, noticed={"two_holders": Skip(count=1, lines=(48,))}) for name in names]
    console.print(ingest._table(FEED, reports, 2.0))
    console.print(ingest._reasons(reports))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    for word in ("bad_prefix", "truncated", "two_holders", "14,339", "went on", "186971 ...", "network"):
        assert word in text.replace("\n", " ")


def test_json_explains_every_reason() -> None:
    """With count and first lines, beside the counts of the file."""
    found = json.loads(json.dumps(ingest._as_json(FEED, [report("detail")], 2.0)))
    (file,) = found["files"]
    assert file["skipped"]["bad_prefix"] == {
        "count": 7, "lines": [17, 33, 41_000, 52_000, 186_971], "explanation": EXPLANATIONS["bad_prefix"],
    }  # fmt: skip
    assert (file["read"], file["sent"], file["noticed"], found["per_second"]) == (14_339, 14_338, {}, 150)
