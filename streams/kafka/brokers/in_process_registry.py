"""A schema registry in this process, for the demo: the part of Confluent's REST interface that ours calls.

In memory, on 127.0.0.1, without compatibility checks: what is registered gets an id, and an id gives its schema.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_BY_ID = re.compile(r"/schemas/ids/([0-9]{1,9})")
_VERSIONS = re.compile(r"/subjects/([^/]+)/versions(?:/([0-9]{1,9}))?")
_LONGEST = 1024 * 1024
_UNKNOWN = (404, {"error_code": 40403, "message": "Schema not found"})
_Answer = tuple[int, Any]


class InProcessRegistry:
    """Lives as long as this object. `url` is its address."""

    def __init__(self) -> None:
        self._schemas: list[str] = []
        self._subjects: dict[str, list[int]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="registry", daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> InProcessRegistry:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, schema: str | None) -> _Answer:
        """Status and JSON for a path; `schema`: what is to be registered, None where something is asked for."""
        with self._lock:
            if found := _BY_ID.fullmatch(path):
                return self._by_id(int(found[1]))
            if found := _VERSIONS.fullmatch(path):
                known = self._subjects.setdefault(found[1], [])
                if schema is not None:
                    return self._register(known, schema)
                if found[2] is None:
                    return 200, list(range(1, len(known) + 1))
                if 0 < int(found[2]) <= len(known):
                    status, text = self._by_id(known[int(found[2]) - 1])
                    return status, {**text, "id": known[int(found[2]) - 1]}
            return _UNKNOWN

    def _register(self, known: list[int], schema: str) -> _Answer:
        if schema not in self._schemas:
            self._schemas.append(schema)
        number = self._schemas.index(schema) + 1
        if number not in known:
            known.append(number)
        return 200, {"id": number}

    def _by_id(self, number: int) -> _Answer:
        return (200, {"schema": self._schemas[number - 1]}) if 0 < number <= len(self._schemas) else _UNKNOWN


def _handler(registry: InProcessRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(registry.answer(self.path, None))

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), _LONGEST)
            self._reply(registry.answer(self.path, str(json.loads(self.rfile.read(length))["schema"])))

        def _reply(self, answer: _Answer) -> None:
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: the demo's screen is the story's."""

    return Handler
