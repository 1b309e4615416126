"""Decoding in a process of its own: a body that crashes, hangs or fills the decoder costs that process, and itself."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import DecodeError
from streams.tagging.decode.child import LENGTH, LIMIT, MEMORY, PROCESSOR_SECONDS, plain_value, receive
from streams.tagging.decode.values import Found, Together

GIVEN_UP = "decode_given_up"
"""Bodies of this schema took so long to fail that the next ones are not tried for a while."""
UNAVAILABLE = "decode_unavailable"
"""No child could be started, or it was lost twice."""
_CHILD = "streams.tagging.decode.child"
_BUDGET_SECONDS = 20.0
_PARDON_SECONDS = 600.0
_MOST_SCHEMAS = 1_000
# Signals that a body can be the cause of; after any other end the body is tried once more.
_OF_THE_BODY = (-4, -6, -7, -8, -11)


class Isolated:
    """One child process, made when it is first needed and made anew when it is lost. For several threads."""

    def __init__(self, memory: int = MEMORY, processor_seconds: float = PROCESSOR_SECONDS) -> None:
        """`memory`: bytes that a body may take, beside what the child has at its start."""
        self._limits = [str(memory), str(processor_seconds)]
        # Long beyond what the child allows itself: only one that is stopped or lost takes it.
        self._patience = 10 * processor_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._told: tuple[str, tuple[Any, Any, Any]] | None = None
        self._spent: dict[str, tuple[float, float]] = {}

    def values(self, schema: str, wanted: Sequence[str], body: bytes) -> list[Any]:
        """The values of the fields (dotted) in a body of the schema (JSON text). Raises DecodeError."""
        answer = self._answer(schema, (wanted, None, None), body)
        return [plain_value(value) for value in answer["values"]]

    def found(
        self, schema: str, wanted: Mapping[str, str], paths: Sequence[str], together: Together, body: bytes
    ) -> Found:
        """What a body of the schema says, as `values.found_in` with the places of `paths`. Raises DecodeError."""
        answer = self._answer(schema, (wanted, paths, together), body)
        return Found(answer["values"], Counter(answer["untagged"]), answer["items"])

    def _answer(self, schema: str, asked: tuple[Any, Any, Any], body: bytes) -> dict[str, Any]:
        with self._lock:
            self._check_budget(schema)
            started = time.monotonic()
            answer = self._asked(schema, asked, body)
            if "code" in answer and answer["reason"] != LIMIT and answer["code"] not in _OF_THE_BODY:
                answer = self._asked(schema, asked, body)
            if "code" in answer:
                self._spend(schema, time.monotonic() - started)
        if "reason" in answer:
            raise DecodeError(str(answer["reason"]))
        return answer

    def close(self) -> None:
        """End the child. Safe to repeat; the next body starts another one."""
        with self._lock:
            self._end()

    def _asked(self, schema: str, asked: tuple[Any, Any, Any], body: bytes) -> dict[str, Any]:
        try:
            link = self._linked()
            head = b"" if self._told == (schema, asked) else json.dumps([schema, *asked]).encode()
            self._told = (schema, asked)
            for part in (head, body):
                link.sendall(LENGTH.pack(len(part)) + part)
            content = receive(link)
        # A child that cannot be started, is lost, or does not answer.
        except (OSError, subprocess.SubprocessError):
            content = None
        if content is None:
            self._end()
            return {"reason": UNAVAILABLE, "code": 0}
        answer: dict[str, Any] = json.loads(content)
        if "code" in answer:
            # The worker that knew the schema is gone.
            self._told = None
        return answer

    def _linked(self) -> socket.socket:
        if self._link is None:
            ours, theirs = socket.socketpair()
            ours.settimeout(self._patience)
            # Nothing secret: the child needs no settings.
            known = {name: value for name, value in os.environ.items() if not name.startswith("INNSYN_")}
            known["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
            self._link = ours
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", _CHILD, str(theirs.fileno()), *self._limits],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # What a decoder prints when it fails may hold values.
                    stderr=subprocess.DEVNULL,
                    env=known,
                    start_new_session=True,
                )
            atexit.register(self.close)
        return self._link

    def _end(self) -> None:
        self._told = None
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            # Its worker ends too: it is alone in its group with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None
            atexit.unregister(self.close)

    def _check_budget(self, schema: str) -> None:
        seconds, since = self._spent.get(schema, (0.0, 0.0))
        if seconds < _BUDGET_SECONDS:
            return
        if time.monotonic() - since < _PARDON_SECONDS:
            raise DecodeError(GIVEN_UP)
        del self._spent[schema]

    def _spend(self, schema: str, seconds: float) -> None:
        before, since = self._spent.get(schema, (0.0, time.monotonic()))
        self._spent[schema] = (before + seconds, since)
        while len(self._spent) > _MOST_SCHEMAS:
            del self._spent[next(iter(self._spent))]


ISOLATED = Isolated()
"""The one of this process."""
