"""Tries messages in a process of its own, where one that ends its process ends nothing else.

The process is started afresh, for this one has threads and libraries that do not outlive a fork. It gets what the
tagger has over a pipe, the key included, reads no messages itself, and forks a worker for each attempt: all of them
first, then halves of what ended a worker, down to single ones.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog

from schemas.errors import UnknownSchema, place_of
from schemas.records import RecordSchema
from streams.kafka.batches import Partition, TopicBatch
from streams.tagging.prepare import Preparer

_log = structlog.get_logger(__name__)
# A worker takes some milliseconds; one that does not come to an end takes all of it, for each halving.
_PROCESSOR_SECONDS = 4.0
_PATIENCE_SECONDS = 300.0
_ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OWN_END = (signal.SIGPROF, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)


@dataclass(frozen=True)
class Known:
    """Resolves the prefixes it knows: whoever tries messages asks nobody and waits for nobody."""

    records: Mapping[bytes, RecordSchema]

    def __call__(self, prefix: bytes, _: str) -> RecordSchema:
        if prefix not in self.records:
            raise UnknownSchema("unknown_schema", "it was unknown before")
        return self.records[prefix]


def fatal_among(
    preparer: Preparer,
    records: Mapping[bytes, RecordSchema],
    batch: TopicBatch,
    epochs: Mapping[Partition, int],
    now: datetime,
    alive: Callable[[], None] = lambda: None,
) -> list[int]:
    """Positions of the messages that end a process each by itself, twice. None also where it cannot be tried.

    `records`: the writer schemas by framing prefix. `alive` is called every second; what it raises ends the attempt.
    """
    try:
        content = _pickled((preparer.anew(Known(records)), batch, dict(epochs), now))
    except Exception as error:  # noqa: BLE001 - a plug-in that cannot be pickled raises what it likes
        return _untried(error)
    try:
        answer = _asked(content, alive)
    except (OSError, subprocess.SubprocessError) as error:
        return _untried(error)
    return [int(at) for at in answer.split()]


def _untried(error: Exception) -> list[int]:
    _log.warning("trial.failed", error=place_of(error), meaning="messages are read one at a time")
    return []


def _read_only(items: dict[Any, Any]) -> Mapping[Any, Any]:
    # The type has no name that it could be pickled by.
    return MappingProxyType(items)


def _pickled(what: object) -> bytes:
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    # Schemas are full of these, and only these keep them from being pickled.
    pickler.dispatch_table = copyreg.dispatch_table | {
        MappingProxyType: lambda item: (_read_only, (dict(item),))
    }
    pickler.dump(what)
    return file.getvalue()


def _asked(content: bytes, alive: Callable[[], None]) -> bytes:
    known = {name: value for name, value in os.environ.items() if not name.startswith("INNSYN_")}
    known["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    given: bytes | None = content
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # What a library prints when it fails may hold values.
        stderr=subprocess.DEVNULL,
        env=known,
        start_new_session=True,
    ) as process:
        try:
            while process.returncode is None:
                alive()
                try:
                    answer, _ = process.communicate(given, timeout=1)
                except subprocess.TimeoutExpired:
                    given = None
                    if time.monotonic() > deadline:
                        raise
        finally:
            if process.poll() is None:
                # Its worker too: it is alone in its group with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, __name__)
    return answer


def main() -> None:
    """Read what is to be tried, and write the positions of what is fatal."""
    for number in _ASKED_TO_END:
        signal.signal(number, signal.SIG_IGN)
    for number in _OWN_END:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # If the machine is short of memory, this process goes before any other.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    preparer, batch, epochs, now = pickle.load(sys.stdin.buffer)
    found = _fatal(lambda part: _ends(preparer, part, epochs, now), batch)
    sys.stdout.write(" ".join(map(str, found)))


def _fatal(ends: Callable[[TopicBatch], bool], batch: TopicBatch) -> Iterator[int]:
    waiting = [slice(0, len(batch.values))]
    started_by = os.getppid()
    while waiting and os.getppid() == started_by:
        chosen = waiting.pop()
        part = replace(
            batch,
            values=batch.values[chosen],
            partition=batch.partition[chosen],
            offset=batch.offset[chosen],
        )
        if not ends(part):
            continue
        middle = (chosen.start + chosen.stop) // 2
        if middle > chosen.start:
            waiting += [slice(middle, chosen.stop), slice(chosen.start, middle)]
        # A worker may end over something else than its message: over that alone it does not end twice.
        elif ends(part):
            yield chosen.start


def _ends(preparer: Preparer, part: TopicBatch, epochs: Mapping[Partition, int], now: datetime) -> bool:
    """Whether a process ends over these. An error that Python catches is no end."""
    worker = os.fork()
    if not worker:
        # What is logged is no answer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.setitimer(signal.ITIMER_PROF, _PROCESSOR_SECONDS)
        with contextlib.suppress(BaseException):
            preparer.prepare([part], (), epochs, now)
        os._exit(0)
    _, status = os.waitpid(worker, 0)
    return status != 0


if __name__ == "__main__":
    main()
