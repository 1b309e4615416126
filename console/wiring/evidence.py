"""The transparency log, put together from the settings."""

from __future__ import annotations

from functools import partial

from console.wiring.answering import keyring
from console.wiring.clock import now
from console.wiring.company import company_of
from schemas.settings import Settings
from sinks.ports.sinks import Sinks
from streams.evidence.book import LogBook
from streams.evidence.issuing import Issuer
from streams.evidence.sealing import Send
from streams.evidence.told import heads_told
from streams.kafka.connection import Connection


def log_book(
    settings: Settings, sinks: Sinks, connection: Connection | None = None, send: Send | None = None
) -> LogBook:
    """The log of an open index. Without a `connection` the topic is not asked, without `send` not told."""
    told = partial(heads_told, connection) if connection is not None else None
    key, catalogue = keyring(settings, create=True).signing.key, company_of(settings).catalogue
    issuer = Issuer(
        *(sinks.evidence, sinks.requests, sinks.purge, key, now), catalogue.version, catalogue.calendar
    )
    return LogBook(sinks.evidence, key, now, send, told, issuer)
