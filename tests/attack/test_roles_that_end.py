"""Roles and threads that end by a fault, or are asked to: what is started again, what is said, what goes on."""

from __future__ import annotations

import asyncio
import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import Mock, create_autospec

import pytest

from console.cli import main
from console.cli.show.logs import quiet_threads
from console.wiring.processes import Background, raise_first
from console.wiring.rights import run_rights_role
from schemas.errors import BrokerUnavailable, Crashed, IndexUnavailable, InnsynError, InputError, Unavailable
from streams.kafka.connection import Connection
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker
from streams.waits import Waits
from tests.support.time_bounds import HANGING_SECONDS, await_that


def test_a_role_that_lost_something_is_started_again_by_itself() -> None:
    """Also the third time; its problem is said meanwhile, and over once it runs."""
    calls: list[int] = []
    wake, running = threading.Event(), threading.Event()

    def run(stop: threading.Event) -> None:
        calls.append(1)
        if len(calls) < 4:
            raise IndexUnavailable("the index did not answer for 300 s")
        running.set()
        stop.wait(HANGING_SECONDS)

    role = Background("tagger", run, wake, pauses=(0.01,), settled=1.0)
    role.start()
    assert running.wait(HANGING_SECONDS)
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
        stop.wait(HANGING_SECONDS)

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
    service, waits = create_autospec(RightsService, instance=True, copies_asked=False), Waits()
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
    assert wake.wait(HANGING_SECONDS)
    with pytest.raises(type(error)):
        raise_first([role])


def test_a_role_that_ends_without_a_word_is_a_fault(tmp_path: Path) -> None:
    """It was to run until it is asked to end: an instance without it would look whole."""
    wake = threading.Event()
    role = Background("rights", lambda _: None, wake)
    role.start()
    assert wake.wait(HANGING_SECONDS)
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
    assert began.wait(HANGING_SECONDS)
    role.stop()
    assert not role.alive
    raise_first([role])


ENDING = """
import atexit, re, signal, sys, threading
from console.wiring.processes import until_signal
from console.wiring.ending import Ending, over

def engine():
    # A library that never gives the interpreter back.
    re.match(r"(a|aa)+$", "a" * 60 + "b")

ending = Ending(lambda: ["tagger", "api"], lambda: print("last", flush=True), seconds=0.3)
stop = until_signal(ending.arm)
ending.after(stop)
threading.Thread(target=threading.Event().wait, daemon=sys.argv[1] == "over").start()
print("up", flush=True)
if sys.argv[1] == "before":
    threading.Timer(0.05, engine).start()
stop.wait()
if sys.argv[1] == "after":
    engine()
if sys.argv[1] == "over":
    # Longer than what there is until the ends by force, of which the later one is a second after the signal.
    atexit.register(threading.Event().wait, 1.5)
    over()
"""


@pytest.mark.parametrize(
    ("engine", "status"),
    [("never", 1), ("after", 1), ("before", -signal.SIGKILL), ("over", 0)],
    ids=[
        "a thread never ends",
        "a library holds the interpreter",
        "it held it before the signal came",
        "all of ours has ended and the interpreter is slow",
    ],
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
            out, err = process.communicate(timeout=HANGING_SECONDS)
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
