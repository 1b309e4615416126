"""What is done to the product in the soak. Each fault is put in and taken away; then all must go on by itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from bench.soak.load import VISITS, Load
from bench.soak.product import Product, await_that

MOST_PARTITIONS = 18
POISON = 40
HALF_OPEN = 600


@dataclass(frozen=True)
class Place:
    """Where the product lives: a file system of its own where the machine lets us make one, else a folder."""

    folder: Path
    mounted: bool

    @classmethod
    def make(cls, folder: Path, megabytes: int) -> Place:
        folder.mkdir(parents=True)
        image = folder.parent / "disk.img"
        try:
            with image.open("wb") as file:
                file.truncate(megabytes * 2**20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            image.unlink(missing_ok=True)
            return cls(folder, False)
        return cls(folder, True)

    def leave(self) -> None:
        """Processes that wrote there must have ended, and need a moment for it."""
        if self.mounted:
            umount = ["umount", str(self.folder)]
            await_that(lambda: subprocess.run(umount, check=False, capture_output=True).returncode == 0, 30)
            (self.folder.parent / "disk.img").unlink()


@dataclass(frozen=True)
class Fault:
    """`noticed`: seconds within which /readyz has to turn; None: it need not. `gone`: it may not answer meanwhile."""

    name: str
    strike: Callable[[], None]
    noticed: float | None = None
    gone: bool = False


class Faults:
    """Everything that can be done on this machine. `missing` says what cannot, and why."""

    def __init__(self, product: Product, load: Load, place: Place, clock: Path) -> None:
        self._product, self._load, self._place, self._clock = product, load, place, clock
        self.partitions = 6
        self.ends: list[float] = []
        self.missing: list[str] = []

    def all(self) -> list[Fault]:
        """Those that this machine allows."""
        found = [
            Fault("broker killed", self._broker_killed, noticed=10.0),
            Fault("broker stopped for 15 s", self._broker_stopped, noticed=15.0),
            Fault("process killed", self._killed, noticed=2.0, gone=True),
            Fault("process told to end", self._told_to_end, noticed=2.0, gone=True),
            Fault("process stopped for 4 s", self._stopped, gone=True),
            Fault("poison sent", lambda: self._load.spoil(POISON)),
            Fault("partitions added", self._partitions_added),
            Fault("half-open connections", self._half_open),
            Fault("clock moved 90 s ahead", lambda: self._moved(90)),
            Fault("clock moved 90 s back", lambda: self._moved(-90)),
        ]
        if self._place.mounted:
            found.append(Fault("disk filled for 10 s", self._filled, noticed=10.0))
            found.append(Fault("disk frozen for 6 s", self._frozen, gone=True))
        else:
            self.missing.append("disk filled, disk frozen: no file system of our own can be mounted here")
        return found

    def _broker_killed(self) -> None:
        if (pid := self._product.broker()) is not None:
            os.kill(pid, signal.SIGKILL)

    def _broker_stopped(self) -> None:
        if (pid := self._product.broker()) is None:
            return
        os.kill(pid, signal.SIGSTOP)
        time.sleep(15)
        # It may have been ended and started anew meanwhile: that too is an answer.
        if self._product.broker() == pid:
            os.kill(pid, signal.SIGCONT)

    def _killed(self) -> None:
        self._product.kill()
        self._product.start()

    def _told_to_end(self) -> None:
        self.ends.append(self._product.end(signal.SIGTERM, 60))
        self._product.start()

    def _stopped(self) -> None:
        self._product.signal(signal.SIGSTOP)
        time.sleep(4)
        self._product.signal(signal.SIGCONT)

    def _partitions_added(self) -> None:
        if self.partitions < MOST_PARTITIONS:
            admin = AdminClient({"bootstrap.servers": self._product.bootstrap(), "log_level": 0})
            for future in admin.create_partitions([NewPartitions(VISITS, self.partitions + 2)]).values():
                future.result(10)
            self.partitions += 2

    def _half_open(self) -> None:
        opened = []
        for _ in range(HALF_OPEN):
            try:
                connection = socket.create_connection(("127.0.0.1", self._product.port), 1.0)
                connection.sendall(b"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Le")
                opened.append(connection)
            except OSError:
                break
        time.sleep(5)
        for connection in opened:
            connection.close()

    def _filled(self) -> None:
        filler = self._place.folder / "filler"
        free = shutil.disk_usage(self._place.folder).free
        with filler.open("wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, free)
            except OSError:
                while free > 4096:
                    free //= 2
                    try:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                    except OSError:
                        continue
        time.sleep(10)
        filler.unlink()

    def _frozen(self) -> None:
        subprocess.run(["fsfreeze", "-f", str(self._place.folder)], check=True)
        time.sleep(6)
        subprocess.run(["fsfreeze", "-u", str(self._place.folder)], check=True)

    def _moved(self, seconds: int) -> None:
        move(self._clock, seconds)
        time.sleep(8)
        move(self._clock, 0)


def move(clock: Path, seconds: int) -> None:
    """Whole or not at all: it is read all the time."""
    fresh = clock.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.replace(clock)


def recovered(product: Product, seconds: float) -> bool:
    """Whether it says that it is ready again; started anew where it ended with a sentence."""

    def well() -> bool:
        return product.ended() is None and product.ready()

    return await_that(well, seconds)
