"""The kit plays limits of an erasure: a job that ignores one of them takes too much, and is told what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from innsyn_sdk.cases import unlimited
from innsyn_sdk.outcome import REASONS, Outcome, done, failed, not_found
from innsyn_sdk.protocol import Command
from innsyn_sdk.testing import NOW, Kit

from streams.rights.protocol.reasons import REASONS as kept

KARI, FIELDS = [("customer_number", "100042")], ["Invoice.customer_number", "Invoice.name"]
Invoice = dict[str, Any]
Change = Callable[[Command], Command]


def invoices() -> list[Invoice]:
    day = timedelta(days=1)
    return [
        {"customer_number": number, "name": f"n-{number}", "issued_at": NOW - day * back}
        for number, back in (("100042", 3), ("100042", 9), ("100043", 3))
    ]


@dataclass
class Store:
    """Invoices, and a job that carries out what the command says; `misread`: what it takes it for instead."""

    misread: Change = lambda command: command
    deletes: bool = False
    rows: list[Invoice] = field(default_factory=invoices)

    def erase(self, command: Command) -> Outcome:
        command = self.misread(command)
        orders = command.orders or [
            {"fields": command.fields, "where": None, "before": None, "action": "delete"}
        ]
        mine = [row for row in self.rows if row["customer_number"] in command.always("customer_number")]
        mine = [row for row in mine if command.cut_off is None or row["issued_at"] < command.cut_off]
        gone = [row for row in mine if any(self._deletes(order) and _means(order, row) for order in orders)]
        blanked = [row for row in mine if any(_means(order, row) for order in orders) and row not in gone]
        for row in blanked:
            row["name"] = None
        self.rows = [row for row in self.rows if row not in gone]
        return (
            done(deleted={"Invoice": len(gone)}, redacted={"Invoice": len(blanked)})
            if gone or blanked
            else not_found()
        )

    def _deletes(self, order: Mapping[str, Any]) -> bool:
        return self.deletes or order["action"] == "delete"


def _means(order: Mapping[str, Any], row: Invoice) -> bool:
    where, before = order["where"], order["before"]
    chosen = where is None or row[where["field"]] in where["values"]
    return chosen and (before is None or row["issued_at"] < before)


def every(command: Command, **changed: Any) -> Command:
    return replace(command, orders=tuple({**order, **changed} for order in command.orders))


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path, "billing")


def test_a_job_that_keeps_to_every_limit_holds(kit: Kit) -> None:
    """And the person is gone at the end, nobody else."""
    store = Store()
    assert kit.play(store.erase, KARI, FIELDS) == []
    assert store.rows == invoices()[2:]


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (
            Store(lambda command: replace(command, cut_off=None)),
            "leave records whose time is at or after `cut_off`",
        ),
        (Store(lambda command: every(command, where=None)), "the records alone that its `where` means"),
        (Store(lambda command: every(command, before=None)), "is at or after its `before`"),
        (
            Store(lambda command: replace(command, orders=command.orders[:1])),
            "carry out each order of the record",
        ),
        (
            Store(lambda command: replace(command, orders=command.orders[-1:])),
            "carry out each order of the record",
        ),
        (Store(deletes=True), "blank its fields alone, and keep the record"),
        (Store(lambda command: replace(command, orders=())), ""),
    ],
)
def test_a_job_that_ignores_a_limit_is_told_what_to_do(kit: Kit, store: Store, said: str) -> None:
    found = kit.play(store.erase, KARI, FIELDS)
    assert found
    assert said in found[0]
    assert "100042" not in " ".join(found)


def test_a_job_may_leave_orders_to_a_person(kit: Kit) -> None:
    """That is no silence: somebody looks there."""
    store = Store()

    def erase(command: Command) -> Outcome:
        return failed("needs_person") if command.orders else store.erase(command)

    assert kit.play(erase, KARI, FIELDS) == []


def never_commits(store: Store) -> Callable[[Command], Outcome]:
    """Each command finds the invoices that the one before left."""

    def erase(command: Command) -> Outcome:
        store.rows = invoices()
        return store.erase(command)

    return erase


def counts_alone(command: Command) -> Outcome:
    """It deletes nothing, and says what is expected of one that does."""
    if command.cut_off is not None:
        return not_found()
    return failed("needs_person") if command.orders else done({"Invoice": 2})


@pytest.mark.parametrize("erase", [never_commits(Store()), counts_alone])
def test_a_job_that_counts_the_same_records_again_erased_nothing(
    kit: Kit, erase: Callable[[Command], Outcome]
) -> None:
    """One that does not commit, and one that makes its counts up."""
    (found,) = kit.play(erase, KARI, FIELDS)
    assert "about somebody who is erased already erased 2 records" in found
    assert "commits its transaction" in found


def test_a_job_that_says_done_and_counts_nothing_does_not_hold(kit: Kit) -> None:
    def erase(command: Command) -> Outcome:
        return failed("needs_person") if command.orders else done()

    assert "came to done and erased nothing" in " ".join(kit.play(erase, KARI, FIELDS))


def test_a_receipt_counts_records_of_the_command_alone(kit: Kit) -> None:
    """Another name is set aside by innsyn; it may be anything, so it is not shown."""
    store = Store()

    def erase(command: Command) -> Outcome:
        outcome = store.erase(command)
        return replace(outcome, deleted=tuple((f"Kari{name}", count) for name, count in outcome.deleted))

    found = " ".join(kit.play(erase, KARI, FIELDS))
    assert "counts a record that the command does not name" in found
    assert "here Invoice" in found
    assert "Kari" not in found


@pytest.mark.parametrize("returned", [None, {"Invoice": 2}, done({"Invoice": -1}), ZeroDivisionError()])
def test_a_handler_that_fails_is_told_that_it_fails(kit: Kit, returned: Any) -> None:
    """Not what to do about a limit, which is another matter."""

    def erase(_: Command) -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    found = kit.play(erase, KARI, FIELDS)
    assert "the handler raised, or returned no outcome" in found[0]
    assert "cut_off`" not in " ".join(found)


def test_a_reason_that_a_handler_made_up_is_not_shown(kit: Kit) -> None:
    """It may name somebody. What may be said is."""
    found = " ".join(kit.play(lambda _: failed("no invoice of 100042"), KARI, FIELDS))
    assert "came to failed (a reason that is not on the list); a reason is one of clock_off" in found
    assert "cut_off`" not in found
    assert "100042" not in found


def test_the_kit_knows_the_reasons_that_innsyn_keeps() -> None:
    assert set(kept) == REASONS


def test_limits_of_time_are_not_played_where_records_have_none(kit: Kit) -> None:
    """A record without a time is meant whatever the cut-off."""
    timeless = Store(lambda command: every(replace(command, cut_off=None), before=None))
    assert kit.play(timeless.erase, KARI, FIELDS, undated=True) == []
    assert kit.play(replace(timeless, rows=invoices()).erase, KARI, FIELDS) != []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (FIELDS, []),
        (FIELDS[1:], ["no order to blank a field is played: give another field of the same record"]),
        (["Invoice.lines[].name"], ["no order is played: give a field that is in no array"]),
        (["Customer.name", "Invoice.name", "Invoice.email"], []),
    ],
)
def test_what_is_not_played_is_said(fields: list[str], said: list[str]) -> None:
    assert unlimited(fields) == said
