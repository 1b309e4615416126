"""`innsyn up`: everything on this machine, in the foreground."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from console.cli.show.logs import configure_logging
from console.cli.show.output import marked, screen
from console.client import connect
from console.instance import SQL_TOKEN_FILE, TOKEN_FILE
from console.wiring.company import company_of, keep_company
from console.wiring.ending import Ending
from console.wiring.local import LocalInstance, announced, running
from console.wiring.processes import Background, raise_first, running_still, until_signal
from console.wiring.start import begin
from schemas.errors import BrokerUnavailable, IndexUnavailable, SettingsError
from schemas.settings import Settings, load_settings
from sinks.open import refuse_if_open
from streams.kafka.brokers.keeper import Keeper
from streams.kafka.brokers.local import LocalBroker
from streams.kafka.connection import Connection
from streams.kafka.groups import reach
from streams.kafka.topics import create_topics
from streams.simulate.simulate import TOPICS

# Kafka closes its logs in a second or two; what is killed reads them again at the next start.
_BROKER_STOP_SECONDS = 5.0


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the HTTP API.")] = None,
) -> None:
    """Run broker, tagger, rights worker and API on this machine. Ctrl-C stops all of it; the data stays.

    The broker is Apache Kafka (Java 17 or newer; Maven once, to fetch it), or the one INNSYN_KAFKA_BOOTSTRAP names.

    Example: INNSYN_HOME=/srv/innsyn innsyn up --port 8480
    """
    settings = load_settings(**({} if port is None else {"api_port": port}))
    settings = settings.model_copy(update={"tag_worker": settings.tag_worker or "up"})
    configure_logging(settings.log_level)
    _refuse_elsewhere(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    begin(settings)
    out = screen(stderr=True)
    roles: list[Background] = []
    broker = LocalBroker(settings.home / "kafka", stop_seconds=_BROKER_STOP_SECONDS)
    ending = Ending(lambda: running_still(roles), broker.kill)
    stop = until_signal(ending.arm)
    ending.after(stop)
    with ExitStack() as stack:
        keeper = None
        if settings.kafka_bootstrap:
            connection = Connection(settings.kafka_bootstrap, settings.kafka_options())
        else:
            stack.callback(broker.stop)
            if not _started(broker, stop, out):
                return
            mend = f"it is started again by itself when it ended; its log is {broker.log_file}"
            connection = Connection(broker.bootstrap, mend=mend)
            keeper = Keeper(broker, partial(reach, connection))
        create_topics(connection, company_of(settings).topics.values(), settings.kafka_replication_factor)
        keep_company(settings)
        instance = stack.enter_context(running(settings, connection, keeper))
        roles.extend(instance.roles)
        stack.enter_context(
            announced(settings, connection.bootstrap, instance.address, os.getpid(), instance.sql_address)
        )
        topics = company_of(settings).topics
        first = "innsyn simulate --customers 100" if set(TOPICS) <= topics.keys() else "innsyn topics"
        _tell(out, connection.bootstrap, instance, settings, first)
        out.print(f"                {_retention(settings.retention_hour)}")
        while not stop.wait(0.2) and not instance.ended.is_set():
            pass
        ending.begin()
        raise_first(instance.roles)
        out.print("stopping")


def _refuse_elsewhere(settings: Settings) -> None:
    """Raises SettingsError where the index is a server's, IndexUnavailable where another process has it."""
    if settings.clickhouse_url and not settings.clickhouse_url.startswith("chdb:"):
        raise SettingsError(
            "`innsyn up` runs on the embedded index; for a ClickHouse server start `innsyn tag`, `rights` and `serve`"
        )
    if (client := connect(settings)) is not None:
        with client:
            raise IndexUnavailable(
                f"an innsyn runs at {client.address} already; stop it, or set INNSYN_HOME to another folder"
            )
    company_of(settings)
    refuse_if_open(settings)


def _started(broker: LocalBroker, stop: threading.Event, out: Console) -> bool:
    """Whether the broker runs; not where `stop` came first. Raises BrokerUnavailable."""
    with out.status("starting Apache Kafka"):
        try:
            broker.start(stop.is_set)
        except BrokerUnavailable:
            if stop.is_set():
                return False
            raise
    return True


def _retention(hour: int | None) -> str:
    """What becomes of data that have run out by their retention rule."""
    if hour is None:
        return "retention is off: `innsyn retention run`, or INNSYN_RETENTION_HOUR"
    return f"what has run out is deleted from {hour:02} o'clock on"


def _tell(out: Console, bootstrap: str, instance: LocalInstance, settings: Settings, first: str) -> None:
    """`first`: the command to go on with; the simulator invents events of one company alone."""
    out.print(marked("[bold]innsyn is up[/bold]   broker [cyan]{}[/cyan]", bootstrap))
    token = settings.home / TOKEN_FILE
    out.print(marked("                API    [cyan]{}[/cyan], token in {}", instance.address, token))
    if instance.sql_address:
        where = "INNSYN_SQL_TOKEN" if settings.sql_token else settings.home / SQL_TOKEN_FILE
        out.print(
            marked(
                "                SQL    [cyan]{}[/cyan], user {}, token in {}",
                *(instance.sql_address, settings.sql_user, where),
            )
        )
    out.print(
        marked(
            "                try    [cyan]{}[/cyan], then [cyan]innsyn doctor[/cyan]",
            first,
        )
    )
    out.print("                ctrl-C stops all of it, the data stays")
