"""The toy system of record: erases what it is told and nothing else, once, and for real."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from schemas.errors import InputError, Unavailable
from schemas.messages import Order, Selector
from schemas.records import load_records
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.outcomes import Erased
from streams.rights.reference_job.store import SqliteStore
from tests.support.company import model
from tests.support.kinds import KINDS

KARI = [("customer_number", "K-100200")]
OLA = [("customer_number", "K-300400")]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTACT = ["Invoice.name", "Invoice.email", "Invoice.phone"]
WHOLE = [f"Invoice.{field.name}" for field in load_records()["Invoice"].fields if field.personal]

ASSIGNED = tuple(
    f"AddressAssignment.{field.name}"
    for field in load_records()["AddressAssignment"].fields
    if field.personal
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "billing.sqlite", model().records, KINDS)
    for number, owner, name in (("F-1", "K-100200", "Kari Nordlie"), ("F-2", "K-300400", "Ola Berg")):
        made.put(
            "Invoice",
            {
                "invoice_number": number,
                "customer_number": owner,
                "amount_ore": 100,
                "lines": [{"product": "Fiber", "amount_ore": 100}],
                "name": name,
                "email": f"{name.split()[0].lower()}@example.no",
                "issued_at": NOW,
            },
        )
    yield made
    made.close()


def test_named_fields_go_and_the_record_stays(store: SqliteStore) -> None:
    """Contact details are emptied, the account of the sale remains, the next customer is untouched."""
    assert store.erase(KARI, ["C-01"], CONTACT) == Erased(1)
    assert store.count(KARI) == 1
    assert store.count([("email", "kari@example.no")]) == 0
    assert store.count([("email", "ola@example.no")]) == 1
    assert store.erase(KARI, ["C-01"], CONTACT) == Erased(0)


def test_an_address_with_a_time_erases_that_second_only(tmp_path: Path) -> None:
    """Another second was another person's, and so was another port of that second."""
    store = SqliteStore(tmp_path / "web.sqlite", model().records, KINDS)
    address, second = "192.0.2.7", timedelta(seconds=1)
    for at, port in ((NOW, 1500), (NOW + second / 2, 2500), (NOW + second, 1500), (NOW - second, 1500)):
        store.put("WebVisit", {"client_address": address, "client_port": port, "occurred_at": at})
    everything = [f"WebVisit.{field.name}" for field in load_records()["WebVisit"].fields if field.personal]
    assert store.count([("ip", address)]) == 4
    behind = Named("ip", address, NOW.astimezone(timezone(timedelta(hours=2))), 2500)
    assert store.erase([behind], ["C-21"], everything) == Erased(1)
    assert store.erase([Named("ip", address, NOW)], ["C-21"], everything) == Erased(1)
    assert store.count([("ip", address)]) == 2
    store.close()


def test_a_record_of_which_every_personal_field_goes_is_deleted(store: SqliteStore, tmp_path: Path) -> None:
    """The row is gone, and so are its bytes, from the file and from its log."""
    assert store.erase(KARI, ["C-01", "C-06", "C-07"], WHOLE) == Erased(1)
    assert (store.count(KARI), store.count(OLA)) == (0, 1)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ola@example.no" in content
    for value in (b"kari@example.no", b"Kari Nordlie", b"k-100200"):
        assert value not in content


def test_an_errand_is_done_once(store: SqliteStore) -> None:
    """The second time the first outcome comes back, although there is new data by now."""
    first = store.erase(KARI, ["C-01"], CONTACT, once="r/billing#1", now=NOW)
    store.put("Invoice", {"invoice_number": "F-3", "customer_number": "K-100200", "email": "kari@example.no"})
    assert store.erase(KARI, ["C-01"], CONTACT, once="r/billing#1") == first == Erased(1, at=NOW)
    assert store.count([("email", "kari@example.no")]) == 1


def test_of_a_record_of_another_only_the_mention_goes(tmp_path: Path) -> None:
    """The callee's number leaves the caller's call record; the call stays the caller's."""
    store = SqliteStore(tmp_path / "flow.sqlite", model().records, KINDS)
    store.put("TrafficRecord", {"kind": "call", "caller": "+47 40000001", "callee": "+4740000002"})
    fields = [
        f"TrafficRecord.{field.name}" for field in load_records()["TrafficRecord"].fields if field.personal
    ]
    assert store.erase([("phone", "40000002")], ["C-15", "C-16"], fields) == Erased(1)
    assert store.count([("phone", "+4740000001")]) == 1
    assert store.count([("phone", "+4740000002")]) == 0
    store.close()


def test_only_the_events_that_an_order_selects_go(tmp_path: Path) -> None:
    """What operation needed is deleted; what is kept for the police alone stays to the last field."""
    store = SqliteStore(tmp_path / "aaa.sqlite", model().records, KINDS)
    for session, purpose in (
        ("s-1", "operations"),
        ("s-2", "retention"),
        ("s-3", "operations"),
        ("s-4", None),
    ):
        report = {"session_id": session, "customer_number": "K-100200", "purpose": purpose}
        store.put("AddressAssignment", {**report, "occurred_at": NOW})
    order = Order("AddressAssignment", ("C-17",), ASSIGNED, Selector("purpose", ("operations",)))
    assert store.erase(KARI, [], [], orders=[order]) == Erased(2)
    assert store.count(KARI) == 2
    # With the fields listed for jobs that know no orders, the order still decides.
    assert store.erase(KARI, ["C-17"], list(ASSIGNED), orders=[order]) == Erased(0)
    with_empty = replace(order, where=Selector("purpose", ("operations",), or_empty=True))
    assert store.erase(KARI, [], [], orders=[with_empty]) == Erased(1)
    assert store.count(KARI) == 1
    strange = replace(order, where=Selector("store", ("operations",)))
    with pytest.raises(InputError, match="store"):
        store.erase(KARI, [], [], orders=[strange])
    store.close()


def test_what_the_store_holds_back_is_counted_and_stays(store: SqliteStore) -> None:
    """A dispute in the system itself: nothing of that row goes, and the ground is told."""
    assert store.hold(KARI, "Invoice", "T18", date(2029, 3, 5)) == 1
    assert store.erase(KARI, ["C-01"], CONTACT) == Erased(0, 1, "T18", date(2029, 3, 5))
    assert store.count([("email", "kari@example.no")]) == 1


def test_no_fields_means_all_fields_of_the_categories(store: SqliteStore) -> None:
    """As the command's schema says."""
    assert store.erase(KARI, ["C-01"], []) == Erased(1)
    assert store.count([("email", "kari@example.no")]) == 0
    assert store.count(KARI) == 1


@pytest.mark.parametrize("field", ["Invoice.nickname", "Unheard.name"])
def test_a_field_nobody_knows_is_refused(store: SqliteStore, field: str) -> None:
    """Nothing is erased then: half an errand is none."""
    with pytest.raises(InputError):
        store.erase(KARI, ["C-01"], [*CONTACT, field])
    assert store.count([("email", "kari@example.no")]) == 1


def test_a_store_that_fails_says_so(store: SqliteStore, tmp_path: Path) -> None:
    """A table that another hand removed: one line without values."""
    other = sqlite3.connect(tmp_path / "billing.sqlite")
    other.execute("DROP TABLE _outcomes")
    other.commit()
    other.close()
    with pytest.raises(Unavailable, match=r"billing\.sqlite"):
        store.erase(KARI, ["C-01"], CONTACT, once="r/billing#1")
    assert store.count([("email", "kari@example.no")]) == 1


def test_an_errand_counts_every_record_once_in_all_attempts(store: SqliteStore) -> None:
    """What had nothing to lose counts as well, and what an earlier attempt emptied: none of it holds the fields now."""
    store.put("Invoice", {"invoice_number": "F-3", "customer_number": "K-100200"})
    assert store.erase(KARI, ["C-01"], CONTACT, once="r/billing#1").erased == 2
    store.put("Invoice", {"invoice_number": "F-4", "customer_number": "K-100200", "email": "kari@example.no"})
    assert store.erase(KARI, ["C-01"], CONTACT, once="r/billing#2").erased == 3
    assert store.erase(KARI, ["C-01"], CONTACT, once="s/billing#1").erased == 3
