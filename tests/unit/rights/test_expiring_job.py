"""innsyn's own job and what has run out: deleted once, but of those who are kept; and only what innsyn said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import decode
from schemas.keys import Keyring
from schemas.messages import Order, RetentionCommand, RunOut, encoded, value_of
from schemas.own import own_record
from schemas.records import load_records
from streams.answers.plan import CommandPlan
from streams.kafka.connection import Connection
from streams.rights.protocol.authentic import KEPT, bound_bytes, signed_bytes
from streams.rights.protocol.messages import Beside, command_message, identifiers_json, retention_message
from streams.rights.protocol.messages import Named as Name
from streams.rights.reference_job.changing import ChangingStore
from streams.rights.reference_job.job import ErasureJob
from tests.support.company import model
from tests.support.kinds import KINDS

RECORDS = load_records()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE = NOW - 90 * DAY
KARI, OLA = ("customer_number", "k-100200"), ("customer_number", "k-100201")
FIELDS = tuple(f"Login.{item.name}" for item in RECORDS["Login"].fields if item.personal)
ALL = RunOut("Login", (), FIELDS, None, BEFORE, "T12", "GDPR Art. 5(1)(e)", 2)
DONE = [("accepted", 0, None), ("partial", 1, "undated")]


class _Job:
    """A job of a system with logins: old ones of two people, a new one, and one without a time."""

    def __init__(self, folder: Path) -> None:
        self.keyring = Keyring(folder / "keys").made()
        self.store = ChangingStore(folder / "web.sqlite", model().records, KINDS)
        for person, at in ((KARI, BEFORE - DAY), (OLA, BEFORE - DAY), (OLA, BEFORE), (OLA, None)):
            self.store.put("Login", {person[0]: person[1], "username": f"u-{person[1]}", "occurred_at": at})
        self.keyring.systems.made("web")
        self._job = self.started()
        self.answers: list[dict[str, Any]] = []

    def started(self) -> ErasureJob:
        return ErasureJob(self.keyring.systems.job_path("web"), Connection("unused"), self.store, lambda: NOW)

    def told(
        self, *records: RunOut, kept: Sequence[Any] = (KARI,), attempt: int = 1, run: str = "x-20261122-1"
    ) -> bytes:
        """As innsyn sends it, or would if it said that."""
        key = self.keyring.systems.made("web").current
        said = retention_message(run, "web", [ALL], kept, key, attempt, NOW)
        return encoded(self.signed(replace(said, records=records or (ALL,)), kept))

    def signed(self, said: RetentionCommand, kept: Sequence[Any]) -> RetentionCommand:
        key = self.keyring.systems.made("web").current
        plain = str(identifiers_json(Name(*item) for item in kept)).replace("'", '"').encode()
        sealed = replace(said, sealed_kept=key.seal(plain, bound_bytes(value_of(said), KEPT)))
        return replace(sealed, signature=key.sign(signed_bytes(value_of(sealed))))

    def handle(self, message: bytes) -> list[tuple[str, int, str | None]]:
        before = len(self.answers)
        self._job.handle(message, self._send)
        return [(item["state"], item["erased"], item["reason"]) for item in self.answers[before:]]

    def left(self) -> tuple[int, int]:
        """Logins of Kari and of Ola."""
        return self.store.count([KARI]), self.store.count([OLA])

    def _send(self, topic: str, message: bytes, key: bytes) -> None:
        assert topic == "rights.receipts"
        self.answers.append(decode(own_record("ErasureReceipt"), message))


@pytest.fixture
def job(tmp_path: Path) -> Iterator[_Job]:
    made = _Job(tmp_path)
    yield made
    made.store.close()


def test_what_has_run_out_goes_but_of_those_who_are_kept(job: _Job) -> None:
    """Twice it says the same; the one without a time stays, and no rule is named for it."""
    assert job.handle(job.told()) == DONE
    assert job.left() == (1, 2)
    answer = job.answers[-1]
    assert (answer["held"], answer["ground"], answer["review_date"]) == (1, None, None)
    assert answer["outcomes"] == [{"record": "Login", "deleted": 1, "redacted": 0, "stayed_for": []}]
    assert job.handle(job.told()) == DONE
    assert job.handle(job.told(attempt=2)) == DONE
    assert job.handle(job.told())[-1] == ("failed", 0, "superseded")
    assert job.left() == (1, 2)


def test_the_next_run_finds_those_who_are_kept_no_more(job: _Job) -> None:
    job.handle(job.told())
    assert job.handle(job.told(kept=(), run="x-20261123-1")) == DONE
    assert job.left() == (0, 2)
    assert job.handle(job.told(kept=(), run="x-20261124-1"))[-1] == ("partial", 0, "undated")


def test_fields_are_emptied_and_counted_once(job: _Job) -> None:
    names = replace(ALL, fields=("Login.username",))
    assert job.handle(job.told(names)) == DONE
    assert job.handle(job.told(names, attempt=2)) == DONE
    assert job.handle(job.told(names, run="x-20261123-1"))[-1] == ("partial", 0, "undated")
    assert job.left() == (1, 3)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([replace(ALL, before=NOW + timedelta(milliseconds=1))], "clock_off"),
        ([ALL, RunOut("Nothing", (), ("Nothing.name",), None, BEFORE, "T", "", 1)], "unknown_field"),
        ([ALL, replace(ALL, fields=("Login.nothing",))], "unknown_field"),
        ([ALL, replace(ALL, fields=())], "command_not_understood"),
        ([ALL, replace(ALL, fields=("Invoice.name",))], "command_not_understood"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_goes(job: _Job, records: list[RunOut], reason: str) -> None:
    """A moment to come, a record or field of another system, a record without a field."""
    assert job.handle(job.told(*records))[-1] == ("failed", 0, reason)
    assert job.left() == (1, 3)


def test_one_that_was_altered_is_not_believed(job: _Job) -> None:
    """Such as with somebody taken off the list of those who are kept."""
    key = job.keyring.systems.made("web").current
    said = retention_message("x-20261122-1", "web", [ALL], [KARI], key, 1, NOW)
    nobody = retention_message("x-20261122-1", "web", [ALL], [], key, 1, NOW)
    for message in (replace(said, sealed_kept=nobody.sealed_kept), replace(said, attempt=2)):
        assert job.handle(encoded(message)) == [("failed", 0, "not_authentic")]
    assert job.left() == (1, 3)


def test_a_job_killed_between_deletion_and_outcome_left_both_or_neither(
    job: _Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes again, and is carried out then."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ChangingStore, "_tidy", killed)
        with pytest.raises(KeyboardInterrupt):
            job.handle(job.told())
    assert job.left() == (1, 3)
    assert job.handle(job.told()) == DONE


def test_a_restriction_of_somebody_of_whom_nothing_is_left_is_forgotten(job: _Job) -> None:
    """The list must not name for ever whose records have run out."""
    job.store.restrict([KARI], (), (), once="r-1/web#1")
    job.handle(job.told())
    assert [row["customer_number"] for row in job.store.usable("Login", "P-ANY")] == [OLA[1]] * 2
    job.handle(job.told(kept=(), run="x-20261123-1"))
    job.store.put("Login", {KARI[0]: KARI[1], "occurred_at": NOW})
    assert len([*job.store.usable("Login", "P-ANY")]) == 3


def test_an_erasure_reaches_up_to_its_cut_off_and_an_order_up_to_its_day(job: _Job) -> None:
    """What came since stays; by a day what has no time stays too, and is told."""
    key = job.keyring.systems.made("web").current
    order = Order("Login", (), FIELDS, before=BEFORE)
    told = CommandPlan("web", (), (), (order,))
    assert job.handle(encoded(command_message("r-1", told, [OLA], key, 1, NOW))) == DONE
    assert job.left() == (1, 2)
    late = replace(told, orders=(replace(order, before=NOW + DAY),))
    assert job.handle(encoded(command_message("r-2", late, [OLA], key, 1, NOW)))[-1][2] == "clock_off"
    plain = CommandPlan("web", (), FIELDS)
    until = Beside(cut_off=BEFORE)
    assert job.handle(encoded(command_message("r-3", plain, [OLA], key, 1, NOW, until)))[-1][:2] == (
        "done",
        1,
    )
    assert job.left() == (1, 1)
