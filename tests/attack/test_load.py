"""Load without end on the API's port: half-open sockets, slow senders, deaf receivers, hardly any files."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from console.api.app import create_app
from console.health.limits import raise_file_limit
from console.wiring.serving import ApiServer
from console.wiring.start import begin
from schemas.errors import SettingsError
from schemas.settings import Settings
from tests.support.api import TOTAL, services
from tests.support.sockets import HEAD, QUESTION, Serve, answer, asked, connection, serve
from tests.support.time_bounds import HANGING_SECONDS, await_that

__all__ = ["serve"]


ROOT = Path(__file__).parents[2]


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


def quickest(server: ApiServer, path: str) -> float:
    """Seconds of the quickest of twenty answers: what other processes of the machine take is not in it."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        assert asked(server.address, path)[0] == 200
        times.append(time.perf_counter() - begun)
    return min(times)


def test_two_thousand_half_open_sockets_delay_nobody(serve: Serve) -> None:
    """Health is told as before, a person with the token is answered, and the server holds no more than its limit."""
    if raise_file_limit() < 6_000:
        pytest.skip("not run: this machine allows too few open files for the attack")
    server = serve()
    quiet = quickest(server, "/healthz")
    with ExitStack() as attack:
        held = [attack.enter_context(closing(connection(server.address))) for _ in range(2_000)]
        for number, one in enumerate(held[-250:]):
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nX-Slow: "[: number % 40 + 1])
        assert quickest(server, "/healthz") < 50 * quiet
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
        await asyncio.to_thread(release.wait, HANGING_SECONDS)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"answered"})

    server = serve(slow, most=20, waiting=8)
    with ExitStack() as attack:
        asking = attack.enter_context(closing(connection(server.address)))
        asking.sendall(b"GET / HTTP/1.1\r\nHost: innsyn\r\n\r\n")
        assert asked_for.wait(HANGING_SECONDS)
        held = [attack.enter_context(closing(connection(server.address))) for _ in range(100)]
        await_that(lambda: closed(held[0]), "the first of those that hold a place is gone")
        assert not closed(held[-1])
        release.set()
        assert b"answered" in answer(asking)[1]


def test_when_all_places_are_busy_the_next_is_told(serve: Serve) -> None:
    """503 in a sentence, and a problem of the API as long as it lasts."""
    release = threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(release.wait, HANGING_SECONDS)
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
            assert time.monotonic() - begun < HANGING_SECONDS
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


def test_health_is_told_while_every_thread_answers_a_question(serve: Serve, tmp_path: Path) -> None:
    """45 questions that hang in the index: alive, ready and metrics come from memory."""
    release, asking = threading.Event(), threading.Semaphore(0)
    known = services(tmp_path)

    class Hangs:
        """An index that answers nobody until the test lets it."""

        def __getattr__(self, name: str) -> Any:
            asking.release()
            release.wait(HANGING_SECONDS)
            return getattr(known.reader, name)

    server = serve(create_app(services(tmp_path, reader=Hangs())))
    with ExitStack() as attack:
        for _ in range(45):
            attack.enter_context(closing(one := connection(server.address)))
            length = b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(QUESTION)
            one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + length + QUESTION)
        attack.callback(release.set)
        assert asking.acquire(timeout=HANGING_SECONDS)
        for path in ("/healthz", "/readyz", "/metrics") * 5:
            assert asked(server.address, path)[0] == 200
        assert not release.is_set()


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
            for _ in range(100):
                attack.enter_context(closing(connection(address)))
            (problem,) = json.loads(goes_on())
            assert "no open files are left" in problem
            await_that(lambda: rests(process.pid), "it rests, and does not ask again and again")
            await_that(lambda: asked(address)[0] == 200, "it serves again")
        finally:
            process.kill()
        lines = stderr.read().splitlines()
        assert all(json.loads(line)["event"] == "api.no_files" for line in lines), lines


def rests(pid: int) -> bool:
    """Whether a process takes no processor time, to the hundredth of a second, in a quarter of a second."""
    before = _processor_ticks(pid)
    time.sleep(0.25)
    return _processor_ticks(pid) == before


def _processor_ticks(pid: int) -> int:
    """Of all its threads, in user and in kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
