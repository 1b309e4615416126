"""`innsyn tag`: one tagger, until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, start_http_server

from console.cli.show.logs import configure_logging
from console.cli.show.output import marked, say, screen
from console.client import Client, connect
from console.health.floods import watch_floods
from console.health.untagged import watch_untagged
from console.health.watching import watch_role, watched
from console.wiring.answering import index_problems, refuse_pending, token_keys
from console.wiring.clock import go_on_after
from console.wiring.company import company_of, keep_company
from console.wiring.ending import Ending
from console.wiring.mended import mended
from console.wiring.processes import (
    Background,
    first_then,
    raise_first,
    running_still,
    stop_all,
    until_signal,
)
from console.wiring.run_file import broker
from console.wiring.start import begin
from console.wiring.tagging import tagger
from schemas.counted import counted
from schemas.errors import InputError, Unavailable
from schemas.settings import Settings, load_settings
from sinks.open import embedded_folder, open_sinks
from sinks.ports.sinks import Sinks
from streams.kafka.connection import Connection
from streams.kafka.topics import require
from streams.metrics import TagMetrics
from streams.tagging.progress import Progress
from streams.tagging.worker import TagWorker

_LOOK_SECONDS = 0.2


def tag(
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="NAME", help="Only this topic; repeatable.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Begin at the oldest message, whatever is in the index.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End once everything that is there now is in the index.")
    ] = False,
) -> None:
    """Tag events: from the source topics into the lineage index.

    Start as many as there are partitions to share. Replaying is safe: a row is what its coordinates say it is.
    Beside `innsyn up` the running instance replays, to the end of what is there.

    Example: innsyn tag --topic web.visits --replay --until-end
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    if embedded_folder(settings) is not None and (client := connect(settings)) is not None:
        # The embedded index belongs to that process.
        with client:
            raise typer.Exit(_there(client, topic or (), replay))
    begin(settings)
    connection = broker(settings)
    # Asked first: a consumer would wait for its broker without a word.
    require(connection, company_of(settings).tagged.values())
    sinks = open_sinks(settings)
    try:
        refuse_pending(sinks)
        keep_company(settings)
        go_on_after(sinks.upkeep)
        _run(settings, connection, sinks, topic or (), replay=replay, until_end=until_end)
    finally:
        sinks.close()


def _run(
    settings: Settings,
    connection: Connection,
    sinks: Sinks,
    topics: Sequence[str],
    *,
    replay: bool,
    until_end: bool,
) -> None:
    """Tag until a signal, or until everything is in the index. Raises what ended the tagger."""
    registry, progress = CollectorRegistry(), Progress()
    metrics = TagMetrics(registry)

    def make() -> TagWorker:
        return tagger(settings, connection, sinks, metrics, topics=topics, replay=replay, progress=progress)

    first = make()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, registry=registry)
    running: list[Background] = []
    ending = Ending(lambda: running_still(running) or ["tagger"])
    stop = until_signal(ending.arm)
    mends = mended(sinks.upkeep, stop)
    ending.after(stop)
    try:
        for mend, _ in mends:
            running.append(mend)
            mend.start()
        if until_end:
            # Somebody waits for the end: what keeps it from there is said, not waited out.
            first.run(stop, until_end=True)
            return
        workers = first_then(first, make)
        role = Background("tagger", lambda stop: workers().run(stop), stop)
        tokens = token_keys(sinks, settings).tokenizer
        health = watched(
            settings, connection, partial(index_problems, sinks, tokens), sinks.writer(), registry
        )
        watch_role(health, role, progress.problems)
        for mend, look in mends:
            watch_role(health, mend, look)
        watch_floods(health, settings, sinks.dead_letters, registry)
        watch_untagged(health, sinks.untagged, company_of(settings).contracts)
        running.append(role)
        role.start()
        health.start()
        stop.wait()
        health.stop()
        role.stop()
        raise_first([role])
    finally:
        stop_all(running)


def _there(client: Client, topics: Sequence[str], replay: bool) -> int:
    """Have the running instance replay, and wait for its end. Exit status. Raises InputError, Unavailable."""
    if not replay:
        raise InputError(
            f"the innsyn at {client.address} tags already, and its index takes one process; add --replay to have it "
            "read topics again, or name a ClickHouse server (INNSYN_CLICKHOUSE_URL) for more taggers"
        )
    found = client.replay(topics)
    out = screen(stderr=True)
    with out.status(
        marked("{} in the innsyn at {}; ctrl-C leaves it running", found["replay_id"], client.address)
    ):
        while found["state"] == "running":
            time.sleep(_LOOK_SECONDS)
            found = client.replayed(found["replay_id"])
    if found["state"] != "done":
        raise Unavailable(f"{found['replay_id']} {found['state']}: {found['error'] or 'innsyn was stopped'}")
    what = ", ".join(topics) or "every tagged topic"
    things = (("events", "event"), ("rows", "row"), ("dead_letters", "dead letter"))
    say(f"replayed {what}: {', '.join(counted(found[name], thing) for name, thing in things)}")
    return 0
