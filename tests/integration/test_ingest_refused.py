"""Records of a feed that cannot be read, from the source to the index, over a real broker."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.errors import IndexUnavailable
from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import Clock, LineageBatch
from streams.feeds.run import refused
from streams.feeds.run.refused import DeadLetterSender, index_feed_dead_letters
from streams.feeds.run.source import check_source
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters, DeadMessage
from streams.kafka.producer import EventProducer
from tests.integration.test_ingest import new_topic, on_new_topic, run, session
from tests.support.company import model_feed
from tests.support.time_bounds import HANGING_SECONDS

pytestmark = pytest.mark.kafka


class FailingOnce(MemoryIndex):
    """Is away the first time it is written to."""

    failed = False

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        if not self.failed:
            self.failed = True
            raise IndexUnavailable("the index is away for a moment")
        super().write(batch, clock)


def test_refused_records_reach_the_index_under_their_feed_and_line(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent twice they are one entry each; a tagger's letters are left alone; an index that is away is waited for."""
    dead = new_topic(kafka_bootstrap, 1)
    monkeypatch.setattr(refused, "TOPIC", dead)
    monkeypatch.setattr(refused, "GROUP", dead)
    monkeypatch.setattr(refused, "_RETRY_SECONDS", 0.01)
    feed = on_new_topic(kafka_bootstrap, model_feed("radius-detail"))
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    connection = Connection(kafka_bootstrap)
    with EventProducer(connection) as producer:
        topics = {feed.topic.name: dead, "web.visits": dead}
        letters = DeadLetters(
            producer, Keyring(tmp_path / "keys").made(), load_records()["DeadLetter"], topics
        )
        letters.send([DeadMessage(DeadRow("web.visits", 0, 7, "truncated", "c301", 1, now), b"x")])
        file = tmp_path / "detail"
        file.write_text("".join(map(session, range(30, 131))))
        source = check_source(str(file), feed, io.BytesIO())
        for _ in range(2):
            report = run(
                kafka_bootstrap,
                feed,
                source,
                tmp_path,
                again=True,
                aside=DeadLetterSender(letters, lambda: now),
            )
    index, stop = FailingOnce(), threading.Event()
    expected = {
        (report.label, 0, line): DeadRow(
            report.label, 0, line, "bad_prefix", "", len(session(number)) - 2, now
        )
        for number, line in ((40, 91), (80, 451), (120, 811))
    }
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(index_feed_dead_letters, connection, index, stop)
        try:
            wait_for(lambda: len(index.dead) >= len(expected))
        finally:
            stop.set()
        following.result(HANGING_SECONDS)
    assert index.dead == expected
    assert report.label.startswith("radius-detail:")


def wait_for(happened: Callable[[], bool], seconds: float = HANGING_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)
