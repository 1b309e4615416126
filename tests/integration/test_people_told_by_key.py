"""What has run out of a person by a clock of theirs goes by its own key where no identifier names it, up to the day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.calendars import NORWEGIAN
from schemas.layers import MODEL
from schemas.records import RecordSchema, load_records, read_record
from streams.answers.clocks import Clocks
from streams.answers.keeping import Keeping
from streams.identity.values import RecordKey
from streams.rights.protocol.messages import Named, opened
from streams.rights.protocol.request import RequestState, State
from tests.support.approved_rules import approve_rules
from tests.support.index import empty, memory_index, running, sql_index
from tests.support.office import Office

KARI, OLA = "k-100200", "k-300400"
OCTOBER, NOVEMBER = datetime(2026, 10, 15, 12, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO, ENDED = datetime(2019, 5, 1, 12, tzinfo=UTC), NOVEMBER - timedelta(days=100)
DAY = timedelta(days=1)


def with_keys() -> Mapping[str, RecordSchema]:
    """The records of the model company, in which a visit has a key and is kept as long as the customer's data."""
    schema = json.loads((MODEL / "avro" / "web_visit.avsc").read_text("utf-8"))
    schema["innsyn"]["retention"] = ["T30", "T20"]
    key = {"category": "C-10", "record_key": True}
    schema["fields"].append({"name": "visit_id", "type": ["null", "string"], "default": None, "innsyn": key})
    return {**load_records(), "WebVisit": read_record(schema, "web_visit.avsc")}


def visit(at: datetime, key: str | None, cookie: str = "c-kari") -> dict[str, Any]:
    usual = {"client_address": "192.0.2.99", "page": "/", "method": "GET", "cookie_consent": "all"}
    return {**usual, "visit_id": key, "cookie_id": cookie, "occurred_at": at}


class Leaving(Office):
    """Kari's contract has ended, Ola's has not; October is when they logged in, which alone names their cookies."""

    def begin(self) -> None:
        self.jobs_answer = True
        self.serve(Keeping(Clocks(self.index.clocks, NORWEGIAN)))
        approve_rules(self.service, self.now)
        now, self.now = self.now, OCTOBER
        for name in ("kari", "ola"):
            login = {
                "username": name,
                "cookie_id": f"c-{name}",
                "client_address": "192.0.2.1",
                "result": "ok",
            }
            self.put("web.logins", {**login, "occurred_at": LONG_AGO})
        self.now = now
        for number, name in ((KARI, "kari"), (OLA, "ola")):
            said = {"customer_number": number, "username": name, "name": name.title()}
            self.put("crm.customers", {**said, "updated_at": LONG_AGO - DAY})
            bought = {"contract_id": name, "customer_number": number, "product": "Fiber"}
            self.put("orders.contracts", {**bought, "kind": "started", "occurred_at": LONG_AGO - DAY})
        ended = {"contract_id": "kari", "customer_number": KARI, "product": "Fiber", "kind": "ended"}
        self.put("orders.contracts", {**ended, "occurred_at": ENDED})
        self.keyring.destroy("identifiers-2026-10")

    def expire(self) -> tuple[RequestState, list[Named | RecordKey]]:
        """The request that begins by itself, as it ends, and what the web was told."""
        (made,) = self.service.expire_people(self.now, 10).requests
        self.deliver()
        (command,) = [item for item in self.commands if item["system"] == "web"]
        told = opened(command, self.keyring.systems.job("web").current)
        return self.service.get(made.request_id), told

    def visits(self) -> list[tuple[str, str]]:
        """The visits that the web has: key and cookie."""
        rows = self.stores["web"]._connection.execute(
            'SELECT visit_id, cookie_id FROM "WebVisit" ORDER BY 1, 2'
        )
        return [(str(key), str(cookie)) for key, cookie in rows]


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leaving]:
    with ExitStack() as stack:
        index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            index = sql_index(empty(database))
        made = Leaving(tmp_path, index, stack, with_keys(), sealing=True)
        made.begin()
        yield made


def keys(told: list[Named | RecordKey]) -> list[str]:
    return [item.value for item in told if isinstance(item, RecordKey)]


def test_a_record_that_ran_out_and_that_nothing_else_names_goes_by_its_key(office: Leaving) -> None:
    """Two events of one visit are one record."""
    first = LONG_AGO + timedelta(hours=1)
    office.put(
        "web.visits", visit(first, "V-1"), visit(first, "V-2"), visit(first + timedelta(hours=1), "V-2")
    )
    office.put("web.visits", visit(first, "V-3", "c-ola"))
    request, told = office.expire()
    assert keys(told) == ["V-2", "V-1"]
    assert office.visits() == [("V-3", "c-ola")]
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.by_key, web.by_link, web.erased) == (3, 2, 0, 4)
    assert request.state is State.COMPLETED


def test_a_record_that_was_changed_since_is_not_told_by_its_key(office: Leaving) -> None:
    """Its newest event has not run out, so the system keeps it as it is."""
    first = LONG_AGO + timedelta(hours=1)
    office.put("web.visits", visit(first, "V-1"), visit(first, "V-2"), visit(NOVEMBER - DAY, "V-2"))
    request, told = office.expire()
    assert keys(told) == ["V-1"]
    assert ("V-2", "c-kari") in office.visits()
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.by_key, web.by_link) == (2, 1, 0)
