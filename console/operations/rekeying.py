"""Older token keys come to rest by themselves: topics are read again for their pairs, then rows move."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from console.operations.keys import alive
from console.operations.rotation import Rotation
from console.wiring.answering import keyring
from console.wiring.clock import now
from console.wiring.tagging import tagger
from schemas.settings import Settings
from sinks.ports.sinks import Sinks
from streams.kafka.connection import Connection
from streams.metrics import TagMetrics

_EVERY_SECONDS = 3_600.0
_log = structlog.get_logger(__name__)


def rekey(settings: Settings, connection: Connection | None, sinks: Sinks, stop: threading.Event) -> int:
    """Read the topics again, to their present end, for the pairs of what they hold, then move what has its pair.

    Without a connection only the second. Nothing else is written: no row comes back that was erased. How much moved.
    Raises Unavailable, KeyUnavailable.
    """
    if connection is not None:
        metrics = TagMetrics(CollectorRegistry())
        tagger(settings, connection, sinks, metrics, replay=True, pairs_only=True).run(stop, until_end=True)
    return Rotation(keyring(settings), sinks, now).move(stop)


def rekeyed(settings: Settings, connection: Connection, sinks: Sinks) -> Callable[[threading.Event], None]:
    """A role that does it once after each rotation, and moves every hour what came to have its pair since."""

    def run(stop: threading.Event) -> None:
        read: tuple[str, ...] = ()
        while not stop.is_set():
            known = tuple(key.key_id for key in alive(sinks.keys.entries()))
            if len(known) > 1:
                moved = rekey(settings, connection if known != read else None, sinks, stop)
                read = known
                _log.info("keys.moved", count=moved, to=known[-1])
            stop.wait(_EVERY_SECONDS)

    return run
