"""`innsyn ingest`: log files become events."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from console.cli.options import Json
from console.cli.show.output import print_json, say, screen, shown, table
from console.wiring.company import company_of
from console.wiring.run_file import broker
from schemas.counted import counted, sized
from schemas.keys import Keyring
from schemas.own import own_record
from schemas.settings import Settings, load_settings
from streams.feeds.lines.reasons import EXPLANATIONS
from streams.feeds.registry import FORMATS, Feed, find_feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import Report
from streams.feeds.run.checkpoint import Skip
from streams.feeds.run.ingest import ingest as send
from streams.feeds.run.refused import DeadLetterSender
from streams.feeds.run.source import STDIN, Source, check_source
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Logs, plain or gzip; - is standard input, which cannot be resumed."
    ),
]
FormatName = Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")]
RecordName = Annotated[str | None, typer.Option(help="Record the lines of ndjson are, for example WebVisit.")]
Server = Annotated[
    str | None,
    typer.Option(help="Name of the server whose log it is: kea-csv, kea-forensic, nat-map."),
]
Pattern = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="YAML that describes another maker's lines: cgnat-syslog."),
]
Zone = Annotated[
    str | None,
    typer.Option(help="Zone of times that name none, as Europe/Oslo or +01:00: cgnat-syslog."),
]
ClientColumn = Annotated[
    int | None,
    typer.Option(min=1, max=2, help="Which of two columns is the client's: combined."),
]
Allowed = Annotated[
    int,
    typer.Option(
        "--allow-refused",
        min=0,
        metavar="NUMBER",
        help="So many refused records are expected: exit status 1 only with more.",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Send everything once more, also what was sent before.")]


def ingest(
    files: Files,
    format_name: FormatName,
    record: RecordName = None,
    server: Server = None,
    pattern: Pattern = None,
    zone: Zone = None,
    client_column: ClientColumn = None,
    again: Again = False,
    allowed: Allowed = 0,
    as_json: Json = False,
) -> None:
    """Turn log files into events on Kafka.

    An interrupted run is resumed by the same command: every event is sent
    once. A content that was sent before is not sent again, whatever its file
    is called now and whether it is packed with gzip; of one that has grown
    the rest is sent; one that changed anywhere is sent from its start. All
    files are checked first: one in which nothing is of the format is an
    error. Records that cannot be read are counted by reason and line, and set
    aside, sealed, as dead letters.

    Which topic a format goes to is said by `formats` in the company's
    topics.yaml, and by the topic which record its lines become.

    Exit status 1: more records were refused than --allow-refused, or a file is
    cut short; what can be read is sent all the same.

    Who had which address: radius-detail (FreeRADIUS accounting), kea-csv and
    kea-forensic (Kea DHCP leases and legal log), cgnat-syslog (port blocks),
    nat-map (deterministic NAT). Who the customers are: customers-csv; its
    line_id is a line's name in the whole network, or server|port as the access
    server names both, such as 192.0.2.1|ge-1/0/0:100. A realm is part of a
    user name unless it is our own (INNSYN_REALMS).

    Example: innsyn ingest --format combined /var/log/nginx/access.log.1
    """
    settings = load_settings()
    feed = find_feed(
        company_of(settings),
        format_name,
        record,
        realms=settings.own_realms,
        server=server,
        pattern=pattern,
        zone=zone,
        client_column=client_column,
    )
    # What the type of sys.stdin leaves open: its buffer is a buffered reader.
    stdin = cast(io.BufferedIOBase, sys.stdin.buffer)
    sources = _checked(settings, feed, files, stdin)
    started = time.monotonic()
    reports = _send_all(settings, feed, sources, again)
    seconds = time.monotonic() - started
    if as_json:
        print_json(_as_json(feed, reports, seconds), indent=None)
    else:
        _show(feed, reports, seconds)
    raise typer.Exit(_status(reports, allowed))


def _status(reports: Sequence[Report], allowed: int) -> int:
    """The exit status; what is more than was expected is said on standard error."""
    if line := too_many(reports, allowed):
        say(f"innsyn: {line}", err=True)
    return 1 if line or not all(report.complete for report in reports) else 0


def too_many(reports: Sequence[Report], allowed: int) -> str | None:
    """What to say where more records were refused than were expected, of all sources together and over all runs."""
    refused = sum(report.refused for report in reports)
    if refused <= allowed:
        return None
    more = f", {allowed:,} allowed" if allowed else ""
    return f"refused and set aside: {counted(refused, 'record')}{more}; see `innsyn deadletters list`"


def _show(feed: Feed, reports: list[Report], seconds: float) -> None:
    console = screen()
    console.print(_table(feed, reports, seconds))
    if any(report.skipped or report.noticed for report in reports):
        console.print(_reasons(reports))
    for report in reports:
        for remark in report.remarks:
            console.print(f"{report.name}: {EXPLANATIONS[remark]}")


def _checked(settings: Settings, feed: Feed, files: list[str], stdin: io.BufferedIOBase) -> list[Source]:
    known = checkpoints.load_all(_folder(settings), feed.scope)
    lengths = checkpoints.lengths(known.values())
    with screen(stderr=True).status("Reading the files through ..."):
        return [check_source(name, feed, stdin, lengths) for name in dict.fromkeys(files)]


def _folder(settings: Settings) -> Path:
    return settings.home / "ingest"


def _send_all(settings: Settings, feed: Feed, sources: list[Source], again: bool) -> list[Report]:
    connection = broker(settings)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        Speed(),
    )
    reports = []
    with (
        Tail(connection, feed.topic.name) as tail,
        EventProducer(connection) as producer,
        Progress(*columns, TimeRemainingColumn(), console=screen(stderr=True)) as bars,
    ):
        aside = _aside(settings, feed, producer)
        for source in sources:
            label = "standard input" if source.name == STDIN else source.name
            # Of a file the size is known, also that there is nothing in it.
            bar = bars.add_task(shown(label), total=None if source.name == STDIN else source.size)

            def show(position: int, bar: Any = bar) -> None:
                bars.update(bar, completed=position)

            reports.append(
                send(
                    source,
                    feed,
                    producer,
                    tail,
                    _folder(settings),
                    again=again,
                    aside=aside,
                    progress=show,
                )
            )
    return reports


class Speed(ProgressColumn):
    """How fast it goes, as soon as that can be said."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{sized(round(speed))}/s" if speed else "", "progress.data.speed")


def _aside(settings: Settings, feed: Feed, producer: EventProducer) -> DeadLetterSender | None:
    topic = feed.topic
    if topic.dead_letter is None:
        return None
    keyring = Keyring(settings.keys_folder).required()
    letters = DeadLetters(producer, keyring, own_record("DeadLetter"), {topic.name: topic.dead_letter})
    return DeadLetterSender(letters, lambda: datetime.now(UTC))


def _as_json(feed: Feed, reports: list[Report], seconds: float) -> dict[str, Any]:
    files = [
        asdict(report)
        | {
            "refused": report.refused,
            "complete": report.complete,
            "skipped": _explained(report.skipped),
            "noticed": _explained(report.noticed),
            "remarks": {remark: EXPLANATIONS[remark] for remark in report.remarks},
        }
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


def _explained(skips: Mapping[str, Skip]) -> dict[str, Any]:
    return {
        reason: skip.model_dump() | {"explanation": EXPLANATIONS[reason]} for reason, skip in skips.items()
    }


def _rate(reports: list[Report], seconds: float) -> int:
    return round(sum(report.sent_now for report in reports) / max(seconds, 0.001))


def _table(feed: Feed, reports: list[Report], seconds: float) -> Table:
    numbers = ("records", "refused", "events", "of these now")
    rows = table("file", *numbers, "note", right=numbers, title=f"{feed.format} to {feed.topic.name}")
    rows.caption = f"{counted(_rate(reports, seconds), 'event')} a second over {seconds:.1f} s"
    rows.caption_justify = "left"
    for report in reports:
        counts = (report.read, report.refused, report.sent, report.sent_now)
        rows.add_row(report.name, *(f"{count:,}" for count in counts), _note(report))
    return rows


def _reasons(reports: list[Report]) -> Table:
    several = len(reports) > 1
    names = ("reason", "records", "lines", "what it means")
    rows = table(*(("file", *names) if several else names), right=["records"], title="refused or odd")
    rows.columns[1 if several else 0].no_wrap = True
    for report in reports:
        for reason, skip in sorted(report.skipped.items()) + sorted(report.noticed.items()):
            lines = ", ".join(map(str, skip.lines)) + (" ..." if skip.count > len(skip.lines) else "")
            told = (reason, f"{skip.count:,}", lines, EXPLANATIONS[reason])
            rows.add_row(*((report.name, *told) if several else told))
    return rows


def _note(report: Report) -> str:
    if report.finished_before:
        return "sent before, nothing to do; --again sends it once more"
    notes = []
    if report.resumed_after or report.found:
        notes.append(f"went on after line {report.resumed_after:,}, {report.found:,} more were there already")
    if report.others:
        notes.append(f"{counted(report.others, 'line')} about something else")
    if not report.read and not report.others:
        notes.append("there is no record in it")
    return "; ".join(notes)
