"""A person erased from PostgreSQL, files and a compacted topic by the SDK's jobs, each a process, some of them killed.
Some stores know the person by an address at a time, a cookie, a phone or a case number alone.

INNSYN_TEST_KILLS=50 kills fifty times instead of three.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgresql import server
from tests.support.product import innsyn, up
from tests.support.real_jobs import Jobs, Stores, anywhere, fill, ingested, on_disk, rolled, state
from tests.support.time_bounds import await_that

pytestmark = pytest.mark.kafka

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
KARI, OLA = "700104", "700105"
SHARED = "203.0.113.24"
PEOPLE = {KARI: ("kari", "+4740000101", "cookie-of-kari"), OLA: ("ola", "+4740000202", "cookie-of-ola")}
KILLS = int(os.environ.get("INNSYN_TEST_KILLS", "3"))


def at(hour: int, minute: int = 0) -> str:
    return (DAY + timedelta(hours=hour, minutes=minute)).isoformat().replace("+00:00", "Z")


STORES = Stores(
    tables={
        "crm": ("CustomerDetails", "SupportCase"),
        "aaa": ("AddressAssignment",),
        "billing": ("Invoice",),
        "contact_centre": ("CaseNote",),
    },
    lines="Login",
    parquet="WebVisit",
    compacted=("flow_collector", "TrafficRecord"),
    nobodys={"kind": "dns", "occurred_at": at(15)},
)


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    """The two, an address that was the one's and an hour later the other's, and what each left without a number."""
    for number, (name, phone, cookie) in PEOPLE.items():
        hour = 9 if number == KARI else 11
        person = {"customer_number": number, "username": name, "name": f"Name-{name}", "phone": phone}
        yield "CustomerDetails", {**person, "updated_at": at(0)}
        session = {"nas": "bras1", "session_id": f"s-{name}", "source": "radius", "purpose": "operations"}
        session |= {"username": name, "address": SHARED}
        yield "AddressAssignment", {**session, "kind": "start", "occurred_at": at(hour)}
        yield (
            "AddressAssignment",
            {**session, "kind": "stop", "session_seconds": 3600, "occurred_at": at(hour + 1)},
        )
        login = {"username": name, "cookie_id": cookie, "client_address": "192.0.2.99", "result": "ok"}
        yield "Login", {**login, "occurred_at": at(1)}
        visit = {"method": "GET", "cookie_consent": "all", "status": 200}
        yield (
            "WebVisit",
            {**visit, "page": f"/at-address-{name}", "client_address": SHARED, "occurred_at": at(hour, 30)},
        )
        yield "WebVisit", {
            **visit, "page": f"/with-cookie-{name}", "client_address": "192.0.2.1", "cookie_id": cookie,
            "occurred_at": at(13),
        }  # fmt: skip
        yield (
            "TrafficRecord",
            {"kind": "sms", "caller": phone, "callee": "+4740000909", "occurred_at": at(14)},
        )
        case = f"S-of-{name}"
        opened = {"case_number": case, "customer_number": number, "reason": "fault", "notes": "-"}
        yield "SupportCase", {**opened, "opened_at": at(3)}
        note = {"note_id": f"N-{name}", "case_number": case, "text": f"/noted-on-case-of-{name}"}
        yield "CaseNote", {**note, "written_at": at(4)}
        invoice = {"invoice_number": f"F-{name}", "customer_number": number, "amount_ore": 100, "lines": []}
        yield "Invoice", {**invoice, "due_date": DAY.date().isoformat(), "issued_at": at(2)}


def test_a_person_goes_from_three_kinds_of_stores(home: Path) -> None:
    """But for the held invoice; the neighbour on the same address an hour later has everything."""
    folder = home.parent / "jobs"
    folder.mkdir()
    rng = random.Random(20261127)
    with ExitStack() as stack:
        database = stack.enter_context(server())
        running = stack.enter_context(up(home))
        ingested(folder, home, [*events()])
        fill(folder, running, database, STORES, [*events()])
        person = {number: {"kind": "customer_number", "value": number} for number in PEOPLE}
        await_that(
            lambda: running.events(person[KARI]) == running.events(person[OLA]) == 10, "all events tagged"
        )
        jobs = Jobs(folder, running, database, STORES)
        stack.callback(jobs.end)
        for system in STORES.systems:
            jobs.start(system)
        words = ("erase", "--yes", "--json", "--id", f"customer_number={KARI}")
        asked = innsyn(home, *words, "--clock", "contract_end=2020-01-31")
        assert asked.status in (0, 1), asked.err
        request = json.loads(asked.out)["request_id"]
        for _ in range(KILLS):
            system = rng.choice(STORES.systems)
            time.sleep(rng.uniform(0.0, 1.0))
            jobs.kill(system)
            jobs.start(system)
        await_that(lambda: state(running, request) == "completed", "the request completes")
        assert running.events(person[OLA]) == 10
        found = json.loads(innsyn(home, "lookup", "--json", "--id", f"customer_number={KARI}").out)
        assert {(item["topic"], item["system"]) for item in found["items"]} == {
            ("billing.invoices", "billing")
        }, found
        kafka = {"bootstrap.servers": running.run["bootstrap"]}
        for name, phone, cookie in PEOPLE.values():
            marks = [f"/at-address-{name}", f"/with-cookie-{name}", f"/noted-on-case-of-{name}"]
            marks += [f"S-of-{name}", cookie, f"Name-{name}", phone]
            assert anywhere(database, folder / "web", marks) == ({*marks} if name == "ola" else set())
        await_that(lambda: rolled(home, kafka, STORES, PEOPLE[KARI][1]), "the topic is compacted")
        assert on_disk(home, STORES, PEOPLE[OLA][1])
        with database.connect() as connection:
            query = 'SELECT invoice_number FROM billing."Invoice" ORDER BY 1'
            assert [row[0] for row in connection.execute(query).fetchall()] == ["F-kari", "F-ola"]
        assert all(jobs.kill(system, signal.SIGTERM) == 0 for system in STORES.systems)
        assert running.end(signal.SIGTERM) == 0, running.output.read_text()
