"""The reference erasure job: one command, its receipts, and the same again."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro

from schemas.codec import decode
from schemas.keys import Keyring
from schemas.messages import ErasureCommand, Order, Selector, encoded, message_of, value_of
from schemas.records import load_records
from streams.answers.plan import CommandPlan
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import command_message
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.store import SqliteStore
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.pairs import SYSTEM_KEY

RECORDS = load_records()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KARI = [("customer_number", "k-100200")]


class _Job:
    """A job of billing over a store with one invoice of Kari, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self.keyring = Keyring(folder / "keys").made()
        self.store = SqliteStore(folder / "billing.sqlite", model().records, KINDS)
        self.store.put("Invoice", {"invoice_number": "F-1", "customer_number": "K-100200", "name": "Kari"})
        clock = iter(NOW + timedelta(seconds=second) for second in range(50))
        self.keyring.systems.made("billing")
        key_file = self.keyring.systems.job_path("billing")
        self._job = ErasureJob(key_file, Connection("unused"), self.store, lambda: next(clock))
        self.answers: list[dict[str, Any]] = []

    def command(self, system: str = "billing", fields: tuple[str, ...] = ("Invoice.name",)) -> bytes:
        return self.sealed(CommandPlan(system, ("C-01",), fields))

    def sealed(self, told: CommandPlan, attempt: int = 1, issued_at: datetime = NOW) -> bytes:
        """As innsyn sends it."""
        key = self.keyring.systems.made(told.system).current
        value = command_message("r-1", told, KARI, key, attempt, issued_at)
        return encoded(value)

    def handle(self, message: bytes) -> list[tuple[str, int, str | None]]:
        before = len(self.answers)
        self._job.handle(message, self._send)
        return [(item["state"], item["erased"], item["reason"]) for item in self.answers[before:]]

    def _send(self, topic: str, message: bytes, key: bytes) -> None:
        assert (topic, key) == ("rights.receipts", b"r-1")
        self.answers.append(decode(RECORDS["ErasureReceipt"], message))


def test_the_same_command_gets_the_same_answer(tmp_path: Path) -> None:
    """Accepted, then done with counts; the second delivery erases nothing and its receipt is the first one's."""
    job = _Job(tmp_path)
    assert job.handle(job.command()) == [("accepted", 0, None), ("done", 1, None)]
    assert job.handle(job.command()) == [("accepted", 0, None), ("done", 1, None)]
    assert job.answers[1] == job.answers[3]
    job.store.close()


def test_orders_reach_the_store_and_older_jobs_erase_nothing_by_them(tmp_path: Path) -> None:
    """A command that only has orders lists no field and no category, so who reads these alone erases nothing."""
    job = _Job(tmp_path)
    order = Order("Invoice", ("C-01",), ("Invoice.name",), Selector("kid", ("12345",)))
    told = CommandPlan("billing", ("C-01",), (), (order,))
    message = job.sealed(told)
    value = decode(RECORDS["ErasureCommand"], message)
    assert (value["categories"], value["fields"]) == ([], [])
    assert message_of(ErasureCommand, value).orders == (order,)
    assert job.handle(message) == [("accepted", 0, None), ("done", 0, None)]
    everything = replace(told, orders=(replace(order, where=None),))
    assert job.handle(job.sealed(everything, 2))[-1] == ("done", 1, None)
    job.store.close()


def test_a_command_from_before_there_were_orders_is_carried_out(tmp_path: Path) -> None:
    """Its schema lacks them: none are given, and it is read as ever."""
    before = json.loads(RECORDS["ErasureCommand"].text)
    before["fields"] = [field for field in before["fields"] if field["name"] != "orders"]
    older = fastavro.parse_schema(before)
    written, read = io.BytesIO(), RECORDS["ErasureCommand"].json
    told = CommandPlan("billing", ("C-01",), ("Invoice.name",))
    value = value_of(command_message("r-1", told, KARI, SYSTEM_KEY, 1, NOW))
    fastavro.schemaless_writer(written, older, {key: value[key] for key in value if key != "orders"})
    written.seek(0)
    command = fastavro.schemaless_reader(written, older, fastavro.parse_schema(read))
    assert isinstance(command, dict)
    assert message_of(ErasureCommand, command).orders == ()
    assert command["fields"] == ["Invoice.name"]


def test_what_the_store_holds_back_is_answered_as_partial(tmp_path: Path) -> None:
    """With how many, the rule, and the day to look again."""
    job = _Job(tmp_path)
    review = NOW.date() + timedelta(days=90)
    job.store.hold(KARI, "Invoice", "T18", review)
    assert job.handle(job.command()) == [("accepted", 0, None), ("partial", 0, None)]
    answer = job.answers[-1]
    assert (answer["held"], answer["ground"], answer["review_date"]) == (1, "T18", review)
    job.store.close()


def test_what_cannot_be_done_is_answered_as_failed(tmp_path: Path) -> None:
    """An unknown field, a store that is away: each with its reason, nothing erased."""
    job = _Job(tmp_path)
    answers = job.handle(job.command(fields=("Invoice.nickname",)))
    assert answers == [("accepted", 0, None), ("failed", 0, "unknown_field")]
    message = job.command()
    assert job.store.count(KARI) == 1
    job.store.close()
    assert job.handle(message)[-1] == ("failed", 0, "store_unavailable")


def test_messages_that_are_no_commands_of_the_system_erase_nothing(tmp_path: Path) -> None:
    """Bytes of something else, and a command of another system, which is said."""
    job = _Job(tmp_path)
    assert job.handle(b"no command") == []
    assert job.handle(job.command("web")) == [("failed", 0, "other_system")]
    assert job.store.count(KARI) == 1
    job.store.close()
