"""Servers of the API on a port, and bare connections to them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from console.api.app import create_app
from console.api.protection.connections import ConnectionLimits
from console.wiring.serving import ApiServer
from tests.support.api import EMAIL, TOKEN, services
from tests.support.time_bounds import HANGING_SECONDS

HEAD = b"Host: innsyn\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
QUESTION = json.dumps({"identifiers": [{"kind": "email", "value": EMAIL}]}).encode()
Serve = Callable[..., ApiServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers of the API over a person in memory; `app` can be another one."""
    with ExitStack() as stack:

        def start(app: Any = None, **limits: Any) -> ApiServer:
            app = app or create_app(services(tmp_path))
            server = ApiServer(app, "127.0.0.1", 0, ConnectionLimits(**limits))
            stop = threading.Event()
            thread = threading.Thread(target=server.run, args=(stop,))
            thread.start()
            stack.callback(thread.join, HANGING_SECONDS)
            stack.callback(stop.set)
            return server

        yield start


def connection(address: str, seconds: float = HANGING_SECONDS) -> socket.socket:
    """A connection, and nothing sent on it."""
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=seconds)


def answer(one: socket.socket) -> tuple[int, bytes]:
    """Status and the rest of what is sent until the server closes; 0: it was cut off."""
    received = b""
    try:
        while data := one.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return int(received[9:12] or 0), received


def asked(address: str, path: str = "/healthz", body: bytes = b"") -> tuple[int, bytes]:
    """One request with the token on a connection of its own."""
    with closing(connection(address)) as one:
        method = b"POST" if body else b"GET"
        length = b"Content-Length: %d\r\nContent-Type: application/json\r\n" % len(body) if body else b""
        head = b" HTTP/1.1\r\nConnection: close\r\n" + HEAD + length + b"\r\n"
        one.sendall(method + b" " + path.encode() + head + body)
        return answer(one)
