"""Topics that change under the tagger: deleted and made anew, longer or shorter than before; given more partitions."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from schemas.errors import InputError
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Filter, Span
from sinks.ports.offsets import PARTITIONS, History, going_on, in_kafka
from streams.kafka import fetching, membership
from streams.kafka.follow import messages_of
from streams.tagging import logs
from streams.tagging.behind import Behind, Stuck, Waiting
from tests.support.kinds import IP
from tests.support.tagging import (
    Running,
    Source,
    in_process_broker,
    real_broker,
    single_object,
    to_the_end,
    visit,
)
from tests.support.time_bounds import HANGING_SECONDS, await_that

ADDRESS, OTHER = "192.0.2.7", "192.0.2.8"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys").made()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every 15 seconds is looked at every half."""
    monkeypatch.setattr(fetching, "_REFRESH_MS", 500)
    monkeypatch.setattr(membership, "_CALM_SECONDS", 0.5)
    monkeypatch.setattr(logs, "_ALL_SECONDS", 0.5)


def admin(source: Source) -> AdminClient:
    return AdminClient({"bootstrap.servers": source.broker.connection.bootstrap})


def make_anew(source: Source, partitions: int = 2) -> None:
    """Delete the topic and make it again, as soon as the broker lets us."""
    client = admin(source)
    client.delete_topics([source.name])[source.name].result(HANGING_SECONDS)

    def made() -> bool:
        try:
            client.create_topics([NewTopic(source.name, partitions, 1)])[source.name].result(HANGING_SECONDS)
        except Exception as error:
            if "TOPIC_ALREADY_EXISTS" not in str(error):
                raise
            return False
        return True

    await_that(made, "the topic is made anew")


def send(source: Source, count: int, address: str, first: int = 0) -> None:
    frame = single_object()
    source.send((number % 2, frame(visit(first + number, address))) for number in range(count))


def events(index: MemoryIndex, keyring: Keyring, address: str) -> int:
    token = keyring.tokenizer().token(IP, address)
    return index.find([Span(token)], Filter()).total_events


@pytest.mark.parametrize(
    ("running", "after"),
    [
        pytest.param(True, 1_200, id="under a tagger, longer than what was read"),
        pytest.param(True, 250, id="under a tagger, as long"),
        pytest.param(True, 0, id="under a tagger, empty and filled later"),
        pytest.param(False, 1_200, id="while none runs, longer than what was read"),
        pytest.param(False, 20, id="while none runs, shorter"),
    ],
)
def test_a_topic_that_is_made_anew_is_read_from_its_beginning(
    kafka_bootstrap: str, keyring: Keyring, often: None, running: bool, after: int
) -> None:
    """Every event of both is in the answers once: offsets that were read are not taken for read in the new topic."""
    source, index, before = real_broker(kafka_bootstrap).source(), MemoryIndex(), 250
    send(source, before, ADDRESS)
    if running:
        with Running(source.worker(index, keyring)) as tagger:
            tagger.until(lambda: events(index, keyring, ADDRESS) == before, "the first topic is read")
            make_anew(source)
            send(source, after, OTHER)
            tagger.until(lambda: events(index, keyring, OTHER) == after, "the new topic is read")
            if not after:
                tagger.until(
                    lambda: any(item.number for item in index.histories([(source.name, 0)]).values()),
                    "it is known to be another",
                )
            send(source, 10, OTHER, first=5_000)
            tagger.until(lambda: events(index, keyring, OTHER) == after + 10, "and what comes later")
    else:
        to_the_end(source.worker(index, keyring))
        make_anew(source)
        send(source, after + 10, OTHER)
        to_the_end(source.worker(index, keyring))
        to_the_end(source.worker(index, keyring))
    assert events(index, keyring, ADDRESS) == before
    assert events(index, keyring, OTHER) == after + 10
    at = index.positions(
        [(source.name, number + history) for number in (0, 1) for history in (0, PARTITIONS)]
    )
    assert sum(at.values()) == before + after + 10
    assert {item.number for item in index.histories([(source.name, 0), (source.name, 1)]).values()} == {1}


def test_a_replay_of_a_topic_made_anew_leaves_the_old_history_alone(
    kafka_bootstrap: str, keyring: Keyring
) -> None:
    """It writes the rows of the new one again, and adds nothing under the coordinates of the old one."""
    source, index = real_broker(kafka_bootstrap).source(), MemoryIndex()
    send(source, 60, ADDRESS)
    to_the_end(source.worker(index, keyring))
    make_anew(source)
    send(source, 90, OTHER)
    to_the_end(source.worker(index, keyring, replay=True))
    assert (events(index, keyring, ADDRESS), events(index, keyring, OTHER)) == (60, 90)
    to_the_end(source.worker(index, keyring))
    assert (events(index, keyring, ADDRESS), events(index, keyring, OTHER)) == (60, 90)


def test_dead_letters_of_both_topics_stay_apart(kafka_bootstrap: str, keyring: Keyring) -> None:
    """The same partition and offset of the new topic is another letter, so none takes the place of the other."""
    source, index = real_broker(kafka_bootstrap).source(), MemoryIndex()
    for _ in range(2):
        source.send([(0, b"no event")])
        to_the_end(source.worker(index, keyring))
        make_anew(source)
    assert sorted(index.dead) == [(source.name, 0, 0), (source.name, PARTITIONS, 0)]


@pytest.mark.parametrize("restarted", [False, True], ids=["under a tagger", "over a restart"])
def test_partitions_that_are_added_are_read(
    kafka_bootstrap: str, keyring: Keyring, often: None, restarted: bool
) -> None:
    """Also by a tagger that keeps its name over restarts, which Kafka hands the partitions that it had."""
    source, index = real_broker(kafka_bootstrap).source(), MemoryIndex()
    group = f"group-{uuid.uuid4().hex[:8]}"
    frame = single_object()

    def running() -> Running:
        return Running(source.worker(index, keyring, group=group, member="up"))

    def grown() -> None:
        client = admin(source)
        client.create_partitions([NewPartitions(source.name, 5)])[source.name].result(HANGING_SECONDS)

    send(source, 10, ADDRESS)
    with running() as tagger:
        tagger.until(lambda: events(index, keyring, ADDRESS) == 10, "what is there is read")
        if not restarted:
            grown()
            source.send((number, frame(visit(number, OTHER))) for number in range(5))
            tagger.until(lambda: events(index, keyring, OTHER) == 5, "all partitions are read")
    if restarted:
        grown()
        source.send((number, frame(visit(number, OTHER))) for number in range(5))
        with running() as tagger:
            tagger.until(lambda: events(index, keyring, OTHER) == 5, "all partitions are read")


def test_the_ledger_reaches_the_end_of_a_topic_that_ends_with_markers(
    kafka_bootstrap: str, keyring: Keyring, often: None
) -> None:
    """Commit and abort markers of transactions are no messages, but without them offsets seem unread for ever."""
    source, index = real_broker(kafka_bootstrap).source(), MemoryIndex()
    frame = single_object()
    source.send_transaction([frame(visit(number, ADDRESS)) for number in range(3)])
    source.send_transaction([frame(visit(9, OTHER))], abort=True)
    (end,) = {offset for number, offset in source.ends().items() if number == 0}
    with Running(source.worker(index, keyring)) as tagger:
        tagger.until(
            lambda: index.positions([(source.name, 0)]) == {(source.name, 0): end}, "the ledger is at the end"
        )
    assert (events(index, keyring, ADDRESS), events(index, keyring, OTHER)) == (3, 0)


def test_on_a_broker_that_tells_no_id_a_log_that_ends_too_early_is_another(keyring: Keyring) -> None:
    """The in-process broker tells none: the ledger ahead of the topic is the proof that is left."""
    index = MemoryIndex()
    with in_process_broker() as broker:
        source = broker.source()
        send(source, 40, ADDRESS)
        to_the_end(source.worker(index, keyring))
    with in_process_broker() as broker:
        broker.make(source.name)
        broker.make(source.dead_letters)
        again = Source(broker, source.name, source.dead_letters)
        send(again, 4, OTHER)
        to_the_end(again.worker(index, keyring))
    assert (events(index, keyring, ADDRESS), events(index, keyring, OTHER)) == (40, 4)


def test_a_log_with_the_same_id_that_ends_too_early_was_cut_and_is_not_read() -> None:
    """Which of its offsets were read before nobody can say: it is told, and the mend."""
    known = History("web.visits", 3, 2, "an-id")
    with pytest.raises(InputError, match=r"web.visits/3 ends at 5, but the index has seen 9.*was cut"):
        going_on(known, "an-id", 9, 5)


def test_what_is_not_known_of_a_log_proves_nothing() -> None:
    """An index from before ids were kept takes the id of the topic that fits; an id that is not told stays known."""
    old = History("web.visits", 3)
    assert going_on(old, "an-id", 9, 9) == History("web.visits", 3, 0, "an-id")
    assert going_on(old, "an-id", 9, 8) == History("web.visits", 3, 1, "an-id")
    known = History("web.visits", 3, 1, "an-id")
    assert going_on(known, "", 9, 9) == known
    assert going_on(known, "", 9, 8) == History("web.visits", 3, 2, "")
    assert going_on(known, "another", 0, 900) == History("web.visits", 3, 2, "another")
    assert (known.stored, in_kafka(known.stored)) == (PARTITIONS + 3, 3)


def test_what_is_not_in_the_index_is_counted_whoever_reads(
    kafka_bootstrap: str, keyring: Keyring, often: None
) -> None:
    """Before a tagger, after it, behind a marker of a transaction, and in a topic that was made anew."""
    source, index = real_broker(kafka_bootstrap).source(), MemoryIndex()
    behind = Behind(source.broker.connection, index, [source.name])

    def waits() -> list[int]:
        return [item.messages for _, item in sorted(behind().items())]

    send(source, 10, ADDRESS)
    assert waits() == [5, 5]
    source.send_transaction([single_object()(visit(99, ADDRESS))])
    with Running(source.worker(index, keyring)) as tagger:
        tagger.until(lambda: waits() == [0, 0], "all is read")
    make_anew(source)
    send(source, 6, OTHER)
    await_that(lambda: waits() == [3, 3], "the new topic is unread")
    to_the_end(source.worker(index, keyring))
    assert waits() == [0, 0]


def test_a_partition_that_stands_still_is_told_after_a_minute() -> None:
    """Not while it moves, not when nothing waits, not again once it was taken up."""
    now = [0.0]
    stuck = Stuck(dict, lambda: now[0])

    def look(at: float, **waiting: tuple[int, int]) -> list[str]:
        now[0] = at
        found = {(name, 0): Waiting((0, offset), messages) for name, (offset, messages) in waiting.items()}
        standing = stuck.look(found)
        assert not standing.notices
        return list(standing.problems)

    assert look(0, read=(5, 3), still=(7, 1), empty=(9, 0)) == []
    assert look(59, read=(6, 30), still=(7, 2), empty=(9, 0)) == []
    (line,) = look(61, read=(7, 300), still=(7, 1_204), empty=(9, 0))
    assert line.startswith(
        "still/0 has 1,204 messages that nobody reads: nothing of it was taken into the index for 61 s"
    )
    assert look(62, still=(8, 1_203)) == []
    (line,) = look(200, still=(8, 1_203))
    assert "for 138 s" in line
    assert look(201, still=(8, 0)) == look(202, still=(8, 1)) == []
    many = {f"t{number}": (0, 1) for number in range(5)}
    look(300, **many)
    (line,) = look(400, **many)
    assert ", and so 2 more partitions" in line


def test_requests_and_receipts_of_a_topic_made_anew_are_all_read(kafka_bootstrap: str) -> None:
    """Under whoever follows it, and by a group whose committed offset is of the topic before."""
    source = real_broker(kafka_bootstrap).source(partitions=1)
    connection, group = source.broker.connection, f"group-{uuid.uuid4().hex[:8]}"
    got: list[bytes] = []

    def followed(stop: threading.Event) -> None:
        for value, commit in messages_of(connection, source.name, group, stop):
            got.append(value)
            commit()

    def sent(count: int, name: str) -> list[bytes]:
        values = [f"{name} {number}".encode() for number in range(count)]
        source.send((0, value) for value in values)
        return values

    with following(followed):
        first = sent(30, "first")
        await_that(lambda: got == first, "the first topic is read")
        make_anew(source, 1)
        second = sent(80, "second")
        await_that(lambda: got == [*first, *second], "the second one is read from its beginning")
    make_anew(source, 1)
    # As a commit that came after the topic was deleted leaves it.
    stale = Consumer(connection.client(group_id=group))
    stale.commit(offsets=[TopicPartition(source.name, 0, 30, "another-id")], asynchronous=False)
    stale.close()
    third = sent(50, "third")
    with following(followed):
        await_that(lambda: got == [*first, *second, *third], "the third one too")


@contextmanager
def following(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(HANGING_SECONDS)
        assert not thread.is_alive()


def test_a_topic_made_anew_with_fewer_partitions_ends_no_tagger(
    kafka_bootstrap: str, keyring: Keyring, often: None
) -> None:
    """A member with a name of its own is given what it had: the partition that is gone ended it after every start."""
    source, index = real_broker(kafka_bootstrap).source(partitions=4), MemoryIndex()
    send(source, 40, ADDRESS)
    with Running(source.worker(index, keyring, group=source.name, member="one")) as tagger:
        tagger.until(lambda: events(index, keyring, ADDRESS) == 40, "the first topic is read")
    make_anew(source, partitions=1)
    source.send((0, single_object()(visit(number, OTHER))) for number in range(30))
    with Running(source.worker(index, keyring, group=source.name, member="one")) as tagger:
        tagger.until(lambda: events(index, keyring, OTHER) == 30, "the new topic is read")
