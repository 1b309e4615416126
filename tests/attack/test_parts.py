"""Parts that die, hang, stall or come back: what /readyz, the metrics and the log say of it, and what goes on."""

from __future__ import annotations

import asyncio
import errno
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, create_autospec

import httpx
import pytest
import structlog
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from console.api.app import create_app
from console.cli import main
from console.cli.show.logs import quiet_threads
from console.client import ApiAddress, Client
from console.health.health import Health
from console.health.limits import files, space_problems
from console.health.parts import Part, turned
from console.health.taggers import unread_problems
from console.wiring.processes import Background, raise_first
from console.wiring.rights import _recheck, run_rights_role
from schemas.errors import BrokerUnavailable, Crashed, IndexUnavailable, InnsynError, InputError, Unavailable
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.brokers.keeper import Keeper
from streams.kafka.connection import Connection
from streams.kafka.groups import reach
from streams.kafka.producer import EventProducer
from streams.rights.protocol.request import RequestState
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker
from streams.tagging.progress import STALLED_SECONDS, Progress
from streams.waits import Waits
from tests.support.api import EMAIL, TOKEN, fill, rights, services
from tests.support.asgi import InProcess
from tests.support.product import await_that

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that the test moves: seconds, and the day that goes with them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def day(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Iterator[Health]:
    made = Health(clock.day, CollectorRegistry(), monotonic=clock)
    yield made
    made.stop(wait=0)


def ready(tmp_path: Path, health: Health) -> tuple[int, list[dict[str, object]]]:
    """Status and parts of GET /readyz."""
    app = create_app(services(tmp_path, health=health))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        found = client.get("/readyz")
    return found.status_code, found.json()["parts"]


def test_the_time_of_a_part_moves_only_when_it_turns() -> None:
    """Ill with another sentence is still ill since the first."""
    later = NOW + timedelta(minutes=1)
    ill = turned(Part("index", NOW), ["away"], later)
    assert (ill.since, ill.well) == (later, False)
    assert turned(ill, ["away", "and full"], later + timedelta(minutes=1)) == Part(
        "index", later, ("away", "and full")
    )
    assert turned(Part("index", NOW), [], later) == Part("index", NOW)


def test_a_part_that_falls_ill_turns_readiness_with_its_sentence_and_time(
    tmp_path: Path, clock: Clock, health: Health
) -> None:
    """503 names the part, since when and why; 200 again once it is well, without a restart."""
    said: list[str] = []
    health.watch("index", lambda: said)
    health.look("index")
    assert ready(tmp_path, health) == (200, [{"part": "index", "since": NOW.isoformat(), "problems": []}])
    clock.seconds, said[:] = 5.0, ["the index is away; see `innsyn doctor`"]
    health.look("index")
    clock.seconds = 9.0
    health.look("index")
    since = (NOW + timedelta(seconds=5)).isoformat()
    assert ready(tmp_path, health) == (
        503,
        [{"part": "index", "since": since, "problems": ["the index is away; see `innsyn doctor`"]}],
    )
    said.clear()
    health.look("index")
    assert ready(tmp_path, health)[0] == 200


def test_a_look_that_never_returns_is_a_problem_and_delays_no_answer(
    tmp_path: Path, clock: Clock, health: Health
) -> None:
    """An index that hangs inside a call: the others are still looked at, and readiness answers at once."""
    release = threading.Event()
    health.watch("index", lambda: [] if release.wait(30) else ["never"], patience=20.0)
    health.watch("broker", list)
    try:
        health.start(wait=0.05)
        begun = time.monotonic()
        assert ready(tmp_path, health)[0] == 200
        clock.seconds = 21.0
        status, parts = ready(tmp_path, health)
        assert time.monotonic() - begun < 2
        assert (status, parts[0]["problems"]) == (503, ["index has not answered for 21 s"])
        assert (parts[0]["since"], parts[1]["problems"]) == (NOW.isoformat(), [])
    finally:
        release.set()
    await_that(lambda: health.problems() == [], "the index answers again")


def test_a_look_that_breaks_says_so_and_shows_no_value(health: Health) -> None:
    """A bug in one look ends neither the others nor itself."""

    def broken() -> Sequence[str]:
        raise ValueError("kari.nordmann@example.no")

    def away() -> Sequence[str]:
        raise IndexUnavailable("the index is away")

    health.watch("broken", broken)
    health.watch("index", away)
    for name in ("broken", "index"):
        health.look(name)
    first, second = health.problems()
    assert (first.startswith("looking at broken failed (ValueError)"), second) == (True, "the index is away")
    assert "kari" not in first


def test_metric_and_log_say_what_turned_once(clock: Clock) -> None:
    """One gauge for each part, one line for each turn: not one each second."""
    registry, said = CollectorRegistry(), ["the broker is away"]
    health = Health(clock.day, registry, monotonic=clock)
    health.watch("broker", lambda: said)

    def told() -> list[str]:
        health.look("broker")
        with structlog.testing.capture_logs() as lines:
            health.tell()
            health.tell()
        return [f"{line['event']} {line['part']} {' '.join(line['problems'])}".strip() for line in lines]

    assert told() == ["part.wrong broker the broker is away"]
    assert registry.get_sample_value("innsyn_part_well", {"part": "broker"}) == 0
    assert told() == []
    said.clear()
    assert told() == ["part.well broker"]
    assert registry.get_sample_value("innsyn_part_well", {"part": "broker"}) == 1


def test_a_tagger_that_does_not_get_on_is_a_problem(clock: Clock) -> None:
    """A loop that does not turn, a write that does not end: told once they take too long, over once they go on."""
    progress = Progress(clock)
    assert progress.problems() == []
    progress.turn()
    progress.store()
    clock.seconds = STALLED_SECONDS
    assert progress.problems() == []
    clock.seconds += 1
    assert [line.partition(": ")[2] for line in progress.problems()] == [
        "the tagger has taken nothing up for 61 s",
        "a batch has been on its way into the index for 61 s",
    ]
    progress.turn()
    progress.stored()
    assert progress.problems() == []
    clock.seconds += STALLED_SECONDS + 1
    progress.rest()
    assert progress.problems() == []


def test_a_look_for_late_findings_that_never_ends_is_a_problem(clock: Clock) -> None:
    """It runs on the thread that would say so: whoever watches sees it from outside."""
    waits, seen = Waits(clock), list[str]()

    class Hangs:
        """A service whose look takes an hour."""

        def recheck(self, now: datetime) -> Sequence[RequestState]:
            clock.seconds += 3_600
            seen.extend(waits.said())
            return ()

    _recheck(Hangs(), waits)
    assert seen == ["looking for what answers lack has been under way for 3600 s"]
    assert waits.said() == []


def test_what_two_threads_of_a_tagger_wait_for_does_not_clear_each_other() -> None:
    """The registry answers while the index is still away."""
    progress = Progress()
    progress.wait("index", "index away")
    progress.wait("registry", "registry away")
    progress.wait("registry", None)
    (line,) = progress.problems()
    assert line.endswith("index away")
    progress.rest()
    assert progress.problems() == []


def test_a_role_that_lost_something_is_started_again_by_itself() -> None:
    """Also the third time; its problem is said meanwhile, and over once it runs."""
    calls: list[int] = []
    wake, running = threading.Event(), threading.Event()

    def run(stop: threading.Event) -> None:
        calls.append(1)
        if len(calls) < 4:
            raise IndexUnavailable("the index did not answer for 300 s")
        running.set()
        stop.wait(30)

    role = Background("tagger", run, wake, pauses=(0.01,), settled=0.05)
    role.start()
    assert running.wait(20)
    assert role.problems() == (
        "tagger ended (the index did not answer for 300 s); it is started again by itself",
    )
    await_that(lambda: not role.problems(), "the tagger is well again")
    assert not wake.is_set()
    role.stop()
    raise_first([role])
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (IndexUnavailable("away"), "tagger ended 7 times in a row (away); it is tried again by itself until"),
        (Crashed("agents", None), "tagger ended 7 times in a row (agents crashed (nobody knows why)), a bug"),
    ],
)
def test_a_role_that_ends_over_and_over_says_so_and_is_still_tried(error: Exception, words: str) -> None:
    """The others go on without it."""
    wake, calls = threading.Event(), []

    def run(stop: threading.Event) -> None:
        calls.append(1)
        if len(calls) < 8:
            raise error
        stop.wait(30)

    role = Background("tagger", run, wake, pauses=(0.0,), settled=30)
    role.start()
    await_that(lambda: len(calls) == 8, "it is tried the eighth time")
    (line,) = role.problems()
    assert line.startswith(words)
    assert not wake.is_set()
    role.stop()
    raise_first([role])


class App:
    """A Faust app that crashes: as it starts, or once it runs."""

    crashed, crash_reason = False, None

    def __init__(self, error: BaseException, *, at_start: bool) -> None:
        self._error, self._at_start = error, at_start

    async def start(self) -> None:
        if self._at_start:
            raise self._error

    async def wait_until_stopped(self) -> None:
        self.crashed, self.crash_reason = True, self._error

    async def stop(self) -> None: ...


@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize(
    ("error", "type", "words"),
    [
        (RuntimeError("12345678901"), Crashed, r"innsyn-rights crashed \(RuntimeError"),
        (asyncio.CancelledError(), Crashed, r"innsyn-rights crashed \(CancelledError"),
        (OSError("refused"), BrokerUnavailable, "does not answer while"),
    ],
)
def test_agents_that_crash_are_started_again_and_end_nothing_else(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, type: type[Exception], words: str, at_start: bool
) -> None:
    """The library's error ended all of `innsyn up`. It is named in our words, without its text."""
    app = App(error, at_start=at_start)
    monkeypatch.setattr("streams.rights.worker.rights_app", lambda *_: app)
    monkeypatch.setattr("streams.rights.worker.missing", lambda *_: [])
    service, waits = create_autospec(RightsService, instance=True), Waits()
    worker = RightsWorker(Connection("127.0.0.1:9"), service, Mock(), waits)
    with pytest.raises(type, match=words) as raised:
        run_rights_role(worker, service, 600, threading.Event(), waits)
    assert isinstance(raised.value, Unavailable)
    assert "12345678901" not in str(raised.value)


@pytest.mark.parametrize("error", [InputError("the topic is shorter"), ValueError("a bug")])
def test_what_is_final_ends_a_role_and_wakes_who_waits(error: Exception) -> None:
    """No loop over what repeating does not mend."""
    wake = threading.Event()

    def run(_: threading.Event) -> None:
        raise error

    role = Background("tagger", run, wake, pauses=(0.01,))
    role.start()
    assert wake.wait(20)
    with pytest.raises(type(error)):
        raise_first([role])


def test_a_role_that_ends_without_a_word_is_a_fault(tmp_path: Path) -> None:
    """It was to run until it is asked to end: an instance without it would look whole."""
    wake = threading.Event()
    role = Background("rights", lambda _: None, wake)
    role.start()
    assert wake.wait(20)
    with pytest.raises(InnsynError, match="rights ended without being asked to"):
        raise_first([role])


def test_a_role_ends_while_it_waits_to_be_started_again() -> None:
    """Stopping does not wait for a long pause to be over."""
    began = threading.Event()

    def run(_: threading.Event) -> None:
        began.set()
        raise Unavailable("away")

    role = Background("rights", run, threading.Event(), pauses=(600.0,))
    role.start()
    assert began.wait(20)
    role.stop()
    assert not role.alive
    raise_first([role])


def test_a_broker_that_is_away_is_said_once() -> None:
    """The broker's own part says it; that nobody can say who reads is no second problem."""

    def away() -> Sequence[str]:
        raise BrokerUnavailable("no broker")

    assert unread_problems(away, "innsyn-tagger") == ()


def test_a_broker_that_is_away_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and mend, no library's text."""
    monkeypatch.setattr("streams.kafka.groups._TIMEOUT", 0.2)
    with pytest.raises(
        BrokerUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer while being looked at"
    ):
        reach(Connection("127.0.0.1:1"))


def test_a_disk_that_fills_is_said_before_writing_stops(tmp_path: Path) -> None:
    """Once for each file system; a folder that is not there yet is none."""
    folders = [tmp_path, tmp_path, tmp_path / "later"]
    assert space_problems(folders, 0) == []
    (line,) = space_problems(folders, 10**9)
    assert "MiB are free where" in line
    assert "INNSYN_DISK_RESERVE_MB" in line


@pytest.mark.parametrize(
    ("limit", "used", "words"),
    [(256, 10, "256 open files are allowed, 840"), (20_000, 19_000, "19,000 of 20,000"), (20_000, 400, None)],
)
def test_too_few_files_are_said(limit: int, used: int, words: str | None) -> None:
    """A limit below what the topics need, and one that is nearly reached."""
    found = files(limit, 840, used)
    assert (not found) if words is None else found[0].startswith(words)


class Lost:
    """A broker that swallows what it is sent, or does not: `away` says which."""

    def __init__(self) -> None:
        self.away = True
        self.sent: list[str] = []

    def __call__(self, topic: str, message: bytes, key: bytes) -> None:
        if self.away:
            raise BrokerUnavailable("Kafka does not answer")
        self.sent.append(topic)


def test_a_request_recorded_while_kafka_is_away_says_that_nobody_shall_ask_again(tmp_path: Path) -> None:
    """201 with its id and the sentence, where it was 503: whoever asked again made a second request."""
    send = Lost()
    keyring, index = Keyring(tmp_path).made(), MemoryIndex()
    fill(index, keyring)
    service = rights(index, keyring, send=send)
    app = create_app(services(tmp_path, rights=service))
    body = {"type": "access", "identifiers": [{"kind": "email", "value": EMAIL}]}
    with httpx.Client(
        transport=InProcess(app), base_url="http://innsyn", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        made = client.post("/v1/requests", json=body)
        assert made.status_code == 201
        found = made.json()
        assert found["notice"].startswith(f"recorded as {found['request_id']}, which goes on by itself")
        assert "do not ask again" in found["notice"]
        (known,) = client.get("/v1/requests").json()["items"]
        assert known["request_id"] == found["request_id"]
        send.away = False
        service.resume()
        assert client.get(f"/v1/requests/{found['request_id']}").json()["state"] == "completed"


@pytest.mark.parametrize(
    ("written", "readable", "words"),
    [
        (True, True, None),
        (
            True,
            False,
            "may be recorded as r-0101010101010101: look at `innsyn requests` before you ask again",
        ),
        (False, True, "the index is away"),
    ],
)
def test_an_index_that_fails_while_a_request_is_recorded_leaves_nobody_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool, readable: bool, words: str | None
) -> None:
    """The write was done but its answer lost; the same, and nobody can look; it was not done."""
    keyring, index = Keyring(tmp_path), MemoryIndex()
    append, events = MemoryRequests.append, MemoryRequests.events
    failing = threading.Event()

    def loses(self: MemoryRequests, *event: Any) -> bool:
        if event[2] != "received":
            return append(self, *event)
        if written:
            append(self, *event)
        if not readable:
            failing.set()
        raise IndexUnavailable("the index is away")

    def reads(self: MemoryRequests, request_id: str) -> Any:
        if failing.is_set():
            raise IndexUnavailable("the index is away")
        return events(self, request_id)

    monkeypatch.setattr(MemoryRequests, "append", loses)
    monkeypatch.setattr(MemoryRequests, "events", reads)
    service = rights(index, keyring)

    def create() -> RequestState:
        return service.create("access", [("email", EMAIL)], reason=None, channel="api", received_at=NOW)

    if words is None:
        assert create().state.value == "received"
        return
    with pytest.raises(Unavailable) as raised:
        create()
    assert words in str(raised.value)


def test_a_command_that_got_no_answer_says_where_to_look_first() -> None:
    """A time-out of a request that may be recorded; one that never reached anybody is only not there."""

    def failing(error: Exception) -> str:
        def respond(_: httpx.Request) -> httpx.Response:
            raise error

        client = Client(ApiAddress("http://innsyn", TOKEN), transport=httpx.MockTransport(respond))
        with pytest.raises(Unavailable) as raised:
            client.create_request({})
        return str(raised.value)

    assert "may be recorded; look at `innsyn requests` before you ask again" in failing(httpx.ReadTimeout(""))
    assert "may be recorded" in failing(httpx.RemoteProtocolError(""))
    assert "may be recorded" not in failing(httpx.ConnectError(""))


class Kafka:
    """A broker of the keeper: it ends when the test says so, and comes back unless it cannot."""

    def __init__(self) -> None:
        self.ended: str | None = None
        self.fails = 0
        self.restarted = threading.Event()

    def restart(self, give_up: Callable[[], bool]) -> None:
        if self.fails:
            self.fails -= 1
            raise BrokerUnavailable("Kafka could not start (No space left on device)")
        self.ended = None
        self.restarted.set()


def kept(
    kafka: Kafka, answers: Callable[[], object], hung_seconds: float = 60.0
) -> tuple[Keeper, Background]:
    """The keeper at work on it."""
    keeper = Keeper(kafka, answers, pauses=(0.0, 0.01), look_seconds=0.005, hung_seconds=hung_seconds)
    role = Background("kafka", keeper.run, threading.Event())
    role.start()
    return keeper, role


def test_a_broker_that_was_killed_is_started_again_also_once_there_is_space() -> None:
    """Tried again and again with the reason of the last try; well again without a hand."""
    kafka = Kafka()
    keeper, role = kept(kafka, list)
    kafka.fails, kafka.ended = 5, "Kafka was killed by signal 9"
    await_that(lambda: any("No space left" in line for line in keeper.problems()), "the reason is told")
    assert kafka.restarted.wait(20)
    await_that(lambda: not keeper.problems(), "it is well again")
    role.stop()
    raise_first([role])


def test_a_broker_that_hangs_is_started_again() -> None:
    """Its process is there, but it does not answer: as long as that may pass by itself it is left alone."""
    kafka, hangs = Kafka(), threading.Event()

    def answers() -> None:
        if hangs.is_set() and not kafka.restarted.is_set():
            raise BrokerUnavailable("no answer")

    _, role = kept(kafka, answers, hung_seconds=0.05)
    hangs.set()
    assert kafka.restarted.wait(20)
    role.stop()


def test_a_keeper_ends_although_its_broker_never_comes_back() -> None:
    """Stopping waits for no pause and no try."""
    kafka = Kafka()
    kafka.fails, kafka.ended = 10**9, "Kafka ended with status 1"
    keeper, role = kept(kafka, list)
    await_that(lambda: bool(keeper.problems()), "it is noticed")
    role.stop()
    assert not role.alive


ENDING = """
import re, signal, sys, threading
from console.wiring.processes import until_signal
from console.wiring.ending import Ending

def engine():
    # A library that never gives the interpreter back.
    re.match(r"(a|aa)+$", "a" * 60 + "b")

ending = Ending(lambda: ["tagger", "api"], lambda: print("last", flush=True), seconds=0.3)
stop = until_signal(ending.arm)
ending.after(stop)
threading.Thread(target=threading.Event().wait).start()
print("up", flush=True)
if sys.argv[1] == "before":
    threading.Timer(0.05, engine).start()
stop.wait()
if sys.argv[1] == "after":
    engine()
"""


@pytest.mark.parametrize(
    ("engine", "status"),
    [("never", 1), ("after", 1), ("before", -signal.SIGKILL)],
    ids=["a thread never ends", "a library holds the interpreter", "it held it before the signal came"],
)
def test_sigterm_ends_the_process_whatever_hangs_in_it(engine: str, status: int) -> None:
    """With a sentence of what was left, as far as anything of ours still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDING, engine],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            if engine == "before":
                await_that(lambda: _holds(process.pid), "the library is at it")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == status
    if engine == "never":
        assert out == "last\n"
        assert err.startswith(
            "innsyn: ended by force after 0 s, because this had not ended: tagger, api; nothing"
        )


def _holds(pid: int) -> bool:
    """Whether a process has been busy for more than a moment since it said that it was up."""
    shown = subprocess.run(
        ["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return float(shown.stdout) >= 1


def test_what_ends_a_thread_shows_no_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints a traceback with the text of the error, which may quote somebody's identifier."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.delenv("INNSYN_LOG_LEVEL", raising=False)
    quiet_threads()

    def breaks() -> None:
        raise ValueError("kari.nordmann@example.no")

    thread = threading.Thread(target=breaks, name="somebody's")
    thread.start()
    thread.join()
    said = capsys.readouterr().err
    assert said.startswith("innsyn: somebody's ended (ValueError")
    assert "kari" not in said
    assert "Traceback" not in said


def test_a_full_disk_is_said_and_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that could not write says why, whatever it was."""

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert main._ended(full) == 2
    assert capsys.readouterr().err == (
        "innsyn: nothing more can be written (No space left on device); free some space, then repeat\n"
    )


def test_a_producer_that_kafka_refuses_for_good_is_made_anew() -> None:
    """librdkafka's fatal errors end one producer for ever; what is sent after one was told arrives."""
    with InProcessBroker() as broker, EventProducer(broker.connection, linger_ms=0) as producer:
        producer._failed = KafkaError(KafkaError._FATAL, "out of order", fatal=True), "web.visits"
        with pytest.raises(BrokerUnavailable):
            producer.send("web.visits", b"lost")
        producer.send("web.visits", b"kept")
        producer.flush()
