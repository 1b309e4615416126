"""The server of the HTTP API: uvicorn on a port that is ours before it starts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import uvicorn

from schemas.errors import SettingsError


class ApiServer:
    """uvicorn in a thread, on a port that is ours before it starts."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.address = f"http://{host if ':' not in host else f'[{host}]'}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`."""
        thread = threading.Thread(target=self._end_with, args=(stop,), daemon=True)
        thread.start()
        with closing(self._socket):
            self._server.run(sockets=[self._socket])
        stop.set()

    def problems(self) -> Sequence[str]:
        """What keeps it from serving whoever comes."""
        return ()

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio asks for it before it turns Nagle's algorithm off: 40 ms a call otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"port {port} on {host} cannot be used ({error.strerror}); set INNSYN_API_PORT to a free one"
        ) from error
    return listener
