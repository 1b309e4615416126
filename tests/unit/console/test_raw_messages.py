"""No engine speaks to the user itself: whatever is provoked below a command comes up as one line of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.kafka.brokers.in_process import InProcessBroker
from tests.support.company import model
from tests.support.product import Ended, innsyn
from tests.support.registry_stub import registry_stub
from tests.support.time_bounds import HANGING_SECONDS

# How the engines' own words look: exceptions of ClickHouse, log lines and errors of librdkafka, Python's own.
RAW = re.compile(
    r"Code: \d|DB::|chdb|clickhouse_connect|Http Driver|%\d\||KafkaError|rdkafka|avro\.|fastavro|Traceback|Exception|"
    r"<class|Errno|a bug in innsyn",
    re.IGNORECASE,
)
# The address of an embedded index is a setting, which may be named.
OURS = re.compile(r"ClickHouse\(chdb://[^)]*\)|chdb:///folder|INNSYN_CLICKHOUSE_URL")


def one_line(done: Ended, words: str) -> None:
    """It failed with one line of ours on standard error, which holds the words and nothing raw."""
    assert done.status in (1, 2), done
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert words in line
    assert not RAW.search(OURS.sub("", line)), line


@contextmanager
def index_taken(home: Path) -> Iterator[None]:
    """Another process that has the embedded index of the home open."""
    code = (
        "import os, sys; from sinks.clickhouse.client import ClickHouse\n"
        "os.umask(0o077)\n"
        f"index = ClickHouse('chdb://{home / 'index'}'); index.query('SELECT 1'); print('open', flush=True)\n"
        "sys.stdin.read(); index.close()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield
    finally:
        holder.communicate(timeout=HANGING_SECONDS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    # What others can read is closed with a line of its own.
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


def test_an_index_that_another_process_has_open(home: Path) -> None:
    """Each command that opens it for itself says so before the engine does."""
    with InProcessBroker() as broker, index_taken(home):
        settings = {"INNSYN_KAFKA_BOOTSTRAP": broker.connection.bootstrap}
        for topic in model().tagged:
            broker.make_topic(topic)
        for command in ("tag --replay --until-end", "rights", "migrate", "up --port 0"):
            said = innsyn(home, *command.split(), settings=settings)
            # To wait for an API that answers would not help any of these.
            one_line(said, "another process has the index in")
            assert (
                "this needs the index for itself, and waiting does not help: stop that process first"
                in said.err
            )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/innsyn", "failed while reading (no answer)"),
        ("chdb:///proc/nowhere", "failed while reading ("),
    ],
)
def test_an_index_that_cannot_be_opened(home: Path, url: str, words: str) -> None:
    """A server that is not there, a folder that cannot be."""
    one_line(innsyn(home, "migrate", settings={"INNSYN_CLICKHOUSE_URL": url}), words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"INNSYN_KAFKA_BOOTSTRAP": "127.0.0.1:1"}, "does not answer while listing topics"),
        (
            {
                "INNSYN_KAFKA_BOOTSTRAP": "127.0.0.1:1",
                "INNSYN_KAFKA_SECURITY_PROTOCOL": "SSL",
                "INNSYN_KAFKA_SSL_CA_LOCATION": "/nowhere",
            },
            "the settings of Kafka do not fit together",
        ),
    ],
)
def test_a_broker_that_cannot_be_used(home: Path, settings: dict[str, str], words: str) -> None:
    """Nobody there, security options that the client does not take."""
    one_line(innsyn(home, "tag", settings=settings), words)


def test_schemas_that_the_libraries_refuse(home: Path) -> None:
    """What the Avro packages say of a schema is put into its own words, also where a registry has it."""
    bad = home / "bad.avsc"
    bad.write_text('{"type": "record", "name": "X", "fields": [{"name": "a", "type": {"type": "strng"}}]}')
    one_line(
        innsyn(home, "schema", "check", str(bad)), "X.a: is not valid Avro: it has the unknown type strng"
    )
    one_line(innsyn(home, "schema", "register", "--registry", "http://127.0.0.1:1"), "does not answer")
    with registry_stub() as (url, store):
        store.register("billing.payments-value", '{"type": "record", "name": "Payment", "fields": []}')
        done = innsyn(home, "schema", "register", "--registry", url)
        assert done.status == 1
        assert not RAW.search(done.err), done.err
