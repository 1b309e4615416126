"""`innsyn serve`: the HTTP API, until it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry

from console.cli.show.logs import configure_logging
from console.health.floods import watch_floods
from console.health.requests import watch_requests
from console.health.untagged import watch_untagged
from console.health.watching import watched
from console.wiring.answering import answering_of, token_keys
from console.wiring.api_token import api_token, approver_token
from console.wiring.clock import CLOCK, now
from console.wiring.company import company_of, keep_company
from console.wiring.controls import duties_desk
from console.wiring.ending import Ending
from console.wiring.evidence import log_book
from console.wiring.processes import Background, raise_first, running_still, stop_all, until_signal
from console.wiring.roles import api, dead_letter_desk, doors, question_limits, recorder, rights_service
from console.wiring.run_file import broker
from console.wiring.serving import ApiServer
from console.wiring.sql import SqlServer, sql_server
from console.wiring.start import begin
from schemas.errors import IndexUnavailable
from schemas.settings import load_settings
from sinks.open import open_sinks
from streams.kafka.sender import sender


def serve() -> None:
    """Serve the HTTP API: look-ups, access answers, requests, the catalogue, /metrics.

    Needs the index of a ClickHouse server (the embedded one belongs to `innsyn up`).

    Example: INNSYN_API_PORT=8480 innsyn serve
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    begin(settings)
    sinks = open_sinks(settings, company_of(settings).catalogue.identity_sources)
    try:
        connection = broker(settings)
        keep_company(settings)
        with sender(connection) as send:
            service = rights_service(settings, sinks, send)
            desk = dead_letter_desk(settings, connection, sinks, service)
            opened = answering_of(sinks, settings)
            with suppress(IndexUnavailable):
                # An index that is not there yet says its keys with the first question.
                token_keys(sinks, settings).prove()
            metrics = CollectorRegistry()
            health = watched(settings, connection, opened.problems, sinks.writer(), metrics)
            watch_floods(health, settings, sinks.dead_letters, metrics)
            watch_untagged(health, sinks.untagged, company_of(settings).contracts)
            watch_requests(health, service.requests, now, company_of(settings).catalogue, metrics)
            audit, knocks = recorder(sinks, metrics), doors(settings, metrics)
            app = api(
                *(opened, service, metrics, api_token(settings)),
                desk=desk,
                health=health,
                notices=CLOCK.problems,
                limits=question_limits(settings),
                recorder=audit,
                doors=knocks,
                book=log_book(settings, sinks, connection, send),
                duties=duties_desk(sinks, settings, service),
                approver_token=approver_token(settings),
            )
            health.watch("audit", audit.problems, every=1.0)
            servers: dict[str, ApiServer | SqlServer] = {
                "api": ApiServer(app, settings.api_host, settings.api_port)
            }
            if (sql := sql_server(settings, opened, audit, knocks)) is not None:
                servers["sql"] = sql
            for name, server in servers.items():
                health.watch(name, server.problems, every=1.0)
            health.start()
            try:
                _until_stopped(servers)
            finally:
                audit.stop()
                health.stop()
    finally:
        sinks.close()


def _until_stopped(servers: Mapping[str, ApiServer | SqlServer]) -> None:
    """Serve until a signal comes. Raises what ended one of them before."""
    roles: list[Background] = []
    ending = Ending(lambda: running_still(roles))
    stop = until_signal(ending.arm)
    ending.after(stop)
    roles += [Background(name, server.run, stop) for name, server in servers.items()]
    for role in roles:
        role.start()
    stop.wait()
    stop_all(roles)
    raise_first(roles)
