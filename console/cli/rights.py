"""`innsyn rights`: the rights worker, until it is stopped."""

from __future__ import annotations

import contextlib
from functools import partial

from prometheus_client import CollectorRegistry

from console.cli.show.logs import configure_logging
from console.health.watching import watch_role, watched
from console.wiring.answering import index_problems, refuse_pending, token_keys
from console.wiring.clock import go_on_after, now
from console.wiring.company import company_of, keep_company
from console.wiring.controls import controls_run, duties_desk
from console.wiring.counting import views_fed
from console.wiring.ending import Ending
from console.wiring.evidence import log_book
from console.wiring.mended import mended
from console.wiring.processes import Background, raise_first, running_still, stop_all, until_signal
from console.wiring.rights import carrying_out
from console.wiring.roles import feed_dead_letters_indexed, rights_service, rights_worker
from console.wiring.run_file import broker
from console.wiring.start import begin
from schemas.errors import IndexUnavailable
from schemas.settings import Settings, load_settings
from sinks.open import open_sinks
from sinks.ports.sinks import Sinks
from streams.duties.telling import Send
from streams.evidence.book import LogBook
from streams.kafka.connection import Connection
from streams.kafka.groups import reach
from streams.kafka.sender import sender
from streams.rights.service import RightsService
from streams.waits import Waits


def rights() -> None:
    """Carry out rights requests: plan, command, take receipts, let the index forget. Looks again at what was answered.

    One at a time serves the requests; it goes on where the last one stopped. It also enters what feeds refused, seals
    what was recorded in the log, and runs the checks of duties.

    Example: innsyn rights
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    begin(settings)
    sinks = open_sinks(settings, company_of(settings).catalogue.identity_sources)
    connection = broker(settings)
    try:
        # Asked first: whoever starts it without a broker is told, later a broker that is away is waited for.
        reach(connection)
        with contextlib.suppress(IndexUnavailable):
            # An index that is away is waited for.
            go_on_after(sinks.upkeep)
        refuse_pending(sinks)
        keep_company(settings)
        token_keys(sinks, settings).prove()
        with sender(connection) as send:
            service = rights_service(settings, sinks, send)
            book = log_book(settings, sinks, connection, send)
            _run(settings, connection, sinks, service, book, send)
    finally:
        sinks.close()


def _run(
    settings: Settings,
    connection: Connection,
    sinks: Sinks,
    service: RightsService,
    book: LogBook,
    send: Send,
) -> None:
    """The roles, until a signal ends them or one ends by itself. Raises what ended it."""
    roles: list[Background] = []
    ending = Ending(lambda: running_still(roles))
    ended = until_signal(ending.arm)
    ending.after(ended)
    waits = Waits()
    make = partial(rights_worker, settings, connection, sinks, service, waits)
    roles.append(Background("rights", carrying_out(make, service, settings, waits, book.turn), ended))
    roles.append(Background("refused", feed_dead_letters_indexed(connection, sinks), ended))
    feed = views_fed(sinks.views, company_of(settings), service.requests, now, ended)
    controls = controls_run(sinks, settings, duties_desk(sinks, settings, service), send, ended)
    roles += [feed, controls]
    mends = mended(sinks.upkeep, ended)
    roles.extend(role for role, _ in mends)
    tokens = token_keys(sinks, settings).tokenizer
    health = watched(
        settings, connection, partial(index_problems, sinks, tokens), sinks.writer(), CollectorRegistry()
    )
    watch_role(health, roles[0], waits.said)
    watch_role(health, roles[1])
    watch_role(health, feed)
    watch_role(health, controls)
    for mend, look in mends:
        watch_role(health, mend, look)
    try:
        for role in roles:
            role.start()
        health.start()
        ended.wait()
    finally:
        health.stop()
        stop_all(roles)
    raise_first(roles)
