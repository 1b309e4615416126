"""`innsyn ingest`: log files become events."""

from __future__ import annotations

import io
import json
import sys
import time
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from console.running import broker
from schemas.settings import Settings, load_settings
from streams.feeds.feed import Feed, Format, find_feed
from streams.feeds.ingest import Report
from streams.feeds.ingest import ingest as send
from streams.feeds.source import STDIN, Source, check_source
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail


def ingest(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Logs, plain or gzip; - is standard input, which cannot be resumed.",
        ),
    ],
    format_name: Annotated[str, typer.Option("--format", help=f"One of {', '.join(Format)}.")],
    record: Annotated[
        str | None, typer.Option(help="Record the lines of ndjson are, for example WebVisit.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send everything once more, also what was sent before.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Turn log files into events on Kafka.

    An interrupted run is resumed by the same command: every line is sent
    once. A file that was sent before is not sent again, whatever it is called
    now; one that has grown since is another file, so send logs when they are
    rotated. Nothing is sent before all files have been checked. Lines that
    cannot be read are counted by reason, with the numbers of the first ones.

    Example: innsyn ingest --format combined /var/log/nginx/access.log.1
    """
    feed = find_feed(format_name, record)
    # What the type of sys.stdin leaves open: its buffer is a buffered reader.
    stdin = cast(io.BufferedIOBase, sys.stdin.buffer)
    sources = [check_source(name, feed, stdin) for name in dict.fromkeys(files)]
    started = time.monotonic()
    reports = _send_all(load_settings(), feed, sources, again)
    seconds = time.monotonic() - started
    if as_json:
        typer.echo(json.dumps(_as_json(feed, reports, seconds), ensure_ascii=False))
    else:
        Console().print(_table(feed, reports, seconds))


def _send_all(settings: Settings, feed: Feed, sources: list[Source], again: bool) -> list[Report]:
    connection = broker(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    reports = []
    with (
        Tail(connection, feed.topic.name) as tail,
        EventProducer(connection) as producer,
        Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars,
    ):
        for source in sources:
            label = "standard input" if source.name == STDIN else source.name
            bar = bars.add_task(label, total=source.size or None)

            def show(position: int, bar: Any = bar) -> None:
                bars.update(bar, completed=position)

            folder = settings.home / "ingest"
            reports.append(send(source, feed, producer, tail, folder, again=again, progress=show))
    return reports


def _as_json(feed: Feed, reports: list[Report], seconds: float) -> dict[str, Any]:
    files = [
        asdict(report)
        | {"read": report.read, "skipped": {r: s.model_dump() for r, s in report.skipped.items()}}
        for report in reports
    ]
    return {
        "format": feed.format,
        "record": feed.record.name,
        "topic": feed.topic.name,
        "files": files,
        "seconds": round(seconds, 3),
        "per_second": _rate(reports, seconds),
    }


def _rate(reports: list[Report], seconds: float) -> int:
    return round(sum(report.sent_now for report in reports) / max(seconds, 0.001))


def _table(feed: Feed, reports: list[Report], seconds: float) -> Table:
    table = Table(
        title=f"{feed.format} to {feed.topic.name}",
        caption=f"{_rate(reports, seconds):,} events/s over {seconds:.1f} s",
    )
    table.add_column("file")
    for name in ("read", "sent", "of these now"):
        table.add_column(name, justify="right")
    table.add_column("skipped: reason, lines")
    table.add_column("note")
    for report in reports:
        skipped = [
            f"{skip.count:,} {reason}: {', '.join(map(str, skip.lines))}"
            + (" ..." if skip.count > len(skip.lines) else "")
            for reason, skip in sorted(report.skipped.items())
        ]
        counts = (f"{report.read:,}", f"{report.sent:,}", f"{report.sent_now:,}")
        table.add_row(report.name, *counts, "\n".join(skipped) or "none", _note(report))
    return table


def _note(report: Report) -> str:
    if report.finished_before:
        return "sent before, nothing to do; --again sends it once more"
    if report.resumed_after or report.found:
        return f"resumed after line {report.resumed_after:,}, {report.found:,} more were there already"
    return ""
