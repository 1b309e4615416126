"""Where the parts of a running instance are: what `innsyn up` wrote to `<home>/run.json`, or the settings."""

from __future__ import annotations

import json

from schemas.errors import BrokerUnavailable
from schemas.settings import Settings
from streams.kafka.connection import Connection

RUN_FILE = "run.json"


def broker(settings: Settings) -> Connection:
    """The broker in force: INNSYN_KAFKA_BOOTSTRAP, else that of the running instance.

    Raises BrokerUnavailable when there is neither.
    """
    if settings.kafka_bootstrap:
        return Connection(settings.kafka_bootstrap, settings.kafka_options())
    file = settings.home / RUN_FILE
    try:
        running = json.loads(file.read_text("utf-8"))
        # The broker of `innsyn up` listens on the loopback address, without any of the security options.
        return Connection(str(running["bootstrap"]))
    except FileNotFoundError:
        raise BrokerUnavailable(
            "no Kafka broker is known; start one with `innsyn up` or set INNSYN_KAFKA_BOOTSTRAP"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BrokerUnavailable(
            f"{file} cannot be read; start `innsyn up` again or set INNSYN_KAFKA_BOOTSTRAP"
        ) from None
