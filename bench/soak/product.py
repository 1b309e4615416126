"""`innsyn up` in a folder that can be filled, frozen and killed; what it says of itself is watched all the time."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.product import environment, naming

_EVERY_SECONDS = 0.25


class Product:
    """One installation over all its processes. `restarts` counts the starts after the first."""

    def __init__(self, home: Path, port: int, settings: Mapping[str, str]) -> None:
        self.home, self.port = home, port
        self.output = home.parents[1] / "up.log"
        self.restarts = -1
        self._settings = dict(settings) | {"INNSYN_API_PORT": str(port)}
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.restarts += 1
        with self.output.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.soak.up", "up"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env=environment(self.home, self._settings),
                start_new_session=True,
            )

    def ended(self) -> int | None:
        """Exit status if it is not running."""
        assert self._process is not None
        return self._process.poll()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int, seconds: float) -> float:
        """Send a signal and wait for the end; how long it took. Killed where it takes longer."""
        begun = time.monotonic()
        if self._process is None or self.ended() is not None:
            return 0.0
        self._process.send_signal(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return float("inf")
        return time.monotonic() - begun

    def kill(self) -> None:
        """Kill it, and wait until the broker that it leaves has ended too."""
        self.end(signal.SIGKILL, 10)
        await_that(lambda: not naming(self.home / "kafka"), 30)

    def broker(self) -> int | None:
        """Process id of the broker."""
        found = [pid for pid in naming(self.home / "kafka") if _command(pid).endswith("java")]
        return found[0] if found else None

    def bootstrap(self) -> str:
        return str(json.loads((self.home / "run.json").read_text())["bootstrap"])

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Raises httpx.HTTPError where nothing answers."""
        token = (self.home / "token").read_text().strip()
        return self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    def ready(self) -> bool:
        try:
            told = (self.home / "run.json").exists()
            return told and self.http.get("/readyz", timeout=5.0).status_code == 200
        except httpx.HTTPError:
            return False

    def metric(self, name: str) -> float:
        """Sum over the labels of a counter, of this process alone."""
        lines = self.ask("GET", "/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Sample:
    """What /readyz said at a moment. `status` 0: nothing answered. `seconds` of /healthz, None where it did not."""

    at: float
    status: int
    problems: tuple[str, ...]
    seconds: float | None


@dataclass
class Watch(threading.Thread):
    """Asks /readyz and /healthz four times a second, and how much memory the process has."""

    product: Product
    samples: list[Sample] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(name="watch", daemon=True)
        self._halt = threading.Event()
        self._http = httpx.Client(base_url=self.product.http.base_url, timeout=2.0, trust_env=False)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self._halt.wait(_EVERY_SECONDS):
            self.samples.append(self._sample())
            try:
                self.memory.append((time.monotonic(), self.product.rss_mb()))
            except (OSError, IndexError, ValueError):
                continue

    def finish(self) -> None:
        self._halt.set()
        self.join()

    def turned(self, since: float) -> Sample | None:
        """The first sample after that moment that was not ready."""
        return next((item for item in list(self.samples) if item.at >= since and item.status != 200), None)

    def slowest_ms(self, excluded: list[tuple[float, float]]) -> tuple[float, float]:
        """Median and largest time of /healthz outside the intervals, milliseconds."""
        kept = [
            item.seconds * 1000
            for item in self.samples
            if item.seconds is not None and not any(first <= item.at <= last for first, last in excluded)
        ]
        return (statistics.median(kept), max(kept)) if kept else (0.0, 0.0)

    def _sample(self) -> Sample:
        at, seconds = time.monotonic(), None
        try:
            self._http.get("/healthz")
            seconds = time.monotonic() - at
            answer = self._http.get("/readyz")
            return Sample(at, answer.status_code, tuple(answer.json().get("problems", ())), seconds)
        except (httpx.HTTPError, ValueError):
            return Sample(at, 0, (), seconds)


def await_that(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
