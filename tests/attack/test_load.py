"""Load without end on the API's port: half-open sockets, slow senders, deaf receivers, bodies that nobody asked for."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from console.api.app import create_app
from console.api.protection.connections import ConnectionLimits
from console.api.protection.guard import BODY_LIMIT
from console.health.limits import raise_file_limit
from console.wiring.serving import ApiServer
from console.wiring.start import begin
from schemas.errors import SettingsError
from schemas.settings import Settings
from tests.support.api import EMAIL, TOKEN, TOTAL, services
from tests.support.product import await_that

HEAD = b"Host: innsyn\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
ROOT = Path(__file__).parents[2]
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
            stack.callback(thread.join, 20)
            stack.callback(stop.set)
            return server

        yield start


def connection(address: str, seconds: float = 10.0) -> socket.socket:
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


def closed(one: socket.socket) -> bool:
    """Whether the other end has ended it; what it sent before is thrown away."""
    one.setblocking(False)
    try:
        while one.recv(65_536):
            pass
        return True
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def busy_are(server: ApiServer, number: int) -> bool:
    """Whether so many connections have a request in hand."""
    return server.connections.busy == number


def test_two_thousand_half_open_sockets_delay_nobody(serve: Serve) -> None:
    """Health within 100 ms, a person with the token is answered, and the server holds no more than its limit."""
    if raise_file_limit() < 6_000:
        pytest.skip("not run: this machine allows too few open files for the attack")
    server = serve()
    with ExitStack() as attack:
        held = [attack.enter_context(closing(connection(server.address))) for _ in range(2_000)]
        for number, one in enumerate(held[-250:]):
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nX-Slow: "[: number % 40 + 1])
        times = []
        for _ in range(20):
            begun = time.perf_counter()
            assert asked(server.address)[0] == 200
            times.append(time.perf_counter() - begun)
        assert statistics.median(times) < 0.1, times
        status, body = asked(server.address, "/v1/lineage/query", QUESTION)
        assert (status, json.loads(body.partition(b"\r\n\r\n")[2])["total_events"]) == (200, TOTAL)
        limits = server.connections.limits
        assert len(server.connections) <= limits.most
        assert server.connections.waiting <= limits.waiting


def test_who_asks_is_not_thrown_out_by_who_only_holds(serve: Serve) -> None:
    """A question in hand keeps its place, however many come after it."""
    release, asked_for = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        asked_for.set()
        await asyncio.to_thread(release.wait, 20)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"answered"})

    server = serve(slow, most=20, waiting=8)
    with ExitStack() as attack:
        asking = attack.enter_context(closing(connection(server.address)))
        asking.sendall(b"GET / HTTP/1.1\r\nHost: innsyn\r\n\r\n")
        assert asked_for.wait(20)
        held = [attack.enter_context(closing(connection(server.address))) for _ in range(100)]
        await_that(lambda: closed(held[0]), "the first of those that hold a place is gone")
        assert not closed(held[-1])
        release.set()
        assert b"answered" in answer(asking)[1]


def test_when_all_places_are_busy_the_next_is_told(serve: Serve) -> None:
    """503 in a sentence, and a problem of the API as long as it lasts."""
    release = threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(release.wait, 20)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = serve(slow, most=8, waiting=4)
    with ExitStack() as attack:
        for number in range(1, 9):
            attack.enter_context(closing(busy := connection(server.address)))
            busy.sendall(b"GET / HTTP/1.1\r\nHost: innsyn\r\n\r\n")
            await_that(partial(busy_are, server, number), "it is busy")
        status, text = answer(attack.enter_context(closing(connection(server.address))))
        assert (status, text.rpartition(b"\r\n")[2]) == (
            503,
            b"all connections are in use; try again in a moment",
        )
        assert "all 8 connections of the API are busy" in server.problems()[0]
        release.set()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: inn",
        b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\n\r\nGET /healthz HT",
    ],
    ids=["nothing", "half a head", "half a second head"],
)
def test_who_never_ends_a_head_is_cut_off(serve: Serve, sent: bytes) -> None:
    """Also where a byte comes now and then, which uvicorn takes for life."""
    server = serve(head_seconds=0.6)
    with closing(connection(server.address)) as one:
        one.sendall(sent)
        begun = time.monotonic()
        while not closed(one):
            assert time.monotonic() - begun < 20
            try:
                one.send(b"x" if sent else b"")
            except OSError:
                break
            time.sleep(0.02)
    await_that(lambda: len(server.connections) == 0, "it is forgotten")


def test_who_does_not_take_an_answer_is_cut_off(serve: Serve) -> None:
    """A receiver that is deaf holds buffers and a place; for a while only."""

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(400):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})

    server = serve(endless, write_seconds=0.5)
    with closing(connection(server.address)) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: innsyn\r\n\r\n")
        await_that(lambda: server.connections.waiting == 1, "it counts as one that only holds a place")
        await_that(lambda: len(server.connections) == 0, "it is cut off")


ENDLESS = (b"Content-Length: 900000000000\r\n", b"Transfer-Encoding: chunked\r\n")


@pytest.mark.parametrize("announced", [*ENDLESS, b"Content-Length: 10\r\nConnection: close\r\n"])
def test_a_body_is_not_read_from_who_may_not_send_one(serve: Serve, announced: bytes) -> None:
    """Without the token the answer comes before the body, and with a large one the connection ends: nobody reads on."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\nHost: innsyn\r\n" + announced + b"\r\n")
        assert answer(one)[0] == 401


def test_who_has_the_wrong_token_is_told_so_also_when_its_body_comes_later(serve: Serve) -> None:
    """As HTTP libraries send: head and body in two pieces. A reset in between would hide the answer."""
    server = serve()
    with closing(connection(server.address)) as one:
        head = b"POST /v1/lineage/query HTTP/1.1\r\nHost: innsyn\r\nContent-Length: %d\r\n\r\n" % len(
            QUESTION
        )
        one.sendall(head)
        received = one.recv(65_536)
        one.sendall(QUESTION)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nConnection: close\r\n\r\n")
        while data := one.recv(65_536):
            received += data
        assert received.startswith(b"HTTP/1.1 401 ")
        assert b"HTTP/1.1 200 OK" in received


def test_a_body_that_is_too_large_is_refused_by_its_head(serve: Serve) -> None:
    """With the token as well; 100 Continue is said only to one that will be read."""
    server = serve()
    sent = b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\n"
    with closing(connection(server.address)) as one:
        one.sendall(sent + ENDLESS[0] + b"\r\n")
        assert answer(one)[0] == 413
    with closing(connection(server.address)) as one:
        one.sendall(sent + b"Content-Length: 10\r\n\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/nowhere"])
def test_what_is_open_to_all_takes_no_body(serve: Serve, path: str) -> None:
    """It is not read: the answer comes at once and ends the connection."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(
            b"GET " + path.encode() + b" HTTP/1.1\r\nHost: innsyn\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert answer(one)[0] in (200, 404)


def test_a_body_that_never_ends_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from somebody with the token."""
    monkeypatch.setattr("console.api.protection.guard.BODY_SECONDS", 0.3)
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Content-Length: 20\r\n\r\n{")
        status, text = answer(one)
        assert (status, b"the body was not there within" in text) == (408, True)


def test_a_body_in_pieces_ends_at_the_limit(serve: Serve) -> None:
    """Chunked, so that its head says nothing of its size; memory stays bounded."""
    server = serve()
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 16 * BODY_LIMIT:
                one.sendall(piece)
                sent += 65_536
        except OSError:
            pass
        assert sent < 16 * BODY_LIMIT


def test_requests_sent_ahead_are_answered_one_after_the_other(serve: Serve) -> None:
    """Pipelined: a thousand in one piece take one connection and no more memory than one."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\n\r\n" * 999)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nConnection: close\r\n\r\n")
        assert answer(one)[1].count(b"HTTP/1.1 200 OK") == 1_000


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n", b"A" * 200_000, b"\r\n" * 50_000]
)
def test_what_is_no_request_ends_its_connection_alone(serve: Serve, sent: bytes) -> None:
    """TLS, an unknown version, a head without end, empty lines."""
    server = serve(head_seconds=0.6)
    with closing(connection(server.address)) as one:
        with suppress(OSError):
            one.sendall(sent)
        assert answer(one)[0] in (400, 0)
    assert asked(server.address)[0] == 200


def test_health_is_told_while_every_thread_answers_a_question(serve: Serve, tmp_path: Path) -> None:
    """45 questions that hang in the index: alive, ready and metrics come from memory, within a tenth of a second."""
    release, asking = threading.Event(), threading.Semaphore(0)
    known = services(tmp_path)

    class Hangs:
        """An index that answers nobody until the test lets it."""

        def __getattr__(self, name: str) -> Any:
            asking.release()
            release.wait(60)
            return getattr(known.reader, name)

    server = serve(create_app(services(tmp_path, reader=Hangs())))
    with ExitStack() as attack:
        for _ in range(45):
            attack.enter_context(closing(one := connection(server.address)))
            length = b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(QUESTION)
            one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + length + QUESTION)
        attack.callback(release.set)
        assert asking.acquire(timeout=20)
        times = []
        for path in ("/healthz", "/readyz", "/metrics") * 5:
            begun = time.perf_counter()
            assert asked(server.address, path)[0] == 200
            times.append(time.perf_counter() - begun)
        assert statistics.median(times) < 0.1, times


def test_a_role_refuses_to_start_with_hardly_any_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is opened, with what to raise; not a broken index later."""
    monkeypatch.setattr("console.wiring.start.raise_file_limit", lambda: 64)
    monkeypatch.setattr("console.health.limits.resource.getrlimit", lambda _: (64, 64))
    monkeypatch.setattr("console.wiring.start.only_ours", lambda: None)
    with pytest.raises(SettingsError, match=r"64 open files are allowed, .* raise the hard limit"):
        begin(Settings(home=tmp_path))


SMALL = """
import json, os, resource, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from pathlib import Path
from console.api.app import create_app
from console.cli.show.logs import configure_logging
from console.wiring.serving import ApiServer
from tests.support.api import services

configure_logging("info")
server = ApiServer(create_app(services(Path(sys.argv[1]))), "127.0.0.1", 0)
threading.Thread(target=server.run, args=(threading.Event(),), daemon=True).start()
print(server.address, server.connections.limits.most, flush=True)
sys.stdin.readline()
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    print("taken", flush=True)
sys.stdin.readline()
for one in held:
    os.close(one)
print(json.dumps(list(server.problems())), flush=True)
sys.stdin.readline()
"""


def test_few_open_files_end_nothing(tmp_path: Path) -> None:
    """64 files allowed and 400 half-open sockets; then not one file left, and connections still come.

    Who asks is answered, in the end by itself again; nothing spins, nothing ends, no library writes a line.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL, str(tmp_path / "keys")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None

    def goes_on() -> str:
        stdin.write("go on\n")
        stdin.flush()
        return stdout.readline()

    with process, ExitStack() as attack:
        try:
            address, most = stdout.readline().split()
            assert int(most) == 16
            for _ in range(400):
                attack.enter_context(closing(connection(address)))
            assert asked(address)[0] == 200
            assert goes_on() == "taken\n"
            before = _processor_seconds(process.pid)
            for _ in range(100):
                attack.enter_context(closing(connection(address)))
            await_that(lambda: _processor_seconds(process.pid) > 0, "the process is there")
            (problem,) = json.loads(goes_on())
            assert "no open files are left" in problem
            assert _processor_seconds(process.pid) - before < 1.0
            await_that(lambda: asked(address)[0] == 200, "it serves again")
        finally:
            process.kill()
        lines = stderr.read().splitlines()
        assert all(json.loads(line)["event"] == "api.no_files" for line in lines), lines


def _processor_seconds(pid: int) -> float:
    shown = subprocess.run(
        ["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return float(shown.stdout)
