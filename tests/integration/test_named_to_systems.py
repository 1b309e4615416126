"""Who is erased by a customer number alone goes from every system, by what that system knows; nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.policy import RetentionAnchors
from streams.rights.protocol.messages import Named, opened
from streams.rights.protocol.states import RequestState, State
from tests.support.index import empty, memory_index, running, sql_index
from tests.support.kinds import KINDS
from tests.support.office import Office

KARI, OLA = ("customer_number", "k-100200"), ("customer_number", "k-300400")
DAY = datetime(2026, 11, 15, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))
SHARED, LEASED, TRANSLATED = "203.0.113.24", "203.0.113.25", "198.51.100.7"
INSIDE, BESIDE = "2001:db8:42::7", "2001:db8:42:100::7"


def at(hour: int, minute: int = 0) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute)


def report(kind: str, hour: int, name: str, number: str, **said: Any) -> dict[str, Any]:
    """What an access server or a translator says of a session."""
    usual = {"kind": kind, "nas": "bras1", "session_id": f"{name}-{number}", "source": "radius"}
    return {**usual, "purpose": "operations", "username": name, "occurred_at": at(hour), **said}


def visit(hour: int, minute: int, **said: Any) -> dict[str, Any]:
    usual = {"client_address": "192.0.2.1", "page": "/", "method": "GET", "cookie_consent": "all"}
    return {**usual, "cookie_id": None, "occurred_at": at(hour, minute), **said}


def register(office: Office) -> None:
    """Two customers, each known by more than their number."""
    for (_, number), name in ((KARI, "kari"), (OLA, "ola")):
        person = {"customer_number": number, "username": name, "name": name.title(), "phone": PHONES[name]}
        office.put("crm.customers", {**person, "updated_at": DAY - timedelta(days=30)})
        box = {"customer_number": number, "device_serial": SERIALS[name], "event": "delivered"}
        office.put("provisioning.equipment", {**box, "model": "TV", "occurred_at": DAY - timedelta(days=20)})
        login = {"username": name, "cookie_id": f"c-{name}", "client_address": "192.0.2.99", "result": "ok"}
        office.put("web.logins", {**login, "occurred_at": at(1)})
        chat = {"customer_number": number, "chat_handle": f"chat-{name}", "sent_at": at(1), "text": "hei"}
        office.put("support.chats", {**chat, "session_id": "s-1", "sender": "person"})


SERIALS = {"kari": "STB-2219-004417", "ola": "STB-2219-004980"}
PHONES = {"kari": "+4740000001", "ola": "+4740000002"}


def network(office: Office) -> None:
    """An address of the one and an hour later of the other, a shared one by ports, and prefixes side by side."""
    office.put(
        "network.assignments",
        report("start", 9, "kari", "1", address=SHARED),
        report("stop", 10, "kari", "1", address=SHARED, session_seconds=3600),
        report("start", 11, "ola", "1", address=SHARED),
        report("stop", 12, "ola", "1", address=SHARED, session_seconds=3600),
    )
    for name, low in (("kari", 1000), ("ola", 2000)):
        block = {"address": TRANSLATED, "port_from": low, "port_to": low + 999, "source": "cgnat"}
        office.put(
            "network.assignments",
            report("alloc", 9, name, "2", **block),
            report("release", 18, name, "2", **block),
        )
    for name, prefix in (("kari", "2001:db8:42::/56"), ("ola", "2001:db8:42:100::/56")):
        office.put(
            "network.assignments",
            report("start", 9, name, "3", delegated_prefix=prefix),
            report("stop", 18, name, "3", delegated_prefix=prefix, session_seconds=9 * 3600),
        )


def use(office: Office) -> None:
    """What nobody's customer number stands in."""
    office.put("web.visits", visit(9, 30, client_address=SHARED), visit(11, 30, client_address=SHARED))
    for name, port, address in (("kari", 1500, INSIDE), ("ola", 2500, BESIDE)):
        office.put(
            "web.visits",
            visit(10, 15, client_address=TRANSLATED, client_port=port),
            visit(10, 20, client_address=address),
            visit(13, 0, cookie_id=f"c-{name}"),
        )
        sms = {"kind": "sms", "caller": PHONES[name], "callee": "+4740000009", "occurred_at": at(14)}
        office.put("network.traffic", sms)
        chat = {"chat_handle": f"chat-{name}", "session_id": "s-2", "sender": "person", "text": "og en ting"}
        office.put("support.chats", {**chat, "sent_at": at(16)})


def bill(office: Office) -> None:
    for _, number in (KARI, OLA):
        invoice = {"customer_number": number, "invoice_number": f"F-{number}", "amount_ore": 1, "lines": []}
        office.put("billing.invoices", {**invoice, "due_date": DAY.date(), "issued_at": at(2)})


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            index = sql_index(empty(database))
        made = Office(tmp_path, index, stack, sealing=True)
        for part in (register, network, use, bill):
            part(made)
        yield made


def rows(office: Office) -> dict[tuple[str, str], list[str]]:
    """Every row of every system, as text, by system and record."""
    found: dict[tuple[str, str], list[str]] = {}
    for system, store in office.stores.items():
        connection = store._connection
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in (name for name in names if name in office.records):
            found[system, name] = sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
    return found


def of_kari(row: str) -> bool:
    marks = (
        KARI[1],
        "kari",
        "Kari",
        PHONES["kari"],
        SERIALS["kari"],
        INSIDE,
        "1500",
        "1000",
        "2001:db8:42::/56",
    )
    return (
        any(mark in row for mark in marks)
        or (SHARED in row and "T09:" in row)
        or (SHARED in row and "T10:00" in row)
    )


def told(office: Office, system: str) -> list[Named]:
    (command,) = [item for item in office.commands if item["system"] == system]
    found = opened(command, office.keyring.systems.job(system).current)
    return [item for item in found if isinstance(item, Named)]


def erased(office: Office) -> RequestState:
    return office.erase(KARI, anchors=GONE)


def test_nothing_of_the_person_stays_but_what_is_held(office: Office) -> None:
    """Reached by an address at a time, ports, a prefix, a cookie, a phone, a serial and a handle: all of it is gone."""
    before = rows(office)
    request = erased(office)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    after = rows(office)
    for where, kept in after.items():
        mine = [row for row in before[where] if of_kari(row)]
        assert mine
        if where == ("billing", "Invoice"):
            assert len(kept) == len(before[where])
        else:
            assert kept == [row for row in before[where] if not of_kari(row)], where
    assert all(command.by_link == 0 for command in request.commands.values())


def test_a_system_is_told_what_its_records_know_and_no_more(office: Office) -> None:
    """The web gets addresses with their time, ports and proof, and no phone; billing has no use for an address."""
    erased(office)
    assert told(office, "billing") == [
        Named(*KARI),
        Named("phone", PHONES["kari"], since=DAY - timedelta(days=30), until=office.now, proof="holder"),
    ]
    web = told(office, "web")
    assert {item.kind for item in web} == {"customer_number", "username", "cookie_id", "ip"}
    leased = Named("ip", SHARED, since=at(9), until=at(10), proof="subscriber")
    assert {item for item in web if item.kind == "ip"} == {
        leased,
        leased._replace(value="2001:db8:42::/56", until=at(18), prefix=True),
        leased._replace(value=TRANSLATED, until=at(18), ports=(1000, 1999)),
    }


def test_a_guest_who_is_named_at_the_persons_address_stays(office: Office) -> None:
    """Ola logs in over Kari's line: what the system left out shows, and a person looks."""
    guest = {"username": "ola", "cookie_id": "c-guest", "client_address": SHARED, "result": "failed"}
    office.put("web.logins", {**guest, "occurred_at": at(9, 40)})
    before = rows(office)["web", "Login"]
    request = erased(office)
    assert rows(office)["web", "Login"] == [row for row in before if not of_kari(row) or "ola" in row]
    assert request.state is State.ATTENTION
    assert any("web: planned 6, reported 5 erased" in line for line in request.problems)


def test_with_the_key_destroyed_the_request_says_what_cannot_be_named(office: Office) -> None:
    """Nothing is told but what was given, and it does not complete: the rest is told in numbers."""
    office.keyring.destroy("identifiers-2026-11")
    request = erased(office)
    assert told(office, "web") == [Named(*KARI)]
    assert request.state is State.ATTENTION
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.by_link, web.erased) == (5, 5, 0)
    assert any("by link only" in line for line in request.problems)


def test_who_is_asked_about_by_an_address_at_a_time_is_erased_everywhere(office: Office) -> None:
    """The customer number is one of the things that links find, and told as if it had been given."""
    moment = at(9, 30)
    made = office.service.create(
        "erasure",
        [Named("ip", SHARED, moment)],
        reason=None,
        channel="test",
        received_at=office.now,
        anchors=GONE,
    )
    office.deliver()
    request = office.service.get(made.request_id)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert Named(*KARI) in told(office, "billing")
    assert office.stored("crm", KARI) == 0
    assert office.stored("crm", OLA) == 1


def test_what_was_told_is_read_back_and_nothing_of_it_is_in_clear(office: Office) -> None:
    """Neither in the ledger, nor in the commands, nor in what the index keeps."""
    erased(office)
    written = (
        repr(office.ledger.stored)
        + repr(office.commands)
        + repr([batch.identifiers for batch in office.written])
    )
    for value in (SHARED, PHONES["kari"], "c-kari", "2001:db8:42"):
        assert value not in written


def test_the_index_keeps_of_the_person_what_names_what_is_held(office: Office) -> None:
    """The invoice is held: the customer number stays sealed for the day it goes. Ola's are all there."""
    tokenizer = office.keyring.tokenizer()

    def kept(*identifiers: tuple[str, str]) -> list[str]:
        tokens = {tokenizer.token(KINDS[kind], value): value for kind, value in identifiers}
        found = office.index.identifiers.sealed(list(tokens))["token"].to_pylist()
        return sorted(tokens[token] for token in found)

    mine = [KARI, ("phone", PHONES["kari"]), ("cookie_id", "c-kari"), ("username", "kari"), ("ip", SHARED)]
    theirs = [OLA, ("phone", PHONES["ola"]), ("cookie_id", "c-ola"), ("username", "ola"), ("ip", TRANSLATED)]
    assert len(kept(*mine)) == len(mine)
    erased(office)
    assert kept(*mine) == [SHARED, KARI[1]]
    assert len(kept(*theirs)) == len(theirs)
