"""ClickHouse's HTTP interface in front of an embedded chdb engine, for tests of the ordinary HTTP client.

chdb allows one engine path per process, so the server runs in a child process (this module run with
``python -m``) and the test process stays free to hold an engine of its own. The child ends when its
standard input closes, hence also when the parent dies.

Not imitated: external data, ``compress=1``, streamed results, the revised Native protocol, query_log.
"""

import argparse
import base64
import binascii
import hmac
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import threading
import uuid
import zlib
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import pyarrow as pa

from tests.support.clickhouse_engine import Answer, Engine, FaultKind, Faults, Request, ServerError
from tests.support.time_bounds import HANGING_SECONDS

# Parameters of the transport: never settings of the query.
# Longest form field and address of a server (http_max_field_value_size; Python's own limit is nearer for addresses).
_FIELD_BYTES = 131_072
_TRANSPORT = re.compile(
    r"query|user|password|database|default_format|query_id|session_(id|timeout|check)|quota_key|role|(de)?compress"
    r"|buffer_size|wait_end_of_query|client_protocol_version|enable_http_compression"
    r"|send_progress_in_http_headers|http_headers_progress_interval_ms|param_.*"
)
_BAD_QUERY = dict.fromkeys((27, 36, 41, 62, 457), 400)
_UNKNOWN = dict.fromkeys((46, 47, 60, 73, 81, 115), 404)
_STATUS = _BAD_QUERY | _UNKNOWN | {48: 501, 159: 408, 516: 403}


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, engine: Engine, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine
        self.user = user
        self.password = password
        self.faults = Faults()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        # A client that hangs up is part of the tests; anything else deserves its traceback.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """Keep no access log: request lines hold the queries."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        url = urlsplit(self.path)
        body = self._raw_body()
        if url.path == "/ping":
            self._send(200, {}, b"Ok.\n")
            return
        params = dict(parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape"))
        query_id = params.get("query_id") or str(uuid.uuid4())
        headers = {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Timezone": self.server.engine.timezone}
        try:
            self._check_user(params)
            if url.path == "/_test/fault":
                self.server.faults.arm(**json.loads(body))
                self._send(200, headers, b"")
                return
            if url.path != "/":
                raise ServerError(404, "NO_SUCH_PATH", "there is no such path")
            self._run(params, body, headers)
        except ServerError as error:
            self._send_error(error, headers)

    def _run(self, params: dict[str, str], body: bytes, headers: dict[str, str]) -> None:
        request = self._request(params, body)
        answer = self.server.engine.run(request)
        fault = self.server.faults.due() if answer.is_insert else ""
        if fault == "disconnect":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault:
            raise ServerError(209, "SOCKET_TIMEOUT", "the answer to a finished write was lost")
        headers["X-ClickHouse-Summary"] = json.dumps(answer.summary)
        if answer.format:
            headers["X-ClickHouse-Format"] = answer.format
        self._send(200, headers, self._compress(answer, params, headers))

    def _request(self, params: dict[str, str], body: bytes) -> Request:
        if params.get("compress") == "1" or params.get("decompress") == "1":
            raise ServerError(
                48, "NOT_IMPLEMENTED", "use Content-Encoding instead of compress=1 or decompress=1"
            )
        body = _decompress(body, self.headers.get("Content-Encoding", "identity"))
        if self.headers.get_content_type() == "multipart/form-data":
            params |= _form_fields(self.headers["Content-Type"], body)
            body = b""
        query = params.get("query", "").encode("utf-8", "surrogateescape")
        settings = {k: v for k, v in params.items() if not _TRANSPORT.fullmatch(k)}
        return Request(
            sql=query + b"\n" + body if query and body else query or body,
            parameters={k.removeprefix("param_"): v for k, v in params.items() if k.startswith("param_")},
            settings=settings,
            database=params.get("database") or self.headers.get("X-ClickHouse-Database") or "",
            default_format=params.get("default_format")
            or self.headers.get("X-ClickHouse-Format")
            or "TabSeparated",
            session_id=params.get("session_id", ""),
            session_timeout=float(params.get("session_timeout", 60)),
            session_check=params.get("session_check") == "1",
            read_only=self.command == "GET" or settings.get("readonly", "0") != "0",
        )

    def _check_user(self, params: dict[str, str]) -> None:
        user = self.headers.get("X-ClickHouse-User", params.get("user", "default"))
        password = self.headers.get("X-ClickHouse-Key", params.get("password", ""))
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user = password = ""
        expected = f"{self.server.user}:{self.server.password}"
        if scheme.lower() == "bearer" or not hmac.compare_digest(
            f"{user}:{password}".encode(), expected.encode()
        ):
            text = "Authentication failed: password is incorrect, or there is no user with such name"
            raise ServerError(516, "AUTHENTICATION_FAILED", text)

    def _raw_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _compress(self, answer: Answer, params: dict[str, str], headers: dict[str, str]) -> bytes:
        accepted = [name.strip() for name in self.headers.get("Accept-Encoding", "").split(",")]
        codec = next((name for name in accepted if name in ("lz4", "zstd", "gzip")), None)
        if codec is None or params.get("enable_http_compression") != "1":
            return answer.body
        headers["Content-Encoding"] = codec
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(answer.body)
        return bytes(sink.getvalue())

    def _send_error(self, error: ServerError, headers: dict[str, str]) -> None:
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        self._send(_STATUS.get(error.code, 500), headers, f"{error}\n".encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _decompress(body: bytes, encoding: str) -> bytes:
    if encoding == "identity" or not body:
        return body
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding not in ("lz4", "zstd", "gzip"):
        raise ServerError(48, "NOT_IMPLEMENTED", f"unknown Content-Encoding {encoding}")
    try:
        # The client writes one frame per block, so the body may hold several.
        return bytes(pa.input_stream(pa.py_buffer(body), compression=encoding).read())
    except OSError as error:
        raise ServerError(271, "CANNOT_DECOMPRESS", f"the body is not valid {encoding}") from error


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    head = b"Content-Type: " + content_type.encode() + b"\r\n\r\n"
    fields = {}
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
        if part.get_filename() is not None:
            raise ServerError(48, "NOT_IMPLEMENTED", "external data is not supported")
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes) and len(payload) > _FIELD_BYTES:
            raise ServerError(1000, "POCO_EXCEPTION", "HTML Form Exception: Field value too long")
        name = part.get_param("name", header="content-disposition")
        fields[str(name)] = payload.decode("utf-8", "surrogateescape") if isinstance(payload, bytes) else ""
    return fields


class ClickHouseHttpServer:
    """A child process that serves the engine in directory `path`; a context manager.

    `host` and `port` are known inside the context. Credentials other than `user` and `password` are
    refused with code 516. Raises RuntimeError if the child does not start or does not end cleanly.
    """

    host = "127.0.0.1"

    def __init__(self, path: Path, user: str = "innsyn", password: str = "innsyn-test") -> None:
        self.path = path
        self.user = user
        self.password = password
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.support.clickhouse_http", "--path", str(self.path)]
        root = Path(__file__).resolve().parents[2]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=root, env=os.environ | {"TZ": "UTC"}, stdin=pipe, stdout=pipe)
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        process.stdin.write(json.dumps([self.user, self.password]).encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(timeout=HANGING_SECONDS) else b""
        if not line:
            self._stop()
            raise RuntimeError("the test server did not start: read its standard error above")
        self.port = int(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self._stop()
        if code and error is None:
            raise RuntimeError(f"the test server ended with code {code}: read its standard error above")

    def inject_fault(self, after_inserts: int, kind: FaultKind) -> None:
        """Let the `after_inserts`-th successful insert from now lose its answer in the way `kind` says."""
        url = f"http://{self.host}:{self.port}/_test/fault"
        body = {"after_inserts": after_inserts, "kind": kind}
        httpx.post(url, json=body, auth=(self.user, self.password), trust_env=False).raise_for_status()

    def _stop(self) -> int:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return 0
        process.stdin.close()
        try:
            return process.wait(timeout=HANGING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            process.stdout.close()


def _serve() -> None:
    parser = argparse.ArgumentParser(description="Serve a chdb directory over ClickHouse's HTTP interface.")
    parser.add_argument("--path", type=Path, required=True)
    path = parser.parse_args().path
    user, password = json.loads(sys.stdin.readline())
    with Engine(path) as engine, _HttpServer(engine, user, password) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    _serve()
