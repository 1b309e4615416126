"""Everything in one process: what `innsyn up` and the demo run, on the broker they are given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry

from console.cli.rights import follow, tidy
from console.health.floods import watch_floods
from console.health.watching import watch_role, watched
from console.operations.rekeying import rekeyed
from console.wiring.answering import Answering, answering_of, token_keys
from console.wiring.api_token import api_token
from console.wiring.clock import CLOCK, go_on_after, now
from console.wiring.mended import mended
from console.wiring.processes import Background, stop_all
from console.wiring.roles import (
    api,
    dead_letter_desk,
    doors,
    question_limits,
    recorder,
    refused_followed,
    replays,
    rights_service,
    rights_worker,
    tagger,
)
from console.wiring.run_file import RUN_FILE
from console.wiring.serving import ApiServer
from schemas.settings import Settings
from sinks.open import open_sinks
from sinks.ports.sinks import Sinks
from streams.kafka.brokers.keeper import Keeper
from streams.kafka.connection import Connection
from streams.kafka.sender import sender
from streams.metrics import TagMetrics
from streams.rights.service import RightsService
from streams.tagging.decode.refusals import Refusals
from streams.tagging.progress import Progress
from streams.tagging.worker import TagWorker
from streams.waits import Waits


@dataclass(frozen=True)
class Instance:
    """A running innsyn. `ended` is set when a role ends by itself; `roles` then hold the reason."""

    sinks: Sinks
    answering: Answering
    rights: RightsService
    metrics: TagMetrics
    address: str
    roles: tuple[Background, ...] = ()
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running(settings: Settings, connection: Connection, keeper: Keeper | None = None) -> Iterator[Instance]:
    """Start tagger, rights worker and API on one embedded index; stop them together.

    Topics and broker are the caller's; `keeper` looks after a broker of this process. Raises InnsynError for what does
    not start.
    """
    with ExitStack() as stack:
        sinks = open_sinks(settings)
        stack.callback(sinks.close)
        sinks.upkeep.migrate(now())
        go_on_after(sinks.upkeep)
        token_keys(sinks, settings).prove(make=True)
        opened = answering_of(sinks, settings)
        send = stack.enter_context(sender(connection))
        service = rights_service(settings, sinks, send)
        registry = CollectorRegistry()
        metrics = TagMetrics(registry)
        again = replays(settings, connection, sinks)
        desk = dead_letter_desk(settings, connection, sinks, service)
        health = watched(settings, connection, opened.problems, sinks.writer(), registry)
        stack.callback(health.stop)
        watch_floods(health, settings, sinks.dead_letters, registry)
        refusals = Refusals()

        def notices() -> Sequence[str]:
            return [*refusals.lines(), *CLOCK.problems()]

        audit = recorder(sinks, registry)
        stack.callback(audit.stop)
        health.watch("audit", audit.problems, every=1.0)
        app = api(
            *(opened, service, registry, api_token(settings), again, desk, health, notices),
            limits=question_limits(settings),
            recorder=audit,
            doors=doors(settings, registry),
        )
        server = ApiServer(app, settings.api_host, settings.api_port)
        progress, rights_waits = Progress(), Waits()

        def new_tagger() -> TagWorker:
            return tagger(settings, connection, sinks, metrics, progress=progress, refusals=refusals)

        # The first of each is made here, so that what cannot be ends the start.
        workers = [new_tagger()]
        agents = [rights_worker(settings, connection, sinks, service, rights_waits)]

        def tag(stop: threading.Event) -> None:
            (workers.pop() if workers else new_tagger()).run(stop)

        def carry_out(stop: threading.Event) -> None:
            worker = (
                agents.pop() if agents else rights_worker(settings, connection, sinks, service, rights_waits)
            )
            follow(
                worker,
                service,
                settings.late_check_seconds,
                stop,
                rights_waits,
                partial(tidy, service, settings),
            )

        ended = threading.Event()
        kept = (Background("kafka", keeper.run, ended),) if keeper else ()
        mends = mended(sinks.upkeep, ended)
        roles = (
            *kept,
            *(role for role, _ in mends),
            Background("tagger", tag, ended),
            Background("rights", carry_out, ended),
            Background("keys", rekeyed(settings, connection, sinks), ended),
            Background("refused", refused_followed(connection, sinks), ended),
            Background("api", server.run, ended),
        )
        of_roles = {"tagger": progress.problems, "rights": rights_waits.said, "api": server.problems}
        if keeper:
            of_roles["kafka"] = keeper.problems
        of_roles |= {role.name: look for role, look in mends}
        stack.callback(stop_all, roles)
        for role in roles:
            role.start()
            watch_role(health, role, of_roles.get(role.name))
        health.watch("sealing keys", service.key_problems, every=60.0)
        stack.callback(again.stop)
        health.start()
        yield Instance(sinks, opened, service, metrics, server.address, roles, ended)


@contextmanager
def announced(settings: Settings, bootstrap: str, address: str, pid: int) -> Iterator[None]:
    """Write where the parts are to `<home>/run.json`, so that other commands find them; remove it at the end."""
    path = settings.home / RUN_FILE
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps({"bootstrap": bootstrap, "api": address, "pid": pid}) + "\n")
    temporary.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
