"""One real Apache Kafka broker on this machine: one node, KRaft, loopback only, its data kept in a folder.

    home/broker.json        cluster id and the ports of the last start
    home/server.properties  written at each start
    home/data/              Kafka's log folder
    home/logs/kafka.log     Kafka's own log; kafka.out holds what the virtual machine itself printed

The jars are resolved by Maven once and shared by all homes, under the user's cache folder.
Every reason why there is no broker is a BrokerUnavailable whose message says what to install or do.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import BrokerUnavailable
from streams.kafka.brokers.java import RESOURCES, find_java, first_error, resolve_jars
from streams.kafka.brokers.properties import HOST, free_port, server_properties

# Java waits for one line before it starts, so that it never runs without its watchdog. `exec` keeps the pid.
_GATE = 'read -r _ && exec "$@" </dev/null'
# Ends Kafka when our end of the pipe closes, which the kernel does however we die. PR_SET_PDEATHSIG would not
# do: it fires when the starting *thread* ends, and needs code between fork and exec, unsafe beside threads.
_WATCHDOG = """read -r _
kill -s TERM -- "-$1" || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -s 0 -- "-$1" || exit 0; done
kill -s KILL -- "-$1"
"""


class LocalBroker:
    """A Kafka broker as a child process and context manager: `with LocalBroker(home) as broker: ...`.

    A second start on the same home finds the same topics, at the same port if that is still free. One home
    serves one broker at a time; the broker ends with the process that started it, however that one ends.

    Args: home (folder, made if missing), port (0: the one of last time, else any free one), heap_mb (MiB of
    Java heap), start_seconds and stop_seconds (how long either may take), clock (monotonic seconds), new_id
    (for the cluster id).
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        heap_mb: int = 512,
        start_seconds: float = 60.0,
        stop_seconds: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self.home = home.absolute()
        self._wanted_port, self._heap_mb = port, heap_mb
        self._start_seconds, self._stop_seconds = start_seconds, stop_seconds
        self._clock, self._new_id = clock, new_id
        self._port = 0
        self._kafka: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._log_start = 0
        self._give_up: Callable[[], bool] = lambda: False

    @property
    def bootstrap(self) -> str:
        """host:port for `bootstrap.servers`; raises BrokerUnavailable before the first start."""
        if not self._port:
            raise BrokerUnavailable("the local broker was never started: call start() first")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of Kafka itself; raises BrokerUnavailable while it is not running."""
        if self._kafka is None or self._kafka.poll() is not None:
            raise BrokerUnavailable(f"the local broker is not running: see {self.log_file}")
        return self._kafka.pid

    @property
    def ended(self) -> str | None:
        """How Kafka ended by itself, with what it said last; None: it runs, or was never started."""
        status = self._kafka.poll() if self._kafka is not None else None
        if status is None:
            return None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        said = "" if status < 0 else f": {self._cause()}"
        return f"Kafka {how}, see {self.log_file}{said}"

    @property
    def log_file(self) -> Path:
        """Kafka's own log."""
        return self.home / "logs" / "kafka.log"

    @staticmethod
    def prepare() -> tuple[Path, Path]:
        """Java and the jar folder: all that has to be on the machine. Raises BrokerUnavailable."""
        return find_java(), resolve_jars()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def restart(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """End what is left of Kafka and start it again at the same port, where its clients look for it.

        Raises BrokerUnavailable, and then leaves nothing running.
        """
        self.stop()
        self._wanted_port = self._port
        self.start(give_up)

    def kill(self) -> None:
        """End Kafka at once, whatever it is at; its log is whole at the next start. For the end of the process."""
        if self._kafka is not None and self._kafka.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._kafka.pid, signal.SIGKILL)

    def start(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Start Kafka, return once it answers. Raises BrokerUnavailable, and then leaves nothing running.

        `give_up()` is asked while it waits; once true, the start ends like one that took too long.
        """
        self._give_up = give_up
        if self._kafka is not None:
            raise BrokerUnavailable("this local broker is already started: stop() it first")
        if "," in str(self.home):
            raise BrokerUnavailable(
                "Kafka takes a comma as the end of a folder's name: choose a home without one"
            )
        java, jars = self.prepare()
        deadline = self._clock() + self._start_seconds
        try:
            (self.home / "logs").mkdir(parents=True, exist_ok=True)
            self._take_lock(deadline)
            self._configure(java, jars)
            self._launch(java, jars)
            self._await_answer(deadline)
        except OSError as error:
            self.stop()
            raise BrokerUnavailable(
                f"Kafka cannot be started in {self.home} ({error.strerror or 'no reason given'}); mend that"
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End Kafka: gracefully, by force once stop_seconds are over. Harmless when nothing runs."""
        try:
            if self._kafka is not None:
                self._kafka.terminate()
                try:
                    self._kafka.wait(self._stop_seconds)
                except subprocess.TimeoutExpired:
                    self._kafka.kill()
                    self._kafka.wait()
                self._kafka = None
        finally:
            # Also when interrupted: with its pipe closed the watchdog ends what is left of Kafka.
            self._close_watchdog()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _close_watchdog(self) -> None:
        if self._watchdog is None:
            return
        if self._kafka is None:
            self._watchdog.kill()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        if self._kafka is None:
            self._watchdog.wait()
        self._watchdog = None

    def _take_lock(self, deadline: float) -> None:
        """Hold the home. Kafka inherits the lock, so it is free exactly when we and Kafka are both gone."""
        lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = lock
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if self._clock() >= deadline or self._give_up():
                    raise BrokerUnavailable(
                        f"another broker runs on {self.home}: stop it or choose another home"
                    ) from None
                time.sleep(0.1)

    def _configure(self, java: Path, jars: Path) -> None:
        """Choose the ports, write the configuration, format the storage the first time."""
        notes = self.home / "broker.json"
        known = json.loads(notes.read_text()) if notes.exists() else {}
        if self._wanted_port and free_port(self._wanted_port) is None:
            raise BrokerUnavailable(
                f"port {self._wanted_port} of {HOST} is taken: free it or choose another port"
            )
        self._port = self._wanted_port or free_port(known.get("port", 0)) or free_port() or 0
        controller = free_port(known.get("controller_port", 0))
        if controller in (None, self._port):
            controller = free_port()
        cluster = known.get("cluster_id") or base64.urlsafe_b64encode(self._new_id().bytes).decode().rstrip(
            "="
        )
        state = {"cluster_id": cluster, "port": self._port, "controller_port": controller}
        scratch = notes.with_suffix(".new")
        scratch.write_text(json.dumps(state))
        scratch.replace(notes)
        data = self.home / "data"
        if not data.exists():
            self._format(java, jars, cluster, data)
        (self.home / "server.properties").write_text(server_properties(self._port, controller or 0, data))

    def _format(self, java: Path, jars: Path, cluster: str, data: Path) -> None:
        """Format beside the final place and rename, so that a data folder is always a whole one."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        file = self.home / "format.properties"
        file.write_text(server_properties(1, 2, fresh))
        # It is over before code that is compiled well would have paid for its compilation.
        command = [*self._java(java, jars), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster}", f"--config={file}"]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_environment(), check=False
        )
        if done.returncode != 0:
            raise BrokerUnavailable(
                f"Kafka could not format {fresh} (space, rights?): {first_error(done.stdout + done.stderr)}"
            )
        fresh.rename(data)

    def _java(self, java: Path, jars: Path) -> list[str]:
        # The serial collector needs no threads of its own: for so small a heap it starts faster and uses less.
        flags = [f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
        flags += ["-Djava.awt.headless=true"]
        flags += [f"-Dinnsyn.log={self.log_file}", f"-Dlog4j2.configurationFile={RESOURCES / 'log4j2.xml'}"]
        return [str(java), *flags, "-cp", f"{jars}/*"]

    def _launch(self, java: Path, jars: Path) -> None:
        """Gate, watchdog, go: in this order (see _GATE). Both in sessions of their own, away from ctrl-C."""
        assert self._lock is not None
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        command = [*self._java(java, jars), "kafka.Kafka", str(self.home / "server.properties")]
        with (self.home / "logs" / "kafka.out").open("wb") as out:
            self._kafka = subprocess.Popen(
                ["/bin/sh", "-c", _GATE, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "sh", str(self._kafka.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._kafka.stdin is not None
        with self._kafka.stdin as gate:
            gate.write(b"go\n")

    def _await_answer(self, deadline: float) -> None:
        """Wait until Kafka lists its topics. Raises BrokerUnavailable when it ends first or is too slow."""
        assert self._kafka is not None
        while self._clock() < deadline and not self._give_up():
            status = self._kafka.poll()
            if status is not None:
                raise BrokerUnavailable(
                    f"Kafka ended at start with status {status}, see {self.log_file}: {self._cause()}"
                )
            if _listens(self._port) and _answers(self.bootstrap):
                return
            time.sleep(0.05)
        raise BrokerUnavailable(
            f"Kafka did not answer within {self._start_seconds:.0f} s: see {self.log_file}"
        )

    def _cause(self) -> str:
        """The first error of this run, from what the virtual machine printed or Kafka logged."""
        printed = (self.home / "logs" / "kafka.out").read_bytes()
        logged = self.log_file.read_bytes()[self._log_start :] if self.log_file.exists() else b""
        return first_error((printed + b"\n" + logged).decode(errors="replace"))


def _environment() -> dict[str, str]:
    """Ours, with a locale in which Java can name any folder."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _answers(bootstrap: str) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False
