"""The SQL endpoint of an instance: its user and token, its limits, its port."""

from __future__ import annotations

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


def sql_server(
    settings: Settings, answering: Answering, recorder: Recorder, doors: Doors
) -> ApiServer | None:
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
    return ApiServer(SqlDoor(services), settings.api_host, port, _CONNECTIONS, "INNSYN_SQL_PORT")
