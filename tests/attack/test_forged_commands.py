"""Whoever can write to Kafka gives orders: what was tried on the reference erasure job with captured commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.errors import InnsynError, KeyUnavailable
from schemas.jobkeys import read_job_keys
from schemas.keys import Keyring
from schemas.messages import Order, Selector, value_of
from schemas.records import load_records
from streams.answers.plan import CommandPlan
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import command_message, decoded, opened
from streams.rights.protocol.receipts import has_the_key, unproven
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.serving import OLDEST
from streams.rights.reference_job.store import SqliteStore
from tests.support.company import model
from tests.support.kinds import KINDS

RECORDS = load_records()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KARI = [("customer_number", "k-100200")]
TOLD = CommandPlan(
    "billing",
    ("C-01",),
    ("Invoice.email",),
    (Order("Payment", ("C-06",), ("Payment.kid",), Selector("method", ("card",))),),
)


class Billing:
    """The job of billing with one invoice of Kari, which the law holds but for the address of mail."""

    def __init__(self, folder: Path) -> None:
        self.keyring = Keyring(folder / "keys").made()
        self.folder = folder
        self.keys = self.keyring.systems.made("billing")
        self.store = SqliteStore(folder / "billing.sqlite", model().records, KINDS)
        self.store.put("Invoice", INVOICE)
        self.now = NOW
        self.answers: list[dict[str, Any]] = []
        self.job = self._job()

    def _job(self) -> ErasureJob:
        path = self.keyring.systems.job_path("billing")
        return ErasureJob(path, Connection("unused"), self.store, lambda: self.now)

    def restart(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.folder / "billing.sqlite", model().records, KINDS)
        self.job = self._job()

    def command(
        self, attempt: int = 1, issued_at: datetime = NOW, told: CommandPlan = TOLD
    ) -> dict[str, Any]:
        return value_of(command_message("r-1", told, KARI, self.keys.current, attempt, issued_at))

    def send(self, command: dict[str, Any]) -> list[tuple[str, int, str | None]]:
        return self.send_bytes(encode(RECORDS["ErasureCommand"], command))

    def send_bytes(self, message: bytes) -> list[tuple[str, int, str | None]]:
        before = len(self.answers)
        self.job.handle(message, self._sent)
        for answer in self.answers[before:]:
            assert unproven(answer, self.keys) is None
        return [(item["state"], item["erased"], item["reason"]) for item in self.answers[before:]]

    def _sent(self, topic: str, message: bytes, key: bytes) -> None:
        self.answers.append(decode(RECORDS["ErasureReceipt"], message))

    @property
    def invoice(self) -> tuple[Any, ...] | None:
        with self.store._transaction() as connection:
            row: tuple[Any, ...] | None = connection.execute(
                "SELECT customer_number, name, email FROM Invoice"
            ).fetchone()
        return row


INVOICE = {
    "invoice_number": "F-1",
    "customer_number": "K-100200",
    "name": "Kari",
    "email": "kari@mail.example.no",
    "due_date": date(2026, 4, 1),
}
WHOLE: tuple[Any, ...] = ("k-100200", "Kari", "kari@mail.example.no")


@pytest.fixture
def billing(tmp_path: Path) -> Iterator[Billing]:
    made = Billing(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    "wider",
    [
        {"categories": ["C-01", "C-07"]},
        {"categories": ["C-01", "C-07"], "fields": []},
        {"fields": ["Invoice.email", "Invoice.name", "Invoice.customer_number"]},
        {"fields": ["Invoice.email,Invoice.name"]},
        {"orders": []},
        {"reason": "retention"},
        {"attempt": 2},
        {"issued_at": NOW + timedelta(milliseconds=1)},
        {"request_id": "r-2"},
        {"command_id": "r-2/billing"},
        {"sealed_identifiers": b""},
        {"sealed_identifiers": b"\0" * 64},
        {"signature": b""},
        {"signature": b"\0" * 64},
        {"key_id": ""},
    ],
)
def test_a_captured_command_cannot_be_widened(billing: Billing, wider: dict[str, Any]) -> None:
    """More categories, more fields, other events, another attempt or time: nothing is erased, and it is said."""
    assert billing.send({**billing.command(), **wider}) == [("failed", 0, "not_authentic")]
    assert billing.invoice == WHOLE
    # What innsyn sent is carried out all the same.
    assert billing.send(billing.command())[-1] == ("done", 1, None)
    assert billing.invoice == ("k-100200", "Kari", None)


@pytest.mark.parametrize("change", ["where", "action", "fields", "parties"])
def test_the_orders_of_a_captured_command_cannot_be_widened(billing: Billing, change: str) -> None:
    """Which events, delete or redact, which fields, whose."""
    wider = {
        "where": None,
        "action": "redact",
        "fields": ["Payment.kid", "Payment.customer_number"],
        "parties": ["owner", "mentioned"],
    }
    command = billing.command()
    order = {**command["orders"][0], change: wider[change]}
    assert billing.send({**command, "orders": [order]}) == [("failed", 0, "not_authentic")]


def test_a_command_for_another_system_is_not_carried_out(billing: Billing) -> None:
    """As it was sent there; and renamed for this one, under either key's id."""
    there = billing.keyring.systems.made("crm").current
    command = value_of(command_message("r-1", replace(TOLD, system="crm"), KARI, there, 1, NOW))
    assert billing.send(command) == [("failed", 0, "other_system")]
    renamed = {**command, "system": "billing", "command_id": "r-1/billing"}
    assert billing.send(renamed) == [("failed", 0, "key_unknown")]
    own = {**renamed, "key_id": billing.keys.current.id}
    assert billing.send(own) == [("failed", 0, "not_authentic")]
    assert billing.invoice == WHOLE


@pytest.mark.parametrize("restarted", [False, True])
def test_an_attempt_older_than_one_that_came_is_not_carried_out(billing: Billing, restarted: bool) -> None:
    """Also after a restart, and also where the later one failed."""
    first = billing.command(1)
    nonsense = replace(TOLD, fields=("Invoice.nickname",))
    assert billing.send(billing.command(2, told=nonsense))[-1] == ("failed", 0, "unknown_field")
    if restarted:
        billing.restart()
    assert billing.send(first)[-1] == ("failed", 0, "superseded")
    assert billing.invoice == WHOLE
    assert billing.send(billing.command(3))[-1] == ("done", 1, None)
    assert billing.send(first)[-1] == ("failed", 0, "superseded")


def test_what_was_remembered_before_attempts_were_is_known(tmp_path: Path, billing: Billing) -> None:
    """A store of an earlier version has outcomes only: their attempts count."""
    assert billing.send(billing.command(2))[-1] == ("done", 1, None)
    with billing.store._transaction() as connection:
        connection.execute("DROP TABLE _attempts")
    billing.restart()
    assert billing.send(billing.command(1))[-1] == ("failed", 0, "superseded")


def test_a_command_kept_for_long_is_not_carried_out(billing: Billing) -> None:
    """Nor one from a time to come; a little apart, clocks may be."""
    late, early = billing.command(1, NOW - OLDEST - timedelta(seconds=1)), billing.command(1, NOW)
    assert billing.send(late) == [("failed", 0, "too_old")]
    billing.now = NOW - timedelta(minutes=6)
    assert billing.send(early) == [("failed", 0, "clock_off")]
    assert billing.invoice == WHOLE
    billing.now = NOW - timedelta(minutes=4)
    assert billing.send(early)[-1] == ("done", 1, None)


def test_a_job_is_given_its_own_key_and_no_other(billing: Billing, tmp_path: Path) -> None:
    """With what lies in its file it opens its commands; not those of others, and nothing of the installation."""
    file = tmp_path / "job" / "billing.json"
    file.parent.mkdir()
    file.write_bytes(billing.keyring.systems.for_job("billing"))
    file.chmod(0o600)
    key = read_job_keys(file).current
    assert opened(billing.command(), key)[0].value == "k-100200"
    other = billing.keyring.systems.made("crm").current
    command = value_of(command_message("r-1", replace(TOLD, system="crm"), KARI, other, 1, NOW))
    with pytest.raises(KeyUnavailable):
        opened(command, key)
    assert billing.keyring.systems.job("crm").current._unseal.hex() not in file.read_text()
    assert billing.keys.current._sign.hex() not in file.read_text()
    assert not (billing.keyring.systems.path("billing").parent / "token.json").exists()


def test_a_key_that_others_can_read_is_refused(billing: Billing) -> None:
    """With what to do about it; a copy is easily made with the wrong mode."""
    systems = billing.keyring.systems
    for path in (systems.path("billing"), systems.job_path("billing")):
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        systems.of("billing")
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        systems.job("billing")


def test_a_key_changes_without_an_answer_being_lost(billing: Billing) -> None:
    """Added: commands go on under the old one and both are accepted. Retired: only the new one is."""
    systems, before = billing.keyring.systems, billing.command(1)
    old = billing.keys.current
    systems.rotate("billing")
    assert systems.of("billing").current.id == old.id
    assert billing.send(before)[-1] == ("done", 1, None)
    assert unproven(billing.answers[-1], systems.of("billing")) is None
    systems.retire("billing")
    billing.keys = systems.of("billing")
    assert (billing.keys.find(old.id), len(billing.keys.keys)) == (None, 1)
    assert unproven(billing.answers[-1], billing.keys) is not None
    assert billing.send(billing.command(2))[-1] == ("done", 1, None)
    assert billing.send(before) == [("failed", 0, "key_unknown")]


def test_nobody_has_a_job_say_that_it_lacks_a_key_which_it_has(billing: Billing) -> None:
    """It cannot check such a command, and what it says is proven: by the key that commands go to."""
    systems = billing.keyring.systems
    for _ in range(2):
        assert billing.send({**billing.command(), "key_id": "deadbeef"}) == [("failed", 0, "key_unknown")]
        assert has_the_key(billing.answers[-1], systems.of("billing")) is not None
        systems.rotate("billing")


def test_a_job_that_lacks_the_key_is_believed(billing: Billing) -> None:
    """It was given the newest alone, and commands go to the old one still."""
    systems = billing.keyring.systems
    systems.hand_over("billing", lambda _: None)
    systems.rotate("billing")
    command, billing.keys = billing.command(), systems.of("billing")
    assert billing.send(command) == [("failed", 0, "key_unknown")]
    assert has_the_key(billing.answers[-1], systems.of("billing")) is None


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Billing]:
    made = Billing(tmp_path_factory.mktemp("billing"))
    yield made
    made.store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_byte_of_a_command_can_be_changed(shared: Billing, data: st.DataObject) -> None:
    """Unreadable or refused; a change of nothing but the framing leaves what it says."""
    message = encode(RECORDS["ErasureCommand"], shared.command())
    place, flip = data.draw(st.integers(10, len(message) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(message)
    changed[place] ^= flip
    try:
        command = decoded(RECORDS["ErasureCommand"], bytes(changed))
    except InnsynError:
        assert shared.send_bytes(bytes(changed)) == []
        return
    assert command != decoded(RECORDS["ErasureCommand"], message)
    (answer,) = shared.send_bytes(bytes(changed))
    assert answer[:2] == ("failed", 0)
    assert answer[2] in ("not_authentic", "key_unknown", "other_system")
    assert shared.invoice == WHOLE
