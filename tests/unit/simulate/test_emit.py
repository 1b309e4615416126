"""Simulated events on their way: to a topic no faster than they are read, to a file, by the command."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path

import pytest

from console.cli.simulate import simulate
from schemas.errors import InputError, Unavailable
from schemas.records import load_records
from streams.simulate.emit import CHUNK, LAG_BOUND, emit, write_ndjson
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import events
from tests.support.simulated import encoded


class Consumer:
    """A sender with a consumer behind it that takes some messages at every look, and the clock of both."""

    def __init__(self, takes: int) -> None:
        self.takes, self.stored, self.consumed, self.most, self.now = takes, 0, 0, 0, 0.0

    def send(self, topic: str, value: bytes | None, *, key: bytes | None = None) -> None:
        self.stored += 1
        self.most = max(self.most, self.stored - self.consumed)

    def flush(self) -> None:
        pass

    def lag(self) -> int:
        self.consumed = min(self.stored, self.consumed + self.takes)
        return self.stored - self.consumed

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_sending_never_outruns_the_consumer(small: list[SimEvent]) -> None:
    """Sending pauses while the lag is over the bound, so that it exceeds it by one chunk at most."""
    slow = Consumer(takes=7)
    counts = emit(small, slow, lag=slow.lag, bound=500, clock=slow.clock, sleep=slow.sleep)
    assert counts.total() == slow.stored == len(small) > 3 * CHUNK
    assert 500 < slow.most <= 500 + CHUNK
    assert slow.now > 0


def test_bound_fits_a_partition_of_the_in_process_broker(small: list[SimEvent]) -> None:
    """Even the largest events, all in one partition, stay below the 5 MiB it keeps."""
    largest = max(len(message) + len(key or b"") for _, key, message in encoded(small))
    framing = 70  # Of a message in a batch of one, roughly.
    assert (largest + framing) * (LAG_BOUND + CHUNK) < 5 * 1024 * 1024


def test_a_dead_consumer_is_reported(small: list[SimEvent]) -> None:
    """A lag that does not shrink within the patience ends the sending with one line."""
    dead = Consumer(takes=0)
    with pytest.raises(Unavailable, match="has not moved for 5 s"):
        emit(small, dead, lag=dead.lag, bound=500, patience=5, clock=dead.clock, sleep=dead.sleep)
    assert dead.stored == CHUNK


def test_rate_is_kept(small: list[SimEvent]) -> None:
    """With a rate, the events take the time they should."""
    paced = Consumer(takes=0)
    emit(small[:5_000], paced, rate=1_000, clock=paced.clock, sleep=paced.sleep)
    assert paced.now == pytest.approx(5.0, abs=0.2)
    with pytest.raises(InputError, match="rate"):
        emit(small, paced, rate=-1)


def test_ndjson_lines_hold_topic_record_and_value(small: list[SimEvent]) -> None:
    """Each line is an object of topic, record and value, with times in ISO 8601."""
    file = io.StringIO()
    counts = write_ndjson(small, file)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len(lines) == counts.total() == len(small)
    for line, item in zip(lines, small, strict=True):
        assert (line["topic"], line["record"]) == (item.topic, item.record)
        time = load_records()[item.record].event_time
        assert datetime.fromisoformat(line["value"][time]) == item.value[time]


def test_command_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--out` writes the same lines each time and reports events per topic as JSON."""
    out = tmp_path / "events.ndjson"

    def write(start: str) -> bytes:
        simulate(customers=10, days=1, seed=5, start=start, out=str(out), as_json=True)
        return out.read_bytes()

    first = write("2026-03-01T00:00:00Z")
    report = json.loads(capsys.readouterr().out)
    assert report["events"] == sum(report["topics"].values()) == first.count(b"\n")
    assert write("2026-03-01T01:00:00+01:00") == first
    assert list(tmp_path.iterdir()) == [out]


def test_command_leaves_faults_out_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--no-faults` the network's reports are those of a plan without faults."""
    for faults in (True, False):
        out = str(tmp_path / f"{faults}.ndjson")
        simulate(customers=30, days=4, topic=["network.assignments"], faults=faults, out=out, as_json=True)
        sent = json.loads(capsys.readouterr().out)["events"]
        assert sent == sum(1 for _ in events(Plan(30, 4, faults=faults), ["network.assignments"]))
    assert (tmp_path / "True.ndjson").read_bytes() != (tmp_path / "False.ndjson").read_bytes()


def test_command_reports_beside_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--out -` standard output holds events alone."""
    simulate(customers=3, days=1, topic=["crm.customers"], out="-")
    captured = capsys.readouterr()
    assert {json.loads(line)["topic"] for line in captured.out.splitlines()} == {"crm.customers"}
    assert "crm.customers" in captured.err


def test_command_names_a_file_it_cannot_write(tmp_path: Path) -> None:
    """A folder that is not there is an input error, and nothing is left behind."""
    with pytest.raises(InputError, match="cannot be written"):
        simulate(customers=1, days=1, out=str(tmp_path / "missing" / "events"))
    assert not list(tmp_path.iterdir())
