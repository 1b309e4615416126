"""What `innsyn ingest` says and ends with."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Progress

from console.cli.ingest import Speed, too_many
from streams.feeds.run.account import Report
from streams.feeds.run.checkpoint import Skip


def report(refused: int, sent: int = 5) -> Report:
    skipped = {"not_combined": Skip(count=refused, lines=(1,))} if refused else {}
    return Report(
        name="f", feed_id="a", label="combined:a", topic="web.visits", read=sent + refused, sent=sent, sent_now=sent,
        others=0, skipped=skipped, noticed={}, resumed_after=0, found=0, finished_before=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "allowed", "said"),
    [
        ((0, 0), 0, None),
        ((1, 0), 0, "refused and set aside: 1 record; see"),
        ((2, 3), 0, "refused and set aside: 5 records; see"),
        ((2, 3), 4, "refused and set aside: 5 records, 4 allowed; see"),
        ((2, 3), 5, None),
    ],
)
def test_refused_records_are_told_unless_they_were_expected(
    refused: tuple[int, ...], allowed: int, said: str | None
) -> None:
    """Of all files together."""
    line = too_many([report(count) for count in refused], allowed)
    assert line is None if said is None else line is not None and line.startswith(said)


def test_a_speed_is_said_as_soon_as_it_is_known() -> None:
    """And before, nothing: no question mark beside a size that is known."""
    bars = Progress(console=Console(file=StringIO()))
    bars.add_task("f", total=10_000)
    (task,) = bars.tasks
    assert Speed().render(task).plain == ""
    task.finished_speed = 4_100.0
    assert Speed().render(task).plain == "4.1 kB/s"
