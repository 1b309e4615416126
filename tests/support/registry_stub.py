"""A small schema registry on 127.0.0.1: the part of Confluent's REST interface that clients of ours use."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import avro.errors
import avro.schema

from schemas.check import incompatibilities

Answer = tuple[int, Any]


class Store:
    """Subjects with their versions. Schemas equal as JSON share an id, whatever their subject.

    `beside`: what a subject's answers hold besides, such as metadata.
    """

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.subjects: dict[str, list[int]] = {}
        self.requests: list[str] = []
        self.kinds: dict[int, str] = {}
        self.beside: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def text(self, schema_id: int) -> str | None:
        """Schema of an id."""
        return next((text for text, known in self.ids.items() if known == schema_id), None)

    def register(self, subject: str, schema: str) -> Answer:
        """POST /subjects/{subject}/versions: 200, 409 (incompatible with the latest) or 422."""
        canonical = _canonical(schema)
        if canonical is None:
            return 422, {"error_code": 42201, "message": "Invalid schema"}
        with self._lock:
            versions = self.subjects.get(subject, [])
            known = self.ids.get(canonical)
            if known in versions:
                return 200, {"id": known}
            if versions and not _reads(canonical, self.text(versions[-1])):
                return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
            schema_id = self.ids.setdefault(canonical, len(self.ids) + 1)
            self.subjects.setdefault(subject, []).append(schema_id)
            return 200, {"id": schema_id}

    def compatible(self, subject: str, schema: str) -> Answer:
        """POST /compatibility/subjects/{subject}/versions/latest, mode BACKWARD."""
        canonical = _canonical(schema)
        if canonical is None:
            return 422, {"error_code": 42201, "message": "Invalid schema"}
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        return 200, {"is_compatible": _reads(canonical, self.text(self.subjects[subject][-1]))}

    def versions(self, subject: str) -> Answer:
        """GET /subjects/{subject}/versions."""
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        return 200, list(range(1, len(self.subjects[subject]) + 1))

    def version(self, subject: str, number: int) -> Answer:
        """GET /subjects/{subject}/versions/{number}."""
        versions = self.subjects.get(subject, [])
        if not 0 < number <= len(versions):
            return 404, {"error_code": 40402, "message": "Version not found"}
        schema_id = versions[number - 1]
        answer = {"subject": subject, "version": number, "id": schema_id, "schema": self.text(schema_id)}
        return 200, answer | self._kind(schema_id) | self.beside.get(subject, {})

    def _kind(self, schema_id: int) -> dict[str, str]:
        # Left out for Avro, as a registry does.
        return {"schemaType": self.kinds[schema_id]} if schema_id in self.kinds else {}

    def put(self, subject: str, schema: str, kind: str, **beside: Any) -> int:
        """Register what is no Avro, or with something beside it; returns its id."""
        with self._lock:
            schema_id = self.ids.setdefault(schema, len(self.ids) + 1)
            self.subjects.setdefault(subject, []).append(schema_id)
            self.kinds[schema_id] = kind
            self.beside[subject] = beside
        return schema_id

    def by_id(self, schema_id: int) -> Answer:
        """GET /schemas/ids/{id}."""
        text = self.text(schema_id)
        return (
            (200, {"schema": text} | self._kind(schema_id))
            if text
            else (404, {"error_code": 40403, "message": "Schema not found"})
        )


def _canonical(schema: str) -> str | None:
    try:
        avro.schema.parse(schema)
    except avro.errors.AvroException:
        return None
    return json.dumps(json.loads(schema), separators=(",", ":"))


def _reads(reader: str, writer: str | None) -> bool:
    return writer is None or not incompatibilities(reader, writer)


def _route(store: Store, method: str, path: str, body: dict[str, Any]) -> Answer:
    if method == "GET" and (found := re.fullmatch(r"/schemas/ids/(\d+)", path)):
        return store.by_id(int(found[1]))
    if found := re.fullmatch(r"/subjects/([^/]+)/versions", path):
        subject = found[1]
        return store.register(subject, body["schema"]) if method == "POST" else store.versions(subject)
    if method == "GET" and (found := re.fullmatch(r"/subjects/([^/]+)/versions/(\d+|latest)", path)):
        newest = len(store.subjects.get(found[1], ()))
        return store.version(found[1], newest if found[2] == "latest" else int(found[2]))
    if method == "POST" and (found := re.fullmatch(r"/compatibility/subjects/([^/]+)/versions/latest", path)):
        return store.compatible(found[1], body["schema"])
    return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


@contextmanager
def registry_stub(locked: bool = False) -> Iterator[tuple[str, Store]]:
    """Runs a registry for the block; yields its URL and store. `locked`: calls need credentials."""
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            store.requests.append(f"{self.command} {self.path}")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            if locked and "Authorization" not in self.headers:
                status, answer = 401, {"error_code": 401, "message": "Unauthorized"}
            else:
                status, answer = _route(store, self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = _answer
        do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: the calls are in `store.requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
