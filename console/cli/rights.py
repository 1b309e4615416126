"""`innsyn rights`: the rights worker, until it is stopped."""

from __future__ import annotations

import threading

from console.cli.output import configure_logging
from console.roles import rights_service, rights_worker, until_signal
from console.running import broker
from console.session import open_index
from schemas.settings import load_settings
from streams.kafka.sender import sender
from streams.rights.agents import RightsWorker

_LOOK_SECONDS = 1.0


def rights() -> None:
    """Carry out rights requests: plan, command, take receipts, let the index forget.

    One at a time serves the requests; it goes on where the last one stopped.

    Example: innsyn rights
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    index = open_index(settings)
    connection = broker(settings)
    try:
        with sender(connection) as send:
            service = rights_service(settings, index, send)
            follow(rights_worker(settings, connection, index, service), until_signal())
    finally:
        index.close()


def follow(worker: RightsWorker, stop: threading.Event) -> None:
    """Run the agents until `stop`; raise what ended them, if they end by themselves."""
    worker.start()
    try:
        while not stop.wait(_LOOK_SECONDS):
            if worker.error is not None:
                raise worker.error
    finally:
        worker.stop()
