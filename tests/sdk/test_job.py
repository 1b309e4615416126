"""A job by the SDK: once for each attempt, answered whatever happens, and stopped without losing anything."""

from __future__ import annotations

import io
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from innsyn_sdk.job import RightsJob
from innsyn_sdk.keys import KeysUnreadable
from innsyn_sdk.outcome import Outcome, StoreUnavailable, done, failed, not_found, withheld
from innsyn_sdk.protocol import RECEIPTS, Command, decoded
from innsyn_sdk.state import SqliteState
from innsyn_sdk.testing import NOW, Kit

from streams.rights.protocol.messages import Send
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.tagging import in_process_broker
from tests.support.time_bounds import HANGING_SECONDS
from tests.unit.rights.test_receipts import COOKIE
from tests.unit.rights.test_short import GONE, visit

KARI, FIELDS = [("customer_number", "100042")], ["Invoice.name"]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path, "billing")


class Store:
    """Somebody's invoices, by customer number; `away` as often as it says."""

    def __init__(self, away: int = 0) -> None:
        self.kept, self.away, self.calls = {"100042": 3}, away, 0

    def erase(self, command: Command) -> Outcome:
        self.calls += 1
        if self.calls <= self.away:
            raise StoreUnavailable
        if command.orders:
            return failed("needs_person")
        if command.cut_off is not None and command.cut_off < NOW:
            # None is older than this.
            return not_found()
        gone = sum(self.kept.pop(item.value, 0) for item in command.identifiers)
        return done({"Invoice": gone}) if gone else not_found()


def test_a_job_does_what_the_kit_plays(kit: Kit) -> None:
    assert kit.play(Store().erase, KARI, FIELDS) == []


def test_the_kit_makes_its_folder(tmp_path: Path) -> None:
    """Given as a path or as a text."""
    kit = Kit(str(tmp_path / "keys" / "of-tests"), "billing")
    assert kit.key_file == tmp_path / "keys" / "of-tests" / "billing.json"
    assert kit.play(Store().erase, KARI, FIELDS) == []


def test_an_outcome_is_remembered_over_a_restart(kit: Kit, tmp_path: Path) -> None:
    """The same attempt has the same answer, an earlier one none."""
    store, path = Store(), tmp_path / "job.sqlite"

    def job() -> RightsJob:
        return RightsJob([kit.key_file], store.erase, path, clock=lambda: NOW, pauses=())

    value = kit.value(KARI, FIELDS, attempt=2)
    first = kit.answers(job(), kit.message(value))
    assert first == [("accepted", 0, None), ("done", 3, None)]
    assert kit.answers(job(), kit.message(value)) == first
    assert kit.answers(job(), kit.message({**value, "attempt": 1})) == [("failed", 0, "superseded")]
    assert store.calls == 1


def test_a_hold_is_answered_with_its_ground(kit: Kit) -> None:
    """And remembered with its day."""
    held = withheld(3, "T18", "GDPR art. 17 nr. 3 bokstav e", date(2029, 3, 5))
    job, message = kit.job(lambda _: held), kit.message(kit.value(KARI, FIELDS))
    assert (
        kit.answers(job, message)
        == kit.answers(job, message)
        == [
            ("accepted", 0, None),
            ("withheld", 0, None),
        ]
    )


@pytest.mark.parametrize(("away", "last"), [(2, ("done", 3, None)), (9, ("failed", 0, "store_unavailable"))])
def test_a_store_that_is_away_is_tried_again(kit: Kit, away: int, last: tuple[Any, ...]) -> None:
    """As often as there are pauses; then innsyn is told that another attempt may do better, and may make it."""
    store = Store(away)
    job = RightsJob(
        [kit.key_file], store.erase, SqliteState(":memory:"), clock=lambda: NOW, pauses=(0.0, 0.0, 0.0)
    )
    message = kit.message(kit.value(KARI, FIELDS))
    assert kit.answers(job, message)[-1] == last
    store.away = 0
    assert kit.answers(job, message)[-1] == ("done", 3, None)


def test_what_a_handler_raises_is_not_shown(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Its text may name somebody. The command fails, the job does not; and so with what is no outcome."""

    def broken(command: Command) -> Outcome:
        raise ValueError(f"no invoice of {command.identifiers[0].value}")

    def empty(command: Command) -> Any:
        return None

    def too_many(command: Command) -> Outcome:
        return done({"Invoice": 2**53})

    with caplog.at_level(logging.DEBUG):
        for erase in (broken, empty, too_many):
            said = kit.answers(kit.job(erase), kit.message(kit.value(KARI, FIELDS)))
            assert said[-1] == ("failed", 0, "internal_error")
    # Of what it raises, where: a name of a file and a number of a line name nobody.
    line = broken.__code__.co_firstlineno + 1
    assert f"carrying out erasure failed: ValueError at test_job.py:{line}" in caplog.text
    assert "the handler returned NoneType, no Outcome" in caplog.text
    assert "the handler returned counts that cannot be" in caplog.text
    assert "100042" not in caplog.text


def test_where_a_library_raised_is_told_with_the_line_of_the_handler(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """And so where a copy fails while its records are read."""

    def erase(_: Command) -> Any:
        return json.loads("100042 is no JSON")

    def export(command: Command) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "Invoice", {"number": command.identifiers[7].value}

    kit.answers(kit.job(erase), kit.message(kit.value(KARI, FIELDS)))
    kit.answers(kit.job(export=export), kit.message(kit.value_of_right("access", KARI)))
    first, second = (record.getMessage() for record in caplog.records)
    line = erase.__code__.co_firstlineno + 1
    said = f"carrying out erasure failed: JSONDecodeError at test_job.py:{line}, in decoder.py:"
    assert first.startswith(said)
    assert (
        second
        == f"carrying out access failed: IndexError at test_job.py:{export.__code__.co_firstlineno + 1}"
    )


def test_stopped_while_it_waits_the_command_comes_again(kit: Kit) -> None:
    """No outcome is sent for it, and its offset is not committed."""
    store = Store(9)
    job = RightsJob([kit.key_file], store.erase, SqliteState(":memory:"), clock=lambda: NOW, pauses=(60.0,))
    job.stop()
    sent: list[bytes] = []
    assert not job.handle(kit.message(kit.value(KARI, FIELDS)), lambda body, _: sent.append(body))
    assert len(sent) == 1


def test_a_signal_stops_it(kit: Kit) -> None:
    """As `stop` does: the command in hand is ended first. What was there before is there again."""
    job = kit.job(Store().erase)
    before = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)]
    with job._stopped_by_signals():
        assert not job._stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert job._stop.is_set()
    assert [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_dry_run_erases_and_answers_nothing(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """It says what there is, without anybody's identifiers."""
    store = Store()
    job = kit.job(store.erase)
    with caplog.at_level(logging.INFO):
        assert job.look(kit.message(kit.value(KARI, FIELDS))) is not None
        assert job.look(b"nonsense") is None
    assert store.calls == 0
    assert "r-1/billing attempt 1: erasure, 1 identifiers, fields Invoice.name" in caplog.text
    assert "100042" not in caplog.text


def test_without_its_key_file_a_job_does_not_start(kit: Kit) -> None:
    kit.key_file.unlink()
    with pytest.raises(KeysUnreadable, match="innsyn systems export"):
        kit.job(Store().erase)


def unchecked(message: bytes, keys: object, now: object) -> Command:
    """Of whoever may write to the topic."""
    value = decoded(message)
    return Command(value["command_id"], value["request_id"], value["attempt"], NOW, (), (), (), (), value)


@pytest.mark.parametrize(
    ("sabotage", "said"),
    [
        (lambda patch: patch.setattr("innsyn_sdk.job.received", unchecked), "was carried out"),
        (lambda patch: patch.setattr(SqliteState, "outcome", lambda *_: None), "was carried out again"),
        (lambda patch: patch.setattr(SqliteState, "come", lambda *_: 0), "was not superseded"),
    ],
)
def test_the_kit_finds_what_is_wrong(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    """Of a job that lacks a check it says which."""
    sabotage(monkeypatch)
    assert said in " ".join(kit.play(Store().erase, KARI, FIELDS))


def test_the_kit_finds_a_handler_that_finds_nothing(kit: Kit) -> None:
    assert "though the store has something" in " ".join(kit.play(lambda _: not_found(), KARI, FIELDS))


class Adapted:
    """A job of the SDK where the office has its own."""

    def __init__(self, job: RightsJob) -> None:
        self._job = job

    def handle(self, message: bytes, send: Send) -> None:
        self._job.handle(message, lambda body, key: send(RECEIPTS, body, key))


def test_an_erasure_is_completed_by_a_job_of_the_sdk(tmp_path: Path) -> None:
    """innsyn tells it, and believes what it answers."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        office.put("web.visits", visit(1), visit(2))

        def erase(command: Command) -> Outcome:
            named = [(item.kind, item.value) for item in command.identifiers]
            gone = office.stores["web"].erase(named, command.categories, command.fields).erased
            return done({"WebVisit": gone})

        job = RightsJob(
            [office.keyring.systems.job_path("web")], erase, SqliteState(":memory:"), clock=lambda: office.now
        )
        office._jobs["web"] = Adapted(job)  # type: ignore[assignment]
        request_id = office.erase(COOKIE, anchors=GONE).request_id
        assert office.service.get(request_id).state is State.COMPLETED
        assert office.events(*COOKIE) == 0


def test_it_runs_on_a_broker(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """From the first command there is, until it is told to stop; the offset is committed. It says what it follows."""
    with in_process_broker() as broker:
        bootstrap = {"bootstrap.servers": broker.connection.bootstrap}
        producer = Producer(bootstrap)
        producer.produce("deletion.billing", kit.message(kit.value(KARI, FIELDS)), "r-1")
        assert producer.flush(HANGING_SECONDS) == 0
        job = kit.job(Store().erase, restrict=Store().erase)
        caplog.set_level(logging.INFO)
        thread = threading.Thread(target=job.run, args=(bootstrap,))
        thread.start()
        reader = Consumer({**bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
        reader.subscribe(["rights.receipts"])
        found = list[bytes]()
        try:
            for _ in range(300):
                message = reader.poll(0.2)
                if message is not None and message.error() is None:
                    found.append(message.value() or b"")
                if len(found) == 2:
                    break
        finally:
            job.stop()
            thread.join()
            reader.close()
        assert len(found) == 2
        assert io.BytesIO(found[1]).read(2) == b"\xc3\x01"
        said = caplog.records[0].getMessage()
        where = bootstrap["bootstrap.servers"]
        assert said == f"the job of billing follows deletion.billing, restriction.billing at {where}"
