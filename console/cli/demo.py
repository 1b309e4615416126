"""`innsyn demo`: the whole story in about a minute, on an invented company, leaving nothing behind."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from console.bodies import AccessQuery, LineageQuery
from console.cli.access import report_lines
from console.cli.show.logs import configure_logging
from console.cli.show.output import marked, screen, table
from console.cli.show.plan import plan_table
from console.demo.copy import asked_copy, delivered, written_copy
from console.demo.handled import MADE_BY, done_by_people
from console.demo.jobs import jobs_of, stores_of
from console.demo.looked import Looked, unread_lines
from console.demo.model import ModelTale
from console.demo.story import StoryTale
from console.demo.tale import Asker, Event, Tale
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.local import LocalInstance, running
from console.wiring.processes import raise_first
from schemas.counted import counted, sized
from schemas.errors import Unavailable
from schemas.policy import RetentionAnchors
from schemas.settings import Settings, load_settings
from schemas.vocabulary import CommandState
from streams.answers.lookup import access as access_answer
from streams.answers.lookup import lineage
from streams.answers.plan import shown
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.brokers.in_process_registry import InProcessRegistry
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.rights.protocol.states import RequestState, State
from streams.rights.reference_job.changing import ChangingStore
from streams.simulate.emit import emit
from streams.simulate.plan import Plan

_PATIENCE = 60.0
_LOOK = 0.1
_STORE_BATCH = 1_000


def demo(
    customers: Annotated[
        int, typer.Option(min=20, help="Households of the invented company, or people of another's story.")
    ] = 120,
    days: Annotated[int, typer.Option(min=7, help="Days that are simulated.")] = 14,
    seed: Annotated[int, typer.Option(help="Another number gives other people.")] = 1,
) -> None:
    """See it work: a company's events, one person's access answer, an erasure followed to its proof.

    Runs on librdkafka's in-process broker and an embedded ClickHouse in a temporary folder; both are gone afterwards.
    With --company it plays the story of that folder.

    Example: innsyn demo --customers 200 --seed 7

    Exit status 1: an event could not be read, or something is not as it is told.
    """
    configure_logging("error")
    out, looked = screen(), Looked()
    begun = time.monotonic()
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    plan = Plan(customers, days, seed, start)
    folder = load_settings().company
    with tempfile.TemporaryDirectory(prefix="innsyn-demo-") as temporary, ExitStack() as stack:
        home = Path(temporary)
        settings = Settings(home=home, company=folder, api_port=0, tag_batch_seconds=0.2)
        tale: Tale
        if folder is None:
            tale = ModelTale(plan)
        else:
            registry = stack.enter_context(InProcessRegistry())
            settings = settings.model_copy(update={"registry_url": registry.url})
            client = stack.enter_context(Registry(registry.url))
            tale = StoryTale(company_of(settings), plan, client.register)
        stores = stores_of(tale.company, home, stack)
        with out.status("starting broker, index, tagger, rights worker and API"):
            broker = stack.enter_context(InProcessBroker())
            for name in tale.company.topics:
                broker.make_topic(name)
            instance = stack.enter_context(running(settings, broker.connection))
        first, second = tale.acts
        _act(out, 1, first)
        _flow(out, looked, tale, stores, instance, broker.connection)
        person = tale.asker()
        _act(out, 2, second)
        _ask(out, looked, instance, person)
        with jobs_of(stores, broker.connection, settings, tale.company.catalogue):
            _copy(out, looked, instance, person, home / "copy.zip")
            _act(out, 3, "…and then: delete it")
            request = _erase(out, looked, instance, person)
        _act(out, 4, "Proof")
        _prove(out, looked, instance, stores, person, request)
        raise_first(instance.roles)
    _act(out, 5, f"That was {time.monotonic() - begun:.0f} seconds. Where to look next")
    for what, command in tale.next_steps:
        out.print(marked("  {} [cyan]{}[/cyan]", f"{what:<45}", command))
    if looked.wrong:
        out.print(marked("\n[red bold]Not all of it is as it should be:[/red bold]"))
        for line in looked.wrong:
            out.print(marked("  {} {}", _mark(False), line))
        raise typer.Exit(1)


def _act(out: Console, number: int, title: str) -> None:
    out.print()
    out.rule(marked("[bold]{}. {}[/bold]", number, title), align="left")


def _flow(
    out: Console,
    looked: Looked,
    tale: Tale,
    stores: Mapping[str, ChangingStore],
    instance: LocalInstance,
    connection: Connection,
) -> None:
    """Send every event, store it in its system of record, and watch the index keep up."""
    sent: Counter[str] = Counter()
    systems = {topic.name: topic.system for topic in tale.company.topics.values()}
    waiting: dict[str, list[tuple[str, Mapping[str, Any]]]] = {name: [] for name in stores}

    def stored(item: Event) -> None:
        sent[item.topic] += 1
        batch = waiting.get(systems[item.topic])
        if batch is not None and item.kept is not None:
            batch.append((item.record, item.kept))
            if len(batch) >= _STORE_BATCH:
                stores[systems[item.topic]].put_many(batch)
                batch.clear()
        if sent.total() % _STORE_BATCH == 0:
            table_shown.update(_counters(sent, instance))

    def behind() -> int:
        raise_first(instance.roles)
        return sent.total() - _by_topic(instance.metrics.consumed).total()

    begun = time.monotonic()
    with (
        Live(_counters(sent, instance), console=out, refresh_per_second=8) as table_shown,
        EventProducer(connection) as producer,
    ):
        emit(tale.events(), producer, lag=behind, sent=stored)
        for name, batch in waiting.items():
            stores[name].put_many(batch)
        _await(lambda: behind() <= 0, "the tagger to catch up")
        table_shown.update(_counters(sent, instance))
    seconds = time.monotonic() - begun
    if not out.is_terminal:
        # There the last table stays without the end of its line.
        out.print()
    letters = instance.sinks.dead_letters.open()
    read = sent.total() - sum(item.letters for item in letters)
    out.print(
        marked(
            "[bold]{}[/bold] sent and {} in {} s on the in-process broker; the index holds [bold]{}[/bold] of tokens"
            " and tags.",
            *(counted(sent.total(), "event"), "tagged" if read == sent.total() else f"{read:,} tagged"),
            *(f"{seconds:.1f}", sized(instance.sinks.upkeep.size())),
        )
    )
    for line in unread_lines(letters, sent, tale.company.topics):
        out.print(marked("  {} {}", _verdict(looked, False, line), line))


def _by_topic(counter: Any) -> Counter[str]:
    """What a metric has counted, by topic."""
    found: Counter[str] = Counter()
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                found[sample.labels["topic"]] += int(sample.value)
    return found


def _counters(sent: Counter[str], instance: LocalInstance) -> Table:
    """What came of each topic, and how much of it is in the index; what could not be read only where there is such."""
    consumed, dead = _by_topic(instance.metrics.consumed), _by_topic(instance.metrics.dead)
    numbers = ["sent", "in the index", *(["not read"] if dead else [])]
    rows = table("topic", *numbers, "", right=numbers)
    for topic in sorted(sent):
        done = consumed[topic] - dead[topic]
        bar = "█" * round(20 * done / max(sent[topic], 1))
        bad = [marked("[red]{}[/red]", f"{dead[topic]:,}") if dead[topic] else "–"] if dead else []
        rows.add_row(topic, f"{sent[topic]:,}", f"{done:,}", *bad, Text(f"{bar:<20}", "green"))
    return rows


def _ask(out: Console, looked: Looked, instance: LocalInstance, person: Asker) -> None:
    out.print(marked("[dim]{}[/dim]", person.how_asked))
    known = instance.answering
    report = access_answer(
        AccessQuery.model_validate(_query(person)).question(known.company.kinds), known, now()
    )
    for part in report_lines(report, "en"):
        out.print(part)
    sure, maybe = person.sure, person.maybe
    found = report["total_events"]
    otherwise = f"the answer counts {counted(found, 'event')}, and there are {sure:,} of this person's"
    otherwise += f" and {maybe:,} that may show as theirs" if maybe else ""
    out.print(
        marked(
            "[bold]{}[/bold] found, {} more shared with others; the simulator knows {} to be this person's, and {} that"
            " may show as theirs {}",
            counted(found, "event"),
            *(f"{number:,}" for number in (report["ambiguous_events"], sure, maybe)),
            _verdict(looked, sure <= found <= sure + maybe, otherwise),
        )
    )


def _copy(out: Console, looked: Looked, instance: LocalInstance, person: Asker, archive: Path) -> None:
    """Have the systems that do it on command hand out what they hold, and say what is in the archive."""
    if not any(system.delivers_copies for system in instance.answering.catalogue.systems.values()):
        return
    with out.status("waiting for the systems' copies"):
        request = asked_copy(instance, person.asked_by, _await)
        written = written_copy(instance, request, archive)
    found = delivered(archive)
    records, systems = counted(written.records, "record"), counted(len(found), "system")
    out.print(marked("A copy for the person: [bold]{}[/bold] of {} in one archive", records, systems))
    for system, said in found.items():
        kinds = ", ".join(f"{name} {count:,}" for name, count in said["records"].items())
        others = sum(said["blanked"].values()) + said["texts_withheld"]
        apart = f"; {counted(others, 'value')} about others withheld" if others else ""
        out.print(marked("  {} {}", _mark(True), f"{system:<18} {kinds}{apart}"))
    silent = sorted(item.system for item in request.commands.values() if item.copies and not item.settled)
    well = _verdict(looked, not silent, f"no copy came from {', '.join(silent)}")
    out.print(marked("  {} every system that was asked for a copy has answered", well))


def _query(person: Asker) -> dict[str, Any]:
    identifiers = [{"kind": kind, "value": value} for kind, value in person.asked_by]
    return {"identifiers": identifiers, "anchors": {"contract_end": person.contract_end}}


def _erase(out: Console, looked: Looked, instance: LocalInstance, person: Asker) -> RequestState:
    request_id = ""

    def latest() -> RequestState:
        return instance.rights.get(request_id)

    def told_of(request: RequestState) -> None:
        if done := done_by_people(instance.rights, request):
            out.print(marked("  {} {}", _mark(True), done))

    anchors = RetentionAnchors(contract_end=person.contract_end)
    out.print(marked("[dim]{}[/dim]", person.how_erased))
    request_id = instance.rights.create(
        "erasure",
        [*person.asked_by],
        reason=None,
        channel="demo",
        received_at=now(),
        anchors=anchors,
        by=MADE_BY,
    ).request_id
    told_of(latest())
    with out.status("planning") as status:
        _await(lambda: latest().plan is not None, "the plan")
        request = latest()
        out.print(plan_table(shown((request.plan or {})["parts"]), instance.answering.catalogue))
        seen: set[str] = set()
        while request.state is not State.COMPLETED and (
            request.waiting_for or request.movable or request.awaits_approval
        ):
            raise_first(instance.roles)
            request = latest()
            told_of(request)
            status.update(marked("waiting for {}", ", ".join(request.waiting_for) or "the index"))
            for command in request.commands.values():
                if command.state is CommandState.DONE and command.system not in seen:
                    seen.add(command.system)
                    told = f"{command.system:<18} erased {counted(command.erased, 'record')}"
                    out.print(marked("  {} {}", "?" if command.doubtful else _mark(True), told))
            time.sleep(_LOOK)
    if any(command.doubtful for command in request.commands.values()):
        _accept(out, instance, request)
        told_of(latest())
        _await(lambda: latest().ended, "the index to forget")
        request = latest()
    if request.unclear is not None:
        _waive(out, instance, request)
        _await(lambda: latest().ended, "the index to forget")
        request = latest()
    ended = request.request_id, request.state.value, request.due
    why = "; ".join(request.problems) or "nobody says why"
    well = _verdict(
        looked, request.state is State.COMPLETED, f"the request ended as {request.state.value}: {why}"
    )
    out.print(marked("request {} [bold]{}[/bold], due by law on {} {}", *ended, well))
    return request


def _accept(out: Console, instance: LocalInstance, request: RequestState) -> None:
    """What a case handler does about answers that are not enough: looks there, and says why it is."""
    for problem in request.problems:
        out.print(marked("  [yellow]look after this[/yellow]: {}", problem))
    out.print("  a case handler looks there by hand and accepts the answer, with a reason that is kept:")
    for command in request.commands.values():
        if command.doubtful:
            instance.rights.accept(request.request_id, command.system, "looked at by hand")
            out.print(marked("  {} {}", _mark(True), f"{command.system:<18} accepted"))


def _waive(out: Console, instance: LocalInstance, request: RequestState) -> None:
    """What a case handler does about what nobody can tell to be the person's: says why it may be let be."""
    for problem in request.problems:
        out.print(marked("  [yellow]look after this[/yellow]: {}", problem))
    instance.rights.waive(request.request_id, "nobody can tell whose they are")
    out.print(marked("  {} a case handler waives it, with a reason that is kept", _mark(True)))


def _prove(
    out: Console,
    looked: Looked,
    instance: LocalInstance,
    stores: Mapping[str, ChangingStore],
    person: Asker,
    request: RequestState,
) -> None:
    known = instance.answering
    left = lineage(LineageQuery.model_validate(_query(person)).question(known.company.kinds), known, now())
    forgotten = request.forgotten or {}
    found = [item for item in left["items"] if not item["held_only"]]
    rest = "what is held" if not found else "more than what is held"
    out.print(
        f"The index removed {counted(forgotten.get('rows_removed', 0), 'row')}, narrowed"
        f" {forgotten.get('rows_narrowed', 0):,} to what is held, and now answers with"
        f" {counted(left['total_events'], 'event')}, {rest}:"
    )
    rows = table("system", "still held", "events", "until", "because", right=["events"])
    rules = instance.answering.catalogue.retention_rules
    held = [part for part in shown(request.held) if part["action"] == "hold_until"]
    events_held: Counter[tuple[str, str, str, str]] = Counter()
    for part in held:
        # Where nobody knows the day, what has to come first.
        until = part["until"] or rules[part["rule"]].clock.replace("_", " ")
        key = (part["system"], part["category"], until, part["rule"])
        events_held[key] += part["events"] or 0
    for (system, category, until, rule), events in sorted(events_held.items()):
        # What is locked is held, and no more is said of it.
        number = f"{events:,}" if events else "locked"
        rows.add_row(system, category, number, until, f"{rule} {rules[rule].authority}")
    out.print(rows)
    beyond = ", ".join(sorted({item["system"] for item in found}))
    well = _verdict(looked, not found, f"the index still finds more than what is held, in {beyond}")
    out.print(marked("  {} {} is found beyond what is held", well, "more" if found else "nothing"))
    kept = {name: store.count(person.own) for name, store in stores.items()}
    strange = sorted({name for name, count in kept.items() if count} - {part["system"] for part in held})
    well = _verdict(looked, not strange, f"records are left where nothing is held: {', '.join(strange)}")
    where = ", ".join(f"{name} {count:,}" for name, count in kept.items() if count)
    out.print(
        marked(
            "  {} records under this person's own identifiers left in the systems themselves: {}",
            well,
            where or "none",
        )
    )
    for problem in request.problems:
        out.print(marked("  [yellow]look after this[/yellow]: {}", problem))


def _verdict(looked: Looked, well: bool, otherwise: str) -> Text:
    """The mark of something that was looked at; where it is not so, that is said at the end once more."""
    return _mark(looked.at(well, otherwise))


def _mark(well: bool) -> Text:
    """Before a line: whether it is as it should be."""
    return marked("[green]✓[/green]") if well else marked("[red]✗[/red]")


def _await(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise Unavailable(f"the demo waited {_PATIENCE:.0f} s for {what}; try again with fewer customers")
        time.sleep(_LOOK)
