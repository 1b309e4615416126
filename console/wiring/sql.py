"""The SQL endpoint of an instance: its user and token, its limits, its port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.api.protection.connections import ConnectionLimits
from console.api.protection.doors import Doors
from console.api.protection.pool import QuestionLimits
from console.api.protection.recorder import Recorder
from console.sql.door import SqlDoor, SqlServices
from console.wiring.answering import Answering
from console.wiring.api_token import sql_token
from console.wiring.clock import now
from console.wiring.serving import ApiServer
from schemas.settings import Settings

# Of the connections that one process may have, the fewer.
_CONNECTIONS = ConnectionLimits(most=128, waiting=64)


@dataclass(frozen=True)
class SqlServer:
    """Where it answers; serves it until it is told to stop; and what keeps it from serving whoever comes."""

    address: str
    run: Callable[[threading.Event], None]
    problems: Callable[[], Sequence[str]]


def sql_server(
    settings: Settings, answering: Answering, recorder: Recorder, doors: Doors
) -> SqlServer | None:
    """The endpoint on its port, not served yet; None where it is switched off. Raises SettingsError."""
    reader = answering.sinks.sql
    if not settings.sql or reader is None:
        return None
    services = SqlServices(
        reader=reader,
        user=settings.sql_user,
        token=sql_token(settings),
        recorder=recorder,
        doors=doors,
        clock=now,
        key_id=lambda: answering.tokenizer.key_id,
        limits=QuestionLimits(settings.sql_seconds, settings.sql_workers, settings.sql_queue),
    )
    port = settings.sql_port_in_force
    door = SqlDoor(services)
    server = ApiServer(door, settings.api_host, port, _CONNECTIONS, "INNSYN_SQL_PORT")
    return SqlServer(server.address, server.run, lambda: [*server.problems(), *door.problems()])
