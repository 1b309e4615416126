"""Everything in one process: what `innsyn up` and the demo run, on the broker they are given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry

from console.health.floods import watch_floods
from console.health.health import Health, Look
from console.health.requests import watch_requests
from console.health.untagged import watch_untagged
from console.health.watching import watch_role, watched
from console.operations.rekeying import rekeyed
from console.operations.replay import Replays
from console.operations.system_keys import make_missing
from console.wiring.answering import Answering, answering_of, token_keys
from console.wiring.api_token import api_token, approver_token
from console.wiring.clock import CLOCK, go_on_after, now
from console.wiring.company import company_of
from console.wiring.controls import controls_run, duties_desk
from console.wiring.counting import views_fed
from console.wiring.evidence import log_book
from console.wiring.mended import mended
from console.wiring.private import write_private
from console.wiring.processes import Background, first_then, stop_all
from console.wiring.rights import carrying_out
from console.wiring.roles import (
    api,
    dead_letter_desk,
    doors,
    feed_dead_letters_indexed,
    question_limits,
    recorder,
    replays,
    rights_service,
    rights_worker,
)
from console.wiring.run_file import RUN_FILE
from console.wiring.serving import ApiServer
from console.wiring.sql import SqlServer, sql_server
from console.wiring.tagging import tagger
from schemas.settings import Settings
from sinks.open import open_sinks
from sinks.ports.sinks import Sinks
from streams.duties.desk import Desk
from streams.duties.telling import Send
from streams.evidence.book import LogBook
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
class LocalInstance:
    """A running innsyn. `sql_address`: of the SQL endpoint, if there is one. `ended` is set when a role ends by
    itself; `roles` then hold the reason."""

    sinks: Sinks
    answering: Answering
    rights: RightsService
    metrics: TagMetrics
    address: str
    sql_address: str | None = None
    roles: tuple[Background, ...] = ()
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Parts:
    """What the roles of one instance share."""

    settings: Settings
    connection: Connection
    sinks: Sinks
    answering: Answering
    rights: RightsService
    book: LogBook
    duties: Desk
    send: Send
    registry: CollectorRegistry
    metrics: TagMetrics
    health: Health
    progress: Progress = field(default_factory=Progress)
    refusals: Refusals = field(default_factory=Refusals)
    waits: Waits = field(default_factory=Waits)


@contextmanager
def running(
    settings: Settings, connection: Connection, keeper: Keeper | None = None
) -> Iterator[LocalInstance]:
    """Start tagger, rights worker and API on one embedded index; stop them together.

    Topics and broker are the caller's; `keeper` looks after a broker of this process. Raises InnsynError for what does
    not start.
    """
    with ExitStack() as stack:
        parts = _opened(settings, connection, stack)
        again = replays(settings, connection, parts.sinks)
        server, sql = _servers(parts, again, stack)
        ended = threading.Event()
        looks = _roles(parts, (server, sql), keeper, ended)
        roles = tuple(role for role, _ in looks)
        stack.callback(stop_all, roles)
        for role, look in looks:
            role.start()
            watch_role(parts.health, role, look)
        parts.health.watch("sealing keys", parts.rights.key_problems, every=60.0)
        catalogue = company_of(settings).catalogue
        watch_requests(parts.health, parts.rights.requests, now, catalogue, parts.registry)
        stack.callback(again.stop)
        parts.health.start()
        yield LocalInstance(
            *(parts.sinks, parts.answering, parts.rights, parts.metrics, server.address),
            sql_address=sql.address if sql else None,
            roles=roles,
            ended=ended,
        )


def _opened(settings: Settings, connection: Connection, stack: ExitStack) -> _Parts:
    """The index with its tables and keys, and what works on it; closed by the stack."""
    sinks = open_sinks(settings, company_of(settings).catalogue.identity_sources)
    stack.callback(sinks.close)
    sinks.upkeep.migrate(now())
    go_on_after(sinks.upkeep)
    token_keys(sinks, settings).prove(make=True)
    make_missing(settings)
    answering = answering_of(sinks, settings)
    send = stack.enter_context(sender(connection))
    registry = CollectorRegistry()
    health = watched(settings, connection, answering.problems, sinks.writer(), registry)
    stack.callback(health.stop)
    watch_floods(health, settings, sinks.dead_letters, registry)
    watch_untagged(health, sinks.untagged, company_of(settings).contracts)
    rights = rights_service(settings, sinks, send)
    return _Parts(
        *(settings, connection, sinks, answering, rights),
        duties=duties_desk(sinks, settings, rights),
        send=send,
        book=log_book(settings, sinks, connection, send),
        registry=registry,
        metrics=TagMetrics(registry),
        health=health,
    )


def _servers(parts: _Parts, again: Replays, stack: ExitStack) -> tuple[ApiServer, SqlServer | None]:
    """The API and the SQL endpoint on their ports; not served yet. The stack stops their record of questions."""
    settings, sinks = parts.settings, parts.sinks
    audit = recorder(sinks, parts.registry)
    stack.callback(audit.stop)
    parts.health.watch("audit", audit.problems, every=1.0)

    def notices() -> Sequence[str]:
        return [*parts.refusals.lines(), *CLOCK.problems()]

    knocks = doors(settings, parts.registry)
    app = api(
        *(parts.answering, parts.rights, parts.registry, api_token(settings), again),
        desk=dead_letter_desk(settings, parts.connection, sinks, parts.rights),
        health=parts.health,
        notices=notices,
        limits=question_limits(settings),
        recorder=audit,
        doors=knocks,
        book=parts.book,
        duties=parts.duties,
        approver_token=approver_token(settings),
    )
    server = ApiServer(app, settings.api_host, settings.api_port)
    return server, sql_server(settings, parts.answering, audit, knocks)


def _roles(
    parts: _Parts, servers: tuple[ApiServer, SqlServer | None], keeper: Keeper | None, ended: threading.Event
) -> list[tuple[Background, Look | None]]:
    """Each role with what it says of itself, in the order in which they start."""
    settings, connection, sinks = parts.settings, parts.connection, parts.sinks
    server, sql = servers

    def make_tagger() -> TagWorker:
        progress, refusals = parts.progress, parts.refusals
        return tagger(settings, connection, sinks, parts.metrics, progress=progress, refusals=refusals)

    make_worker = partial(rights_worker, settings, connection, sinks, parts.rights, parts.waits)
    # The first of each is made here, so that what cannot be ends the start.
    taggers = first_then(make_tagger(), make_tagger)
    workers = first_then(make_worker(), make_worker)
    carry_out = carrying_out(workers, parts.rights, settings, parts.waits, parts.book.turn)
    kept: list[tuple[Background, Look | None]] = []
    if keeper:
        kept.append((Background("kafka", keeper.run, ended), keeper.problems))
    return [
        *kept,
        *mended(sinks.upkeep, ended),
        (Background("tagger", lambda stop: taggers().run(stop), ended), parts.progress.problems),
        (Background("rights", carry_out, ended), parts.waits.said),
        (Background("keys", rekeyed(settings, connection, sinks), ended), None),
        (Background("refused", feed_dead_letters_indexed(connection, sinks), ended), None),
        (views_fed(sinks.views, company_of(settings), parts.rights.requests, now, ended), None),
        (controls_run(sinks, settings, parts.duties, parts.send, ended), None),
        (Background("api", server.run, ended), server.problems),
        *([(Background("sql", sql.run, ended), sql.problems)] if sql else []),
    ]


@contextmanager
def announced(
    settings: Settings, bootstrap: str, address: str, pid: int, sql: str | None = None
) -> Iterator[None]:
    """Write where the parts are to `<home>/run.json`, so that other commands find them; remove it at the end."""
    path = settings.home / RUN_FILE
    there = {"bootstrap": bootstrap, "api": address, "sql": sql, "pid": pid}
    write_private(path, json.dumps(there) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
