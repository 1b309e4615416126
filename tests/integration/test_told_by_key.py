"""A record that nothing names which its system can be told is told by its own key, and goes; nobody else's does."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.layers import MODEL
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records, read_record
from schemas.vocabulary import ToldBy
from streams.identity.values import RecordKey
from streams.rights.protocol.messages import Named, opened
from streams.rights.protocol.rights_commands import opened_command
from streams.rights.protocol.states import RequestState, State, summary
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
        made = Office(tmp_path, index, stack, with_keys(), sealing=True, copying=["web"])
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


def asked(office: Office, right: str, **more: Any) -> tuple[RequestState, list[Named | RecordKey]]:
    """The request, carried out by the jobs, and what the web was told."""
    office.jobs_answer = True
    office.keyring.destroy("identifiers-2026-10")
    made = office.service.create(right, [KARI], reason=None, channel="test", received_at=office.now, **more)
    office.deliver()
    return office.service.get(made.request_id), told(office)


def told(office: Office) -> list[Named | RecordKey]:
    """What the newest command to the web names."""
    command = next(item for item in reversed(office.others) if item["system"] == "web")
    written = {name: value for name, value in command.items() if name != "topic"}
    return opened_command(written, office.keyring.systems.job("web").current)[0]


KEYS = [RecordKey("WebVisit", "visit_id", key) for key in ("V-2", "V-1")]


def test_a_copy_has_the_records_that_their_key_alone_names(office: Office) -> None:
    request, named = asked(office, "access")
    assert named == [Named(*KARI), *KEYS]
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.by_key, web.by_link) == (3, 2, 1)
    # The login has no key, so it is in no copy, and a person says that it is enough.
    (problem,) = request.problems
    assert "planned 1 Login, reported 0 copied: 1 of them are this person's by link only" in problem
    office.service.accept(request.request_id, "web", "looked there")
    office.deliver()
    file = io.BytesIO()
    office.service.bundle(request.request_id, file, "nb", frozenset(), lambda text: [])
    with zipfile.ZipFile(file) as archive:
        copies = [json.loads(archive.read(name)) for name in archive.namelist() if "web" in name]
    given = [item for copy in copies for item in copy["records"]]
    assert sorted(item["values"]["visit_id"] for item in given) == ["V-1", "V-2", "V-2"]
    assert {item["values"]["cookie_id"] for item in given} == {"c-kari"}


def restricted(office: Office) -> list[str]:
    """The keys of the visits that the web uses no more."""
    used = [str(row["visit_id"]) for row in office.stores["web"].usable("WebVisit", "P-WEB")]
    return sorted((Counter(visits(office)) - Counter(used)).elements())


def test_what_their_key_alone_names_is_restricted_and_freed(office: Office) -> None:
    request, named = asked(office, "restriction")
    assert named == [Named(*KARI), *KEYS]
    assert restricted(office) == ["V-1", "V-2", "V-2"]
    assert "tag_sets" not in str(summary(request))
    office.service.lift(request.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    assert (told(office), restricted(office)) == ([Named(*KARI), *KEYS], [])


def test_a_restriction_that_stands_is_told_anew_of_a_record_that_its_key_alone_names(office: Office) -> None:
    request, _ = asked(office, "restriction")
    office.service.accept(request.request_id, "web", "the login is restricted by hand")
    for name in request.to_notify:
        office.service.notify(request.request_id, name, ToldBy.EMAIL)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    office.put("web.visits", visit(5, "V-5"))
    office.service.recheck(office.now)
    office.service.resume()
    office.deliver()
    assert told(office)[1:] == [RecordKey("WebVisit", "visit_id", "V-5"), *KEYS]
    assert restricted(office) == ["V-1", "V-2", "V-2", "V-5"]


def test_what_their_key_alone_names_is_corrected(office: Office) -> None:
    _, named = asked(office, "rectification", corrections={"WebVisit.page": "/right"})
    assert named == [Named(*KARI), *KEYS]
    rows = office.stores["web"]._connection.execute('SELECT visit_id, page FROM "WebVisit" ORDER BY 1')
    assert dict(rows) == {"V-1": "/right", "V-2": "/right", "V-3": "/"}
