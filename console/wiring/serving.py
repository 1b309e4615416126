"""The server of the HTTP API: uvicorn on a port that is ours before it starts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import uvicorn

from console.api.protection.connections import BoundedProtocol, ConnectionLimits, Connections
from console.health.limits import raise_file_limit
from schemas.errors import SettingsError

# The system keeps those that come meanwhile.
_TAKEN_AT_ONCE = 64
_KEPT_BY_SYSTEM = 1_024


class ApiServer:
    """uvicorn in a thread, under limits: those given, as far as the open files that are allowed reach. `variable`: the
    setting that names the port."""

    def __init__(
        self,
        app: Any,
        host: str,
        port: int,
        limits: ConnectionLimits | None = None,
        variable: str = "INNSYN_API_PORT",
    ) -> None:
        self._socket = _listen(host, port, variable)
        self.address = f"http://{host if ':' not in host else f'[{host}]'}:{self._socket.getsockname()[1]}"
        self.connections = Connections((limits or ConnectionLimits()).within(raise_file_limit()))
        config = uvicorn.Config(
            app,
            http=type("Protocol", (BoundedProtocol,), {"room": self.connections}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # The default believes them from this machine: who asks could name any address, and escape its limits.
            proxy_headers=False,
            # Taken at once, before any of them is looked at.
            backlog=min(_TAKEN_AT_ONCE, self.connections.limits.waiting),
            timeout_keep_alive=self.connections.limits.idle_seconds,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config, self.connections)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`."""
        threading.Thread(target=self._end_with, args=(stop,), daemon=True).start()
        with closing(self._socket):
            self._server.run(sockets=[self._socket])

    def problems(self) -> Sequence[str]:
        """What keeps it from serving whoever comes."""
        return self.connections.problems()

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._connections.begin()
        for listener in sockets or ():
            listener.listen(_KEPT_BY_SYSTEM)


def _listen(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio asks for it before it turns Nagle's algorithm off: 40 ms a call otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_KEPT_BY_SYSTEM)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"port {port} on {host} cannot be used ({error.strerror}); set {variable} to a free one"
        ) from error
    return listener
