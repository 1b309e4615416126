"""Asking without leaving a record: who asked, what, about whom, and how much came of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from console.api.app import create_app
from console.api.protection.doors import caller_name
from console.api.protection.recorder import Recorder
from console.api.services import Services
from console.cli.ask import ask
from console.cli.main import app as command_line
from console.wiring.answering import token_keys
from schemas.asked_for import AskedFor
from schemas.catalogue import load_catalogue
from schemas.errors import IndexUnavailable, InputError
from schemas.keys import Keyring
from schemas.settings import load_settings
from sinks.memory.audit import MemoryAudit
from sinks.memory.index import MemoryIndex
from sinks.open import open_sinks
from sinks.ports.audit import AuditEntry, Looked
from tests.support.api import EMAIL, NOW, TOKEN, TOTAL
from tests.support.door import NOBODY, QUESTIONS, SOMEBODY, client, entries, made
from tests.support.instance import running
from tests.support.kinds import KINDS
from tests.support.time_bounds import HANGING_SECONDS, await_that

__all__ = ["made"]


class Full(MemoryAudit):
    """A record that cannot be written while `broken`."""

    broken = True

    def write(self, entries: Sequence[AuditEntry]) -> None:
        if self.broken:
            raise IndexUnavailable("the index failed while writing audit_log (error 243 of ClickHouse)")
        super().write(entries)


class Broken(MemoryIndex):
    """An index with a bug."""

    def find(self, *_: object, **__: object) -> Any:
        raise ZeroDivisionError(EMAIL)


# The record.


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_question_leaves_who_what_whom_and_how_much(
    made: Callable[..., Services], tmp_path: Path, path: str
) -> None:
    """Caller, address, kinds, the token of whom it was about, purpose, resolution, size; no value, no bearer token."""
    of = made()
    with client(of, **{"Innsyn-Purpose": "customer_service"}) as one:
        assert one.post(path, json=SOMEBODY).status_code == 200
    (found,) = entries(of)
    subject = Keyring(tmp_path).tokenizer().token(KINDS["email"], EMAIL)
    assert (found.caller, found.client, found.action) == (caller_name(TOKEN), "192.0.2.10", f"POST {path}")
    assert (found.kinds, found.identifiers, found.purpose) == (("email",), 1, "customer_service")
    assert (found.status, found.key_id) == (200, of.tokenizer.key_id if found.subjects else "")
    if path == "/v1/identity":
        assert (found.resolution, found.subjects, found.size) == ("none", (), 0)
    else:
        assert (found.resolution, found.subjects, found.size) == ("unique", (subject,), TOTAL)
    assert EMAIL not in repr(found)
    assert TOKEN not in repr(found)


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_question_about_nobody_is_recorded_too(made: Callable[..., Services], path: str) -> None:
    """Of whom nothing is held: resolution none, no subject; the attempt stays."""
    of = made()
    with client(of) as one:
        assert one.post(path, json=NOBODY).json()["resolution"] == "none"
    (found,) = entries(of)
    assert (found.resolution, found.subjects, found.kinds, found.status) == ("none", (), ("email",), 200)


def test_an_error_hides_no_question(made: Callable[..., Services]) -> None:
    """What is refused or fails is on record with its status; of what stood in a path or a method nothing is kept."""
    index = Broken()
    of = made(reader=index, identities=_identities(index))
    with client(of) as one:
        assert one.post("/v1/access", json=SOMEBODY).status_code == 500
        assert one.post("/v1/access", json={"identifiers": []}).status_code == 422
        assert one.post("/v1/access", content=b"{").status_code == 422
        assert one.get(f"/v1/access/{EMAIL}").status_code == 404
        assert one.request("KARI", "/v1/access").status_code == 405
        assert one.get("/v1/requests/kari-nordmann").status_code == 404
    found = [(item.action, item.kinds, item.status, item.request_id) for item in entries(of)]
    assert found == [
        ("POST /v1/access", ("email",), 500, ""),
        ("POST /v1/access", (), 422, ""),
        ("POST /v1/access", (), 422, ""),
        ("GET unknown", (), 404, ""),
        ("OTHER /v1/access", (), 405, ""),
        ("GET /v1/requests/{request_id}", (), 404, ""),
    ]


def test_a_client_that_leaves_early_is_recorded(made: Callable[..., Services]) -> None:
    """Its connection is gone before the answer, and its question is given up: it was asked all the same."""
    of = made()
    app = create_app(of)
    scope = {
        "type": "http", "method": "POST", "path": "/v1/access", "raw_path": b"/v1/access", "query_string": b"",
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode()), (b"content-type", b"application/json")],
        "client": ("192.0.2.10", 1), "server": ("innsyn", 80), "scheme": "http", "http_version": "1.1",
        "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    body = b'{"identifiers": [{"kind": "email", "value": "%b"}]}' % EMAIL.encode()
    said = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return said.pop() if said else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise ConnectionResetError

    async def asked() -> None:
        await app(scope, receive, send)

    with suppress(ConnectionResetError):
        asyncio.run(asked())
    await_that(lambda: len(entries(of)) == 1, "the question is on record")
    assert entries(of)[0].kinds == ("email",)


def test_no_answer_leaves_without_its_record(made: Callable[..., Services]) -> None:
    """Where the record cannot be written a question is refused, health says so, and it goes on by itself."""
    log = Full()
    of = made(recorder=Recorder(log, again=0.01))
    with client(of) as one:
        first = one.post("/v1/access", json=SOMEBODY)
        assert first.status_code == 503
        assert "entries" not in first.json()
        assert "not answered" in first.json()["detail"]
        second = one.post("/v1/lineage/query", json=SOMEBODY)
        assert second.status_code == 503
        assert "error 243 of ClickHouse" in second.json()["detail"]
        assert one.get("/v1/topics").status_code == 200
        (line,) = of.recorder.problems()
        assert "1 question not recorded yet" in line
        log.broken = False
        await_that(lambda: not of.recorder.problems(), "the record is written again")
        assert one.post("/v1/access", json=SOMEBODY).status_code == 200
    # The first was worked out and kept from who asked; the second was not even looked at.
    assert [(item.action, item.status) for item in entries(of)] == [("POST /v1/access", 200)] * 2


def test_what_was_done_and_not_recorded_says_so(made: Callable[..., Services]) -> None:
    """A request that is made while the record fails is there, and its answer does not say that it is not."""
    of = made(recorder=Recorder(Full(), again=0.01))
    with client(of) as one:
        answer = one.post("/v1/requests", json=SOMEBODY | {"type": "access"})
    assert answer.status_code == 503
    assert "may be done" in answer.json()["detail"]
    assert len(of.rights.requests()) == 1


def test_an_index_that_hangs_is_waited_for_so_long(made: Callable[..., Services]) -> None:
    """Then the question is refused, and so are those after it; what was lost behind the bound is counted."""
    release = threading.Event()

    class Hanging(MemoryAudit):
        def write(self, entries: Sequence[AuditEntry]) -> None:
            release.wait(HANGING_SECONDS)
            super().write(entries)

    recorder = Recorder(Hanging(), most=3, seconds=0.05)
    of = made(recorder=recorder)
    with client(of) as one:
        assert one.post("/v1/access", json=SOMEBODY).status_code == 503
        await_that(lambda: bool(recorder.problems()), "the record is not well")
        assert "has taken no entry for" in one.post("/v1/access", json=SOMEBODY).json()["detail"]
        for _ in range(5):
            recorder.put(AuditEntry(of.clock(), "log-in"))
        assert any("3 entries of the audit record were lost" in line for line in recorder.problems())
    release.set()
    await_that(lambda: len(entries(of)) == 3, "what waited is written")


def test_a_purpose_is_one_of_a_list(made: Callable[..., Services]) -> None:
    """Texts, line ends, markup and names as a purpose are refused in words of ours, and stand nowhere afterwards."""
    of = made()
    attacks = (
        "kari nordmann wants it", "billing\r\nX-Injected: 1", '"}\n{"event":"audit"', "[/b]x", "billing" * 2_000,
        "BILLING", "billing ", "",
    )  # fmt: skip
    with client(of) as one, capture_logs() as logs:
        for attack in attacks:
            raw = [(b"Innsyn-Purpose", attack.encode())]
            answer = one.post("/v1/access", json=SOMEBODY, headers=[*one.headers.raw, *raw])
            assert answer.status_code == 422, attack
            assert "Innsyn-Purpose: Input should be" in answer.json()["detail"]
            assert "X-Injected" not in answer.headers
            assert not attack or attack not in answer.text
    assert len(entries(of)) == len(attacks)
    assert {item.purpose for item in entries(of)} == {""}
    assert "nordmann" not in repr(logs)


def test_reading_the_record_is_recorded_and_pages_hold_each_entry_once(made: Callable[..., Services]) -> None:
    """GET /v1/audit, newest first; who reads it stands in it."""
    of = made()
    with client(of) as one:
        for _ in range(5):
            one.post("/v1/access", json=SOMEBODY)
        seen: list[dict[str, Any]] = []
        cursor = None
        while True:
            parameters = {"limit": "2", "action": "POST /v1/access"} | ({"cursor": cursor} if cursor else {})
            page = one.get("/v1/audit", params=parameters).json()
            seen += page["items"]
            if not (cursor := page["next_cursor"]):
                break
        assert len(seen) == 5
        (subject,) = seen[0]["subjects"]
        assert len(one.get("/v1/audit", params={"subject": subject}).json()["items"]) == 5
        assert one.get("/v1/audit", params={"subject": "0" * 12}).json()["items"] == []
        assert one.get("/v1/audit", params={"subject": EMAIL}).status_code == 422
        newest = one.get("/v1/audit", params={"limit": "1"}).json()["items"][0]
    assert (newest["action"], newest["caller"]) == ("GET /v1/audit", caller_name(TOKEN))
    assert EMAIL not in repr(seen)


def test_what_is_done_to_a_request_names_it(made: Callable[..., Services]) -> None:
    """Made, read, cancelled: each with its id and the tokens of whom it is about."""
    of = made()
    with client(of) as one:
        made_id = one.post("/v1/requests", json=SOMEBODY | {"type": "access"}).json()["request_id"]
        one.get(f"/v1/requests/{made_id}")
        one.post(f"/v1/requests/{made_id}/cancel", json={"reason": "kari took it back"})
        one.get("/v1/requests")
    found = [(item.action, item.request_id, bool(item.subjects)) for item in entries(of)]
    assert found == [
        ("POST /v1/requests", made_id, True),
        ("GET /v1/requests/{request_id}", made_id, True),
        ("POST /v1/requests/{request_id}/cancel", made_id, True),
        ("GET /v1/requests", "", False),
    ]


def _identities(index: MemoryIndex) -> Any:
    from streams.identity.identities import Identities

    return Identities(index, load_catalogue().identity_sources)


def test_a_command_on_an_index_that_nobody_has_open_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the API there is no way either: who ran it, what, about nobody; before the answer is printed."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    settings = load_settings()
    sinks = open_sinks(settings)
    sinks.upkeep.migrate(NOW)
    token_keys(sinks, settings).prove(make=True)
    sinks.close()
    answer = ask("access", NOBODY, AskedFor.CUSTOMER_SERVICE)
    assert answer["resolution"] == "none"
    with pytest.raises(InputError):
        ask("query", NOBODY | {"systems": ["none-such"]})
    sinks = open_sinks(settings)
    try:
        found = [*reversed(sinks.audit.find(Looked(), 10))]
    finally:
        sinks.close()
    assert [(item.action, item.kinds, item.purpose, item.resolution, item.status) for item in found] == [
        ("command access", ("email",), "customer_service", "none", 200),
        ("command query", ("email",), "", "", 500),
    ]
    assert {item.caller.partition(" ")[0] for item in found} == {"user"}


def test_the_command_line_shows_the_record(
    made: Callable[..., Services],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`innsyn audit` shows who asked what about whom; what an entry holds is never read as markup."""
    of = made()
    odd = AuditEntry(NOW, "GET unknown", caller="[/b]x", client="2001:db8::7", status=404)
    of.recorder.put(odd).result(HANGING_SECONDS)
    with running(tmp_path / "home", of):
        monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
        ask("access", SOMEBODY, AskedFor.BILLING)
        with pytest.raises(SystemExit) as ended:
            command_line(["audit", "--limit", "10"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for text in ("[/b]x", "2001:db8::7", "POST /v1/access", "email", "billing", "127.0.0.1", "404"):
        assert text in shown, text
