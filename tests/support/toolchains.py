"""What programs of others the tests run, fetched once by the lock files of `tests/producers`, `tests/queries`
and `tests/postgresql`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from schemas.errors import BrokerUnavailable
from streams.kafka.brokers.java import find_java, first_error, unlike
from streams.kafka.brokers.local import LocalBroker

LOCKS = Path(__file__).parents[1] / "producers"
QUERIES = Path(__file__).parents[1] / "queries"
_OLDEST_NODE = (20, 19, 4)


def java() -> tuple[Path, Path]:
    """Java, and the folder with the jars of the pom. Where one is missing: skips, or fails where Kafka is required."""
    try:
        found = find_java()
    except BrokerUnavailable as error:
        _without(str(error))
    return found, _jars("java", LOCKS)


def broker_of_its_own() -> None:
    """What a broker of a test's own needs. Without Java or Maven: skips, or fails where Kafka is required."""
    try:
        LocalBroker.prepare()
    except BrokerUnavailable as error:
        _without(str(error))


def postgresql_jar() -> Path:
    """The jar with PostgreSQL's programs for Linux. Where Maven is missing: skips, or fails where Kafka is required."""
    return next(_jars("postgresql", LOCKS.parent / "postgresql").iterdir())


def _jars(what: str, locks: Path) -> Path:
    """The folder with the jars of a pom."""
    maven = shutil.which("mvn")
    if maven is None:
        _without("there is no mvn on PATH: install Maven")
    command = [maven, "-q", "-B", "-f", str(locks / "pom.xml"), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", "-Dstyle.color=never"]
    jars = _fetched(
        what,
        (locks / "pom.xml", locks / "jars.sha256"),
        lambda folder: _run([*command, f"-DoutputDirectory={folder / 'jars'}"]),
    )
    wrong = unlike(jars / "jars", locks / "jars.sha256")
    assert wrong is None, f"{jars}: {wrong}"
    return jars / "jars"


def node(locks: Path = LOCKS) -> tuple[Path, Path]:
    """Node, and a folder with the `node_modules` of the lock file. Skips where there is no Node that is new enough."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("not run: there is no node, or no npm, on PATH")
    version = _run([found, "--version"]).strip().removeprefix("v")
    if tuple(map(int, version.split("."))) < _OLDEST_NODE:
        pytest.skip(f"not run: Node {version} is older than {'.'.join(map(str, _OLDEST_NODE))}")

    def fetch(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(locks / name, folder)
        # No package runs anything when it is installed.
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], folder)

    return Path(found), _fetched("node", (locks / "package.json", locks / "package-lock.json"), fetch)


def _fetched(language: str, locks: tuple[Path, ...], fetch: Callable[[Path], object]) -> Path:
    """The folder of exactly these locks, filled where it is not there. Of two at once the first rename wins."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = cache / "innsyn" / f"producer-{language}-{digest}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            try:
                fetch(made)
            except subprocess.CalledProcessError as error:
                _without(f"what the producer in {language} needs: {first_error(error.stdout + error.stderr)}")
            try:
                made.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
    return target


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True, timeout=300
    )
    return done.stdout


def _without(why: str) -> NoReturn:
    if os.environ.get("INNSYN_REQUIRE_KAFKA") == "1":
        pytest.fail(f"INNSYN_REQUIRE_KAFKA=1, but {why}", pytrace=False)
    pytest.skip(f"not run: {why}")
