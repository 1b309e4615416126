"""A whole `innsyn up` under attack: its broker killed while all goes on, then hung while it is asked to end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.wiring.private import open_to_others
from tests.support.product import Up, innsyn, naming, up
from tests.support.time_bounds import await_that
from tests.support.toolchains import broker_of_its_own

pytestmark = pytest.mark.kafka

ADDRESS = "198.51.100.7"
LINE = '{address} - - [02/Mar/2026:10:00:{second:02} +0100] "GET /{page} HTTP/1.1" 200 1 "-" "curl/8"\n'


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home for a broker of its own, under the umask of somebody careless."""
    broker_of_its_own()
    before = os.umask(0)
    yield tmp_path / "home"
    os.umask(before)
    await_that(lambda: not naming(tmp_path / "home"), "the broker of this home ends")


def visits(running: Up, name: str, events: int) -> None:
    """Send so many visits of the address through `ingest`, and wait until they are in the answer."""
    log = running.home.parent / f"{name}.log"
    log.write_text(
        "".join(LINE.format(address=ADDRESS, second=n % 60, page=f"{name}/{n}") for n in range(events))
    )
    before = running.events({"kind": "ip", "value": ADDRESS})
    done = innsyn(running.home, "ingest", "--format", "combined", str(log))
    assert done.status == 0, done.err
    await_that(
        lambda: running.events({"kind": "ip", "value": ADDRESS}) == before + events,
        f"{name} is in the answer",
    )


def kafka(home: Path) -> int:
    """The process of Kafka itself."""
    (pid,) = [pid for pid in naming(home / "kafka") if b"java" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def problems(running: Up) -> list[str]:
    """What /readyz says."""
    found = running.http.get("/readyz").json()["problems"]
    assert isinstance(found, list)
    return found


def test_a_broker_that_is_killed_or_hangs_ends_nothing(home: Path) -> None:
    """kill -9 of Kafka: readiness turns and comes back, every event is in the answer once. SIGSTOP of Kafka: SIGTERM
    ends all of it, Kafka as well. No file was open to others, no library wrote a line."""
    with up(home) as running:
        visits(running, "before", 20)
        first = kafka(home)
        os.kill(first, signal.SIGKILL)
        await_that(lambda: any("killed by signal 9" in line for line in problems(running)), "it is noticed")
        await_that(lambda: not problems(running), "it is back")
        assert kafka(home) != first
        visits(running, "after", 30)
        assert not list(open_to_others(home))
        os.kill(kafka(home), signal.SIGSTOP)
        made = running.http.post(
            "/v1/requests", json={"type": "access", "identifiers": [{"kind": "ip", "value": ADDRESS}]}
        )
        assert (made.status_code, "do not ask again" in made.json()["notice"]) == (201, True)
        assert running.end(signal.SIGTERM) in (0, 1)
        await_that(lambda: not naming(home), "Kafka is gone as well")
    said = running.output.read_text().splitlines()
    assert {json.loads(line)["event"] for line in said if line.startswith("{")} >= {
        "broker.ended",
        "broker.back",
    }
    ours = ("{", "innsyn", " " * 16, "stopping", str(home))
    assert not [line for line in said if not line.startswith(ours)]
