"""The parts of the local broker that need no Java."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BrokerUnavailable
from streams.kafka.brokers import java
from streams.kafka.brokers.local import LocalBroker
from streams.kafka.brokers.properties import HOST, free_port, server_properties

COPIES_ONE_JAR = (
    'for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done; '
    f'mkdir -p "$d" && : >"$d/kafka_2.13-{java.KAFKA_VERSION}.jar"'
)


def program(folder: Path, name: str, script: str) -> Path:
    """A shell script under that name, to stand on PATH."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH but this folder, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


@pytest.mark.parametrize(
    ("shown", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ('java version "1.8.0_402"', 8),
        ("Picked up JAVA_TOOL_OPTIONS\n" + 'openjdk version "21.0.2" 2024-01-16', 21),
        ("command not found", None),
    ],
)
def test_the_major_version_is_read_from_what_java_prints(shown: str, major: int | None) -> None:
    """Old numbering (1.8), early access builds and lines before the version are understood."""
    assert java.java_major(shown) == major


def test_without_java_the_error_says_to_install_a_jdk(bare: Path) -> None:
    """A machine without Java gets one line that names what is missing."""
    with pytest.raises(
        BrokerUnavailable, match="no java on PATH or in JAVA_HOME: install a JDK 17"
    ) as caught:
        LocalBroker(bare / "home").start()
    assert "\n" not in str(caught.value)


def test_a_java_that_is_too_old_is_named(bare: Path) -> None:
    """Java 11 is refused, with its path, before anything is fetched."""
    old = program(bare, "java", """echo 'openjdk version "11.0.20" 2023-07-18' >&2""")
    with pytest.raises(BrokerUnavailable, match="is Java 11: install a JDK 17") as caught:
        LocalBroker(bare / "home").start()
    assert str(old) in str(caught.value)


def test_java_home_is_preferred_to_path(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME names the Java that is used even where PATH has another."""
    program(bare, "java", """echo 'openjdk version "11.0.20" 2023-07-18' >&2""")
    (tmp_path / "jdk").mkdir()
    chosen = program(tmp_path / "jdk" / "bin", "java", """echo 'openjdk version "21.0.2" 2024-01-16' >&2""")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert java.find_java() == chosen


def test_without_maven_the_error_says_to_install_it(bare: Path) -> None:
    """Java alone is not enough as long as the jars are not in the cache."""
    with pytest.raises(BrokerUnavailable, match="no mvn on PATH: install Maven"):
        java.resolve_jars()


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checksums name one jar, which is empty."""
    file = tmp_path / "jars.sha256"
    name = f"kafka_2.13-{java.KAFKA_VERSION}.jar"
    file.write_text(f"{hashlib.sha256(b'').hexdigest()}  {name}\n")
    monkeypatch.setattr(java, "CHECKSUMS", file)
    return Path(name)


def test_jars_in_the_cache_need_no_maven(bare: Path, locked: Path) -> None:
    """Once resolved, the jars are used as they are."""
    java.jar_folder().mkdir(parents=True)
    (java.jar_folder() / locked).touch()
    assert java.resolve_jars() == java.jar_folder()


def changed(folder: Path, jar: Path) -> None:
    (folder / jar).write_bytes(b"another")


def removed(folder: Path, jar: Path) -> None:
    (folder / jar).unlink()


def added(folder: Path, _: Path) -> None:
    (folder / "more.jar").touch()


@pytest.mark.parametrize("attack", [changed, removed, added])
def test_a_cache_with_other_jars_is_not_run(
    attack: Callable[[Path, Path], None], bare: Path, locked: Path
) -> None:
    """Another content, one that is gone, one more: the sentence names the jar and the folder to remove."""
    folder = java.jar_folder()
    folder.mkdir(parents=True)
    (folder / locked).touch()
    attack(folder, locked)
    with pytest.raises(BrokerUnavailable, match=r"is damaged \(.*jar .*\): remove the folder"):
        java.resolve_jars()


def test_what_maven_fetches_is_held_against_the_checksums(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A jar of the right name with another content, as from a mirror that was broken into, is thrown away."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(bare), "/usr/bin", "/bin")))
    program(bare, "mvn", COPIES_ONE_JAR)
    with pytest.raises(BrokerUnavailable, match="Maven fetched other jars than those of"):
        java.resolve_jars()
    assert list(java.jar_folder().parent.iterdir()) == []


def test_a_maven_that_fails_leaves_no_half_filled_cache(bare: Path) -> None:
    """The error carries Maven's first error line; the next start tries again from nothing."""
    program(bare, "mvn", "echo 'INFO start'; echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(BrokerUnavailable, match=r"Maven could not fetch Kafka .*Could not transfer artifact"):
        java.resolve_jars()
    assert list(java.jar_folder().parent.iterdir()) == []


def test_a_maven_that_fetches_nothing_is_not_believed(bare: Path) -> None:
    """Exit status 0 without Kafka's jar is a failure too."""
    program(bare, "mvn", "exit 0")
    with pytest.raises(BrokerUnavailable, match="nothing was printed"):
        java.resolve_jars()


def test_jars_arrive_under_their_name_at_once(
    bare: Path, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Maven copied stands in the cache folder, and the scratch folder is gone."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(bare), "/usr/bin", "/bin")))
    program(bare, "mvn", COPIES_ONE_JAR)
    folder = java.resolve_jars()
    assert [jar.name for jar in folder.iterdir()] == [f"kafka_2.13-{java.KAFKA_VERSION}.jar"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("a\n12:00 ERROR Kafka$ Exiting\njava.lang.RuntimeException: Stored id 7\n at x", "Stored id 7"),
        ("INFO fine\n[ERROR] Could not transfer\nlast", "Could not transfer"),
        ("first\nToo small maximum heap\n\n", "Too small maximum heap"),
        ("", "nothing was printed"),
        ("x" * 1000, "x" * 200),
    ],
)
def test_the_most_telling_line_is_the_cause(output: str, cause: str) -> None:
    """An exception's message beats a log header, any error beats the last line; never more than a line."""
    found = java.first_error(output)
    assert found.endswith(cause)
    assert "\n" not in found
    assert len(found) <= 200


def test_the_pom_names_the_version_the_code_looks_for() -> None:
    """The version stands in two places; they agree."""
    root = ElementTree.parse(java.RESOURCES / "pom.xml").getroot()
    assert root.findtext("{*}properties/{*}kafka.version") == java.KAFKA_VERSION


@given(st.text())
def test_any_folder_name_survives_the_properties_file(name: str) -> None:
    """A path with letters like æ, backslashes or line ends is one line of ASCII that reads back the same."""
    data = Path("/") / name.replace("/", "_").replace("\0", "_")
    lines = server_properties(1, 2, data).splitlines()
    (value,) = [line.removeprefix("log.dirs=") for line in lines if line.startswith("log.dirs=")]
    assert value.isascii()
    assert json.loads(f'"{value}"') == str(data)


def test_the_broker_listens_on_this_machine_alone() -> None:
    """Every listener is on the loopback address, and messages of 10 MB pass."""
    text = server_properties(19092, 19093, Path("/data"))
    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert settings["listeners"] == f"PLAINTEXT://{HOST}:19092,CONTROLLER://{HOST}:19093"
    assert int(settings["message.max.bytes"]) > 10_000_000
    assert settings["auto.create.topics.enable"] == "false"


def test_a_port_somebody_listens_on_is_not_free() -> None:
    """A taken port is None, the same port is free once its owner is gone."""
    with socket.socket() as owner:
        owner.bind((HOST, 0))
        owner.listen()
        port = owner.getsockname()[1]
        assert free_port(port) is None
    assert free_port(port) == port


def test_a_home_with_a_comma_is_refused(bare: Path, locked: Path) -> None:
    """Kafka would read such a path as two folders."""
    program(bare, "java", """echo 'openjdk version "17.0.1" 2021-10-19' >&2""")
    java.jar_folder().mkdir(parents=True)
    (java.jar_folder() / locked).touch()
    with pytest.raises(BrokerUnavailable, match="comma"):
        LocalBroker(bare / "a,b").start()


def test_a_broker_that_was_not_started_has_neither_address_nor_process(tmp_path: Path) -> None:
    """Asking too early is an error, stopping too early is not."""
    broker = LocalBroker(tmp_path)
    with pytest.raises(BrokerUnavailable):
        broker.bootstrap  # noqa: B018
    with pytest.raises(BrokerUnavailable):
        broker.pid  # noqa: B018
    broker.stop()


def test_a_test_without_the_marker_cannot_leave_this_machine(refused_connections: list[str]) -> None:
    """An attempt fails at once, and is remembered in case the code under test swallowed the failure."""
    with pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 9), timeout=0.1)
    assert refused_connections == ["192.0.2.1"]
    refused_connections.clear()


def test_an_attempt_in_a_thread_is_remembered(refused_connections: list[str]) -> None:
    """A thread cannot fail its test; the attempt does at the end."""

    def attempt() -> None:
        with socket.socket() as probe, pytest.raises(pytest.fail.Exception):
            probe.connect_ex(("198.51.100.7", 9))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert refused_connections == ["198.51.100.7"]
    refused_connections.clear()


def test_the_loopback_address_stays_open() -> None:
    """Local servers can be tested without a marker."""
    with socket.create_server((HOST, 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


SUMMARY = """
import pytest

@pytest.mark.parametrize("name", ["kafka"])
def test_plain(name):
    "A parameter called kafka makes no kafka test."

def test_broker(kafka_bootstrap):
    "Needs the broker."
"""


@pytest.mark.parametrize(
    ("required", "status", "line"),
    [("0", 0, "1 passed, 1 skipped"), ("1", 1, "1 passed, 1 error")],
)
def test_a_missing_broker_is_skipped_or_required(
    bare: Path, tmp_path: Path, required: str, status: int, line: str
) -> None:
    """Without Java a kafka test is skipped with the reason, or fails where it is required; both are counted."""
    root = Path(__file__).parents[3]
    (tmp_path / "conftest.py").write_text((root / "tests" / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(SUMMARY)
    environment = {name: value for name, value in os.environ.items() if name != "INNSYN_TEST_KAFKA"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [*command, "-c", str(root / "pyproject.toml"), str(tmp_path)],
        env=environment | {"INNSYN_REQUIRE_KAFKA": required, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert line in done.stdout
    assert "kafka tests: 0 run, 1 not run" in done.stdout
    assert "no java on PATH or in JAVA_HOME" in done.stdout
