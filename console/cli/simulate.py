"""`innsyn simulate`: events of an invented provider, or of a company's own story, to Kafka or to a file."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from console.cli.options import Json, moment
from console.cli.show.output import print_json, screen, table
from console.demo.story import story_of
from console.wiring.company import company_of
from console.wiring.registry import schema_registry
from console.wiring.run_file import broker
from schemas.counted import counted
from schemas.errors import InputError
from schemas.records import RecordSchema
from schemas.settings import Settings, load_settings
from schemas.topics import Topic
from streams.kafka.producer import EventProducer
from streams.kafka.topics import require
from streams.simulate.emit import emit, write_ndjson
from streams.simulate.plan import DEFAULT_START, Plan, SimEvent
from streams.simulate.simulate import events
from streams.simulate.story.messages import Bodies, Register
from streams.simulate.story.play import Play, Played

STDOUT = "-"
_REFRESH = 1_000  # Events between two movements of the bar.


def simulate(
    customers: Annotated[
        int, typer.Option(help="Households, each with one customer; people of a story.")
    ] = 200,
    days: Annotated[int, typer.Option(help="Days simulated.")] = 30,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0 is as fast as possible.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another number gives other people and other events.")] = 1,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"First moment; default {DEFAULT_START:%Y-%m-%dT%H:%MZ}."),
    ] = None,
    faults: Annotated[
        bool,
        typer.Option(help="Network reports get lost, come twice, late and out of order, as they really do."),
    ] = True,
    topic: Annotated[
        list[str] | None, typer.Option(help="Only this topic; repeatable. Its events stay the same.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write JSON lines there, not to Kafka; - is standard output."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Send the events of an invented Norwegian provider to Kafka; with --company those of that folder's story.

    Nobody in them exists. The same arguments give the same events, byte for byte. What leads up to the first day
    (sign-ups, a year of invoices) is sent first.

    Example: innsyn simulate --customers 200 --days 30 --seed 1
    """
    given = moment(start, "--start")
    plan = Plan(customers, days, seed, datetime.fromisoformat(given) if given else DEFAULT_START, faults)
    settings = load_settings()
    company = company_of(settings)
    chosen = {name: known for name, known in company.tagged.items() if not topic or name in topic}
    items: Iterator[SimEvent | Played]
    if settings.company is None:
        items = events(plan, topic or ())
    else:
        register = _register(settings) if out is None else lambda subject, schema: 0
        play = Play(company, story_of(company), plan, Bodies(company, register))
        items = play.events(topic or ())
    begun = time.monotonic()
    sent = partial(_to_kafka, plan, items, rate, settings, chosen.values())
    counts = sent() if out is None else _to_file(plan, items, out)
    _report(counts, time.monotonic() - begun, as_json, to_stderr=out == STDOUT)


def _register(settings: Settings) -> Register:
    """Puts schemas into the registry that is set."""
    client = schema_registry(settings)
    if client is not None:
        return client.register

    def none(subject: str, schema: RecordSchema) -> int:
        topic = subject.removesuffix("-value")
        raise InputError(
            f"the schema of {topic} belongs into a registry; set INNSYN_REGISTRY_URL, or name other topics with --topic"
        )

    return none


def _to_kafka(
    plan: Plan, items: Iterator[SimEvent | Played], rate: float, settings: Settings, wanted: Iterable[Topic]
) -> Counter[str]:
    connection = broker(settings)
    # Asked first: a producer would queue for half a minute before it knows.
    require(connection, list(wanted))
    with EventProducer(connection) as producer:
        return emit(_watched(plan, items), producer, rate=rate)


def _to_file(plan: Plan, items: Iterator[SimEvent | Played], out: str) -> Counter[str]:
    with _opened(out) as file:
        return write_ndjson(_watched(plan, items), file)


@contextmanager
def _opened(out: str) -> Iterator[TextIO]:
    """The file, in place only when it is complete."""
    if out == STDOUT:
        yield sys.stdout
        sys.stdout.flush()
        return
    part = Path(f"{out}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield file
        os.replace(part, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); name another file") from error
    finally:
        part.unlink(missing_ok=True)


def _watched(plan: Plan, items: Iterator[SimEvent | Played]) -> Iterator[SimEvent | Played]:
    """The same events, with a bar on standard error that follows the simulated time."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen(stderr=True)) as progress:
        bar = progress.add_task("0 events", total=(plan.end - plan.start).total_seconds())
        count = 0
        for count, item in enumerate(items, 1):
            if count % _REFRESH == 0:
                passed = max(0.0, (item.at - plan.start).total_seconds())
                progress.update(bar, completed=passed, description=counted(count, "event"))
            yield item
        progress.update(bar, completed=progress.tasks[0].total, description=counted(count, "event"))


def _report(counts: Counter[str], seconds: float, as_json: bool, *, to_stderr: bool) -> None:
    total = counts.total()
    per_second = round(total / max(seconds, 0.001))
    if as_json and not to_stderr:
        data = {"events": total, "topics": dict(sorted(counts.items())), "seconds": round(seconds, 3)}
        print_json(data | {"per_second": per_second})
        return
    lines = table("topic", "events", right=["events"])
    for name, number in sorted(counts.items()):
        lines.add_row(name, f"{number:,}")
    console = screen(stderr=to_stderr)
    console.print(lines)
    console.print(f"{counted(total, 'event')} in {seconds:.1f} s, {per_second:,} a second")
