"""A PostgreSQL server of a test's own: Debian's binaries, else those of Maven Central, on a loopback port."""

from __future__ import annotations

import io
import lzma
import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.kafka.brokers.properties import free_port
from tests.support.time_bounds import HANGING_SECONDS
from tests.support.toolchains import postgresql_jar

SUPERUSER = "owner"
_DEBIAN = Path("/usr/lib/postgresql")
# What erasure has to reach is looked for byte by byte, so nothing old is kept for speed.
_SETTINGS = {
    "fsync": "on", "wal_recycle": "off", "min_wal_size": "2MB", "max_wal_size": "4MB", "wal_level": "minimal",
    "max_wal_senders": "0", "shared_buffers": "16MB", "autovacuum": "off", "logging_collector": "off",
}  # fmt: skip


class Server:
    """A running server; `dsn` of its superuser, `data` its folder."""

    def __init__(self, programs: Path, data: Path, port: int, user: str | None) -> None:
        self.programs, self.data, self.port, self.user = programs, data, port, user
        self.dsn = f"host=127.0.0.1 port={port} user={SUPERUSER} dbname=postgres"

    def connect(self) -> Any:
        """A connection on which each statement is a transaction."""
        import psycopg

        return psycopg.connect(self.dsn, autocommit=True)


@contextmanager
def server() -> Iterator[Server]:
    """A new cluster, stopped and removed at the end. Skips (fails, if Kafka is required) without binaries."""
    programs = _programs()
    user = "postgres" if os.geteuid() == 0 and _known("postgres") else None
    user = "nobody" if os.geteuid() == 0 and user is None else user
    # A socket's path is short, and the server's user has to reach its folder.
    with tempfile.TemporaryDirectory(prefix="innsyn-postgresql.") as home:
        data = Path(home) / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            entry = pwd.getpwnam(user)
            for path in (Path(home), data):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        port = free_port()
        assert port is not None
        made = Server(programs, data, port, user)
        _run(
            made,
            "initdb",
            "-D",
            str(data),
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--wal-segsize=1",
            "-N",
        )
        with (data / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
            settings.write(
                f"port = {made.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
            )
        _run(made, "pg_ctl", "-D", str(data), "-w", "-l", str(data / "server.log"), "start")
        try:
            yield made
        finally:
            _run(made, "pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


def _run(made: Server, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(made.programs / program), *arguments],
        user=made.user,
        cwd=made.data,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
        timeout=HANGING_SECONDS,
        check=False,
    )
    log = made.data / "server.log"
    assert done.returncode == 0, done.stdout or (log.read_text() if log.exists() else program)


def _programs() -> Path:
    debian = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return unpacked(postgresql_jar())


def unpacked(jar: Path) -> Path:
    """The programs of the jar, beside it. Of two that unpack at once the first rename wins."""
    target = jar.parent / "programs"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=jar.parent) as scratch, zipfile.ZipFile(jar) as archive:
            (name,) = (item for item in archive.namelist() if item.endswith(".txz"))
            packed = io.BytesIO(lzma.decompress(archive.read(name)))
            with tarfile.open(fileobj=packed) as programs:
                programs.extractall(Path(scratch) / "made", filter="tar")
            try:
                (Path(scratch) / "made").rename(target)
            except OSError:
                if not target.is_dir():
                    raise
    return target / "bin"


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
