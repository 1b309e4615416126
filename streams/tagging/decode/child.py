"""The process that decodes what is not surely harmless: started by `isolated` beside it, it serves one socket.

It forks a worker that decodes under limits of memory and processor time. A body that ends the worker has spoilt
nothing else: the first process, which reads no bodies, says so and forks the next one. This module imports little.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any

from schemas.codec import decode_value
from schemas.errors import DecodeError
from schemas.paths import Node, tree
from streams.tagging.decode.values import found_in

MEMORY = 512 * 1024 * 1024
"""Bytes that a worker may take beside what it has at its start."""
PROCESSOR_SECONDS = 2.0
LIMIT, CRASHED = "decode_limit", "decode_crashed"

LENGTH = struct.Struct("!I")
_OUT_OF_MEMORY = 77
_IN_TIME = (signal.SIGPROF, signal.SIGXCPU)


def main(link: socket.socket, memory: int, seconds: float) -> None:
    """Serve until the other side closes, each body within the limits."""
    # Whoever started it decides when it ends, by closing the socket: a signal to the whole group is not a bad body.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (*_IN_TIME, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # If the machine is short of memory, this process goes before any other.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    gc.freeze()
    while True:
        worker = os.fork()
        if not worker:
            try:
                _limit(memory)
                _serve(link, seconds)
                os._exit(0)
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            except BaseException:  # noqa: BLE001 - the first process tells it
                os._exit(1)
        _, status = os.waitpid(worker, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        spent = code == _OUT_OF_MEMORY or -code in _IN_TIME
        send(link, {"reason": LIMIT if spent else CRASHED, "code": code})


def _limit(memory: int) -> None:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _serve(link: socket.socket, seconds: float) -> None:
    schema: str = ""
    wanted: Any = ()
    places: Node | None = None
    together: Any = None
    while (head := receive(link)) is not None:
        if head:
            schema, wanted, paths, together = json.loads(head)
            places = None if paths is None else tree(paths)
        body = receive(link)
        if body is None:
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            value = decode_value(schema, body)
            answer: dict[str, Any]
            if places is None:
                answer = {"values": [_plain(at(value, name)) for name in wanted]}
            else:
                found = found_in(value, places, wanted, together)
                answer = {"values": found.values, "untagged": found.untagged, "items": found.items}
            del value
        except DecodeError as error:
            if error.reason == LIMIT:
                raise MemoryError from None
            answer = {"reason": error.reason}
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(link, answer)


def _plain(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def plain_value(value: Any) -> Any:
    """What `values` of an answer hold, as decoded."""
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value


def at(value: Any, path: str) -> Any:
    """The value at a dotted path through nested records; None where one of them is null."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def send(link: socket.socket, answer: Any) -> None:
    """Send a JSON value. Raises OSError."""
    content = json.dumps(answer, ensure_ascii=False).encode()
    link.sendall(LENGTH.pack(len(content)) + content)


def receive(link: socket.socket) -> bytes | None:
    """The next message; None where the other side closed. Raises OSError."""
    head = _exactly(link, LENGTH.size)
    return head and _exactly(link, LENGTH.unpack(head)[0])


def _exactly(link: socket.socket, count: int) -> bytes | None:
    content = bytearray()
    while len(content) < count:
        more = link.recv(min(count - len(content), 1 << 20))
        if not more:
            return None
        content += more
    return bytes(content)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]))
