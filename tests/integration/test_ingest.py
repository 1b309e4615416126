"""From log files to a topic of a real broker, each line exactly once."""

from __future__ import annotations

import gzip
import io
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import BrokerUnavailable, FeedError
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import FEED_HEADER, LINE_HEADER, MARK_HEADER, PART_HEADER, Report
from streams.feeds.run.ingest import ingest
from streams.feeds.run.refused import DeadLetterSender
from streams.feeds.run.source import Source, check_source
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail
from tests.support.company import model_feed
from tests.support.time_bounds import HANGING_SECONDS

pytestmark = pytest.mark.kafka
LINES = 2_000
BAD_LINES = {7, 1_003}


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def feed(kafka_bootstrap: str) -> Feed:
    """combined, on a topic of its own with three partitions."""
    return on_new_topic(kafka_bootstrap, model_feed("combined"))


@pytest.fixture
def source(tmp_path: Path, feed: Feed) -> Source:
    """A gzip file of 2,000 lines, two of them unreadable."""
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress("".join(map(log_line, range(1, LINES + 1))).encode()))
    return check_source(str(file), feed, io.BytesIO())


def new_topic(bootstrap: str, partitions: int) -> str:
    name = f"test.ingest.{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(HANGING_SECONDS)
    return name


def on_new_topic(bootstrap: str, feed: Feed) -> Feed:
    return replace(feed, topic=feed.topic.model_copy(update={"name": new_topic(bootstrap, 3)}))


def log_line(number: int) -> str:
    if number in BAD_LINES:
        return "no log line\n"
    clock = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    return f'192.0.2.{number % 250} - - [02/Mar/2026:{clock} +0100] "GET /{number} HTTP/1.1" 200 1 "-" "curl/8"\n'


class MortalProducer(EventProducer):
    """Dies instead of the send after `life` others, which the broker has by then: acknowledged, in no checkpoint."""

    life = 0

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_ms: int = 0,
        partition: int = -1,
    ) -> None:
        if self.life == 0:
            self.flush()
            raise Killed
        self.life -= 1
        super().send(topic, value, key=key, headers=headers, timestamp_ms=timestamp_ms, partition=partition)


def run(
    bootstrap: str,
    feed: Feed,
    source: Source,
    folder: Path,
    *,
    again: bool = False,
    die_after: int = 10_000,
    aside: DeadLetterSender | None = None,
) -> Report:
    """One `innsyn ingest`; the process ends after `die_after` sends."""
    connection = Connection(bootstrap)
    producer = MortalProducer(connection)
    producer.life = die_after
    with Tail(connection, feed.topic.name) as tail, producer:
        return ingest(source, feed, producer, tail, folder, again=again, batch_lines=300, aside=aside)


def lines_in_topic(bootstrap: str, feed: Feed) -> Counter[int]:
    with Tail(Connection(bootstrap), feed.topic.name) as tail:
        found = map(dict, tail.headers(tail.start_offsets(), tail.end_offsets()))
        return Counter(int(headers[LINE_HEADER] or 0) for headers in found)


def expected(times: int = 1) -> Counter[int]:
    return Counter({number: times for number in range(1, LINES + 1) if number not in BAD_LINES})


def test_every_line_arrives_once_and_a_second_run_sends_nothing(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """A whole run sends all readable lines; the next says that it was done, also under another name."""
    report = run(kafka_bootstrap, feed, source, tmp_path)
    assert (report.read, report.sent, report.sent_now) == (LINES, LINES - 2, LINES - 2)
    assert report.skipped["not_combined"].lines == tuple(sorted(BAD_LINES))
    moved = Path(source.name).rename(tmp_path / "moved.gz")
    again = run(kafka_bootstrap, feed, check_source(str(moved), feed, io.BytesIO()), tmp_path)
    assert again.finished_before
    assert (again.read, again.sent_now, again.skipped) == (LINES, 0, report.skipped)
    assert lines_in_topic(kafka_bootstrap, feed) == expected()


@pytest.mark.parametrize("after", [1, 298, 299, 750, 1_997])
def test_a_killed_run_is_resumed_without_loss_or_repeat(
    after: int, kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """Whatever was acknowledged after the last checkpoint is found in the topic, even by the third run."""
    for _ in range(2):
        with pytest.raises(Killed):
            run(kafka_bootstrap, feed, source, tmp_path, die_after=min(after, 998))
    report = run(kafka_bootstrap, feed, source, tmp_path)
    assert lines_in_topic(kafka_bootstrap, feed) == expected()
    assert (report.read, report.sent) == (LINES, LINES - 2)
    assert report.skipped["not_combined"].lines == tuple(sorted(BAD_LINES))
    assert report.resumed_after + report.found > 0
    assert report.sent_now == LINES - 2 - 2 * min(after, 998)


def test_messages_of_other_feeds_are_not_taken_for_ours(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """Line numbers count only together with the feed's id."""
    with pytest.raises(Killed):
        run(kafka_bootstrap, feed, source, tmp_path, die_after=10)
    with EventProducer(Connection(kafka_bootstrap)) as producer:
        headers = [(FEED_HEADER, b"0" * 16), (LINE_HEADER, b"1500")]
        producer.send(feed.topic.name, b"", headers=headers)
    assert run(kafka_bootstrap, feed, source, tmp_path).found == 10
    assert lines_in_topic(kafka_bootstrap, feed) == expected() + Counter({1_500: 1})


def test_messages_that_say_to_be_ours_leave_no_line_out(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """Under the feed's own id: with the mark of another line, with none, or with no number. They were believed."""
    with pytest.raises(Killed):
        run(kafka_bootstrap, feed, source, tmp_path, die_after=10)
    with Tail(Connection(kafka_bootstrap), feed.topic.name) as tail:
        ours = dict(next(iter(tail.headers(tail.start_offsets(), tail.end_offsets()))))
    line, mark = ours[LINE_HEADER], ours[MARK_HEADER]
    assert line is not None
    forged: list[Any] = [
        [(LINE_HEADER, b"1500")],
        [(LINE_HEADER, b"1501"), (MARK_HEADER, mark)],
        [(LINE_HEADER, line), (PART_HEADER, b"1"), (MARK_HEADER, mark)],
        [(LINE_HEADER, b"15x2"), (MARK_HEADER, mark)],
        [(LINE_HEADER, b"9" * 5_000), (MARK_HEADER, mark)],
        [],
    ]
    with EventProducer(Connection(kafka_bootstrap)) as producer:
        for headers in forged:
            producer.send(feed.topic.name, b"", headers=[(FEED_HEADER, ours[FEED_HEADER] or b""), *headers])
    report = run(kafka_bootstrap, feed, source, tmp_path)
    assert (report.found, report.sent_now) == (10, LINES - 2 - 10)


def test_again_sends_all_once_more_and_can_be_resumed(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """An interrupted --again goes on from where it was, not from what the first run sent."""
    run(kafka_bootstrap, feed, source, tmp_path)
    with pytest.raises(Killed):
        run(kafka_bootstrap, feed, source, tmp_path, again=True, die_after=450)
    report = run(kafka_bootstrap, feed, source, tmp_path)
    assert not report.finished_before
    assert report.sent_now == LINES - 2 - 450
    assert lines_in_topic(kafka_bootstrap, feed) == expected(2)


def test_a_topic_made_anew_is_noticed(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """A finished feed whose messages cannot be in the topic is not called finished."""
    run(kafka_bootstrap, feed, source, tmp_path)
    ((feed_id, known),) = checkpoints.load_all(tmp_path, feed.scope).items()
    beyond = {partition: offset + 1 for partition, offset in known.offsets.items()}
    checkpoints.save(tmp_path, feed_id, known.model_copy(update={"offsets": beyond}))
    with pytest.raises(FeedError, match="was made anew"):
        run(kafka_bootstrap, feed, source, tmp_path)


def test_a_topic_that_lost_the_tail_is_noticed(
    kafka_bootstrap: str, feed: Feed, source: Source, tmp_path: Path
) -> None:
    """When retention took messages after the checkpoint, nobody can tell what was sent: the user decides."""
    with pytest.raises(Killed):
        run(kafka_bootstrap, feed, source, tmp_path, die_after=200)
    with Tail(Connection(kafka_bootstrap), feed.topic.name) as tail:
        ends = [TopicPartition(feed.topic.name, p, offset) for p, offset in tail.end_offsets().items()]
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.delete_records(ends).values():
        future.result(HANGING_SECONDS)
    with pytest.raises(FeedError, match=r"no longer holds what .* after line 0 \(retention\).*--again"):
        run(kafka_bootstrap, feed, source, tmp_path)


def test_standard_input_is_sent_whole_each_time(kafka_bootstrap: str, feed: Feed, tmp_path: Path) -> None:
    """A pipe has no identity: no checkpoint, no headers."""
    text = "".join(map(log_line, range(1, 11))).encode()
    for _ in range(2):
        report = run(kafka_bootstrap, feed, check_source("-", feed, io.BytesIO(text)), tmp_path)
        assert (report.read, report.sent, report.feed_id) == (10, 9, None)
    assert list(tmp_path.iterdir()) == []
    with Tail(Connection(kafka_bootstrap), feed.topic.name) as tail:
        assert [list(h) for h in tail.headers(tail.start_offsets(), tail.end_offsets())] == [[]] * 18


@pytest.fixture
def nowhere() -> Connection:
    return Connection("127.0.0.1:1")


def test_a_missing_broker_and_a_missing_topic_say_so(kafka_bootstrap: str, nowhere: Connection) -> None:
    """Both are one line with what to do."""
    with pytest.raises(BrokerUnavailable, match=r"has no topic test\.nowhere; `innsyn up`"):
        Tail(Connection(kafka_bootstrap), "test.nowhere")
    with pytest.raises(BrokerUnavailable, match="does not answer while looking for topics"):
        Tail(nowhere, "web.visits", timeout_seconds=0.5)


def session(number: int) -> str:
    """A record of nine lines with two events; every 40th is refused."""
    prefix = "2001:db8::/200" if number % 40 == 0 else f"2001:db8:{number:x}::/56"
    attributes = (
        "Acct-Status-Type = Start", f'User-Name = "nk{number}"', f'Acct-Session-Id = "{number:08X}"',
        "NAS-IP-Address = 192.0.2.1", f"Framed-IP-Address = 198.18.{number // 250}.{number % 250}",
        f"Delegated-IPv6-Prefix = {prefix}", f"Framed-IPv6-Prefix = 2001:db8:ffff:{number:x}::/64",
    )  # fmt: skip
    return "\n\t".join(("Mon Mar  2 09:00:00 2026", *attributes)) + "\n\n"


SESSIONS = range(1, 401)


def test_records_of_several_lines_and_events_survive_kills(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Killed between the two events of a record too: both are there once."""
    feed = on_new_topic(kafka_bootstrap, model_feed("radius-detail"))
    file = tmp_path / "detail.gz"
    file.write_bytes(gzip.compress("".join(map(session, SESSIONS)).encode()))
    source = check_source(str(file), feed, io.BytesIO())
    for after in (101, 1, 350):
        with pytest.raises(Killed):
            run(kafka_bootstrap, feed, source, tmp_path / "ingest", die_after=after)
    report = run(kafka_bootstrap, feed, source, tmp_path / "ingest")
    assert (report.read, report.sent, report.skipped["bad_prefix"].count) == (400, 780, 10)
    with Tail(Connection(kafka_bootstrap), feed.topic.name) as tail:
        found = map(dict, tail.headers(tail.start_offsets(), tail.end_offsets()))
        places = Counter((int(item[LINE_HEADER] or 0), int(item.get(PART_HEADER) or 0)) for item in found)
    lines = [9 * (number - 1) + 1 for number in SESSIONS if number % 40]
    assert places == Counter((line, part) for line in lines for part in (0, 1))
