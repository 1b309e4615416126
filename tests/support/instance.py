"""A running instance for tests: the API on a loopback port, and the files by which commands find it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from console.api.app import create_app
from console.api.services import Services
from tests.support.time_bounds import HANGING_SECONDS


@contextmanager
def running(home: Path, services: Services) -> Iterator[str]:
    """Serve until the context ends; gives the address. Writes run.json and token into `home`."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(services), port=0, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + HANGING_SECONDS
        while not server.started:
            assert thread.is_alive(), "the server ended at start"
            assert time.monotonic() < deadline, "the server did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        home.mkdir(parents=True, exist_ok=True)
        (home / "run.json").write_text(
            json.dumps({"bootstrap": "127.0.0.1:1", "api": address, "pid": os.getpid()})
        )
        (home / "token").write_text(services.token)
        (home / "token").chmod(0o600)
        yield address
    finally:
        server.should_exit = True
        thread.join(HANGING_SECONDS)
