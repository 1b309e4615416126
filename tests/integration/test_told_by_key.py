"""A record that nothing names which its system can be told is told by its own key, and goes; nobody else's does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.layers import MODEL
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records, read_record
from streams.identity.values import RecordKey
from streams.rights.protocol.messages import Named, opened
from streams.rights.protocol.states import RequestState, State
from tests.support.index import empty, memory_index, running, sql_index
from tests.support.office import Office

KARI = ("customer_number", "k-100200")
OCTOBER, NOVEMBER = datetime(2026, 10, 15, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


def with_keys() -> Mapping[str, RecordSchema]:
    """The records of the model company, in which a visit has a key."""
    schema = json.loads((MODEL / "avro" / "web_visit.avsc").read_text("utf-8"))
    key = {"category": "C-21", "record_key": True}
    schema["fields"].append({"name": "visit_id", "type": ["null", "string"], "default": None, "innsyn": key})
    return {**load_records(), "WebVisit": read_record(schema, "web_visit.avsc")}


def visit(minute: int, key: str | None, cookie: str | None = "c-kari", **said: Any) -> dict[str, Any]:
    at = NOVEMBER + timedelta(minutes=minute)
    usual = {"client_address": "192.0.2.99", "page": "/", "method": "GET", "cookie_consent": "all"}
    return {**usual, "visit_id": key, "cookie_id": cookie, "occurred_at": at, **said}


def login(name: str, at: datetime) -> dict[str, Any]:
    said = {"username": name, "cookie_id": f"c-{name}", "client_address": "192.0.2.1", "result": "ok"}
    return {**said, "occurred_at": at}


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """In October Kari logged in, which ties her cookie to her; in November the cookie alone came, and Ola's."""
    with ExitStack() as stack:
        index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            index = sql_index(empty(database))
        made = Office(tmp_path, index, stack, with_keys(), sealing=True)
        now, made.now = made.now, OCTOBER + timedelta(hours=1)
        for number, name in ((KARI[1], "kari"), ("k-300400", "ola")):
            person = {"customer_number": number, "username": name, "name": name.title()}
            made.put("crm.customers", {**person, "updated_at": OCTOBER - timedelta(days=30)})
            made.put("web.logins", login(name, OCTOBER))
        made.now = now
        made.put("web.visits", visit(1, "V-1"), visit(2, "V-2"), visit(3, "V-2"), visit(4, "V-3", "c-ola"))
        yield made


def visits(office: Office) -> list[str]:
    """The keys of the visits that the web has."""
    rows = office.stores["web"]._connection.execute('SELECT visit_id FROM "WebVisit" ORDER BY 1')
    return [str(key) for (key,) in rows]


def erased(office: Office) -> tuple[RequestState, list[Named | RecordKey]]:
    """The request, and what the web was told; what named the cookie is gone with the key of its month."""
    office.keyring.destroy("identifiers-2026-10")
    request = office.erase(KARI, anchors=GONE)
    (command,) = [item for item in office.commands if item["system"] == "web"]
    return request, opened(command, office.keyring.systems.job("web").current)


def test_a_record_reached_by_nothing_else_is_erased_by_its_key(office: Office) -> None:
    """Two events of one visit are one record; the login has no key, so it is told in numbers, and a person looks."""
    request, told = erased(office)
    assert told[0] == Named(*KARI)
    assert told[1:] == [RecordKey("WebVisit", "visit_id", key) for key in ("V-2", "V-1")]
    assert visits(office) == ["V-3"]
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.by_key, web.by_link, web.erased) == (3, 2, 1, 3)
    assert request.state is State.ATTENTION
