"""The HTTP API on an index in memory: answers, refusals, and what must never come back out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from console.api.app import create_app
from console.api.protection.body import BODY_LIMIT
from console.health.health import Health
from schemas.catalogue import load_catalogue
from schemas.errors import IndexUnavailable, SettingsError
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import NO_LIMITS, Filter, Found, Span
from tests.support.api import EMAIL, EVENTS, NOW, TOKEN, TOTAL, rights, services
from tests.support.asgi import InProcess

Build = Callable[..., httpx.Client]


class Broken(MemoryIndex):
    """An index that fails, either as ours do or by a bug."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        raise self.error


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes a client of the API; any service can be another one."""

    def made(**other: Any) -> httpx.Client:
        return httpx.Client(
            transport=InProcess(create_app(services(tmp_path, **other))),
            base_url="http://innsyn",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    return made


def person(value: str = EMAIL, kind: str = "email", **more: Any) -> dict[str, Any]:
    return {"identifiers": [{"kind": kind, "value": value}], **more}


def test_lookup_has_the_agreed_shape(build: Build) -> None:
    """A look-up answers with resolution, totals and one item per tags, in the agreed fields."""
    answer = build().post("/v1/lineage/query", json=person())
    assert answer.status_code == 200
    body = answer.json()
    assert (body["resolution"], body["total_events"], body["ambiguous_events"]) == ("unique", TOTAL, 0)
    assert {item["topic"]: item["events"] for item in body["items"]} == {
        topic: count for topic, (_, count) in EVENTS.items()
    }
    assert set(body["items"][0]) >= {
        "system", "topic", "categories", "purposes", "legal_basis", "origin", "recipients", "retention_rule",
        "delete_after", "events", "first_seen", "last_seen",
    }  # fmt: skip
    assert body["items"][0]["first_seen"].endswith("Z")


def test_lookup_of_a_stranger_finds_none(build: Build) -> None:
    """Somebody of whom nothing is held gets resolution none, not an error."""
    body = build().post("/v1/lineage/query", json=person("somebody.else@example.no")).json()
    assert (body["resolution"], body["total_events"], body["items"]) == ("none", 0, [])


@pytest.mark.parametrize(
    ("limit", "events"),
    [
        ({"from": "2026-05-01T01:00:00Z"}, 2),
        ({"to": "2026-05-01T01:00:00+02:00"}, 0),
        ({"systems": ["billing"]}, 1),
        ({"purposes": ["P-WEB"]}, 3),
        ({"recipients": ["payment_provider"]}, 1),
        ({"recipients": ["police"]}, 0),
    ],
)
def test_lookup_keeps_to_its_limits(build: Build, limit: dict[str, Any], events: int) -> None:
    """Times (half-open, any zone), systems, purposes and whom it was shared with narrow the answer."""
    assert build().post("/v1/lineage/query", json=person(**limit)).json()["total_events"] == events


def test_lookup_at_a_second_sees_that_second_only(build: Build) -> None:
    """`at` limits an identifier to the second named."""
    identifier = {"kind": "email", "value": EMAIL, "at": "2026-05-01T02:00:00Z"}
    body = build().post("/v1/lineage/query", json={"identifiers": [identifier]}).json()
    assert body["total_events"] == 1


def test_pages_put_together_are_the_whole_answer(build: Build) -> None:
    """Following next_cursor gives every item once, and each page the totals of the whole."""
    client = build()
    whole = client.post("/v1/lineage/query", json=person()).json()
    items, cursor = [], None
    for _ in whole["items"]:
        page = client.post("/v1/lineage/query", json=person(limit=1, cursor=cursor)).json()
        assert page["total_events"] == whole["total_events"]
        items += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert items == whole["items"]


def test_access_names_what_is_held(build: Build) -> None:
    """The access report names system, category, purpose, basis, origin, recipients and retention."""
    body = build().post("/v1/access", json=person()).json()
    assert body["total_events"] == TOTAL
    assert {entry["system"]["id"] for entry in body["entries"]} == {"web", "billing", "provisioning"}
    assert all(entry["legal_basis"] and entry["origin"] for entry in body["entries"])


def test_anchors_start_clocks(build: Build) -> None:
    """A day the case handler knows starts the clock that waits for it."""
    client = build()
    without = client.post("/v1/access", json=person()).json()["entries"]
    known = client.post("/v1/access", json=person(anchors={"contract_end": "2026-04-01"})).json()["entries"]
    waiting = [entry for entry in without if entry["retention"]["clock"] == "contract_end"]
    assert waiting
    assert all(entry["retention"]["until"] is None for entry in waiting)
    assert all(
        entry["retention"]["until"] for entry in known if entry["retention"]["clock"] == "contract_end"
    )


def test_a_request_is_made_listed_and_shown(build: Build) -> None:
    """An erasure request answers 201 with id, due date and state, and is found again."""
    client = build()
    made = client.post("/v1/requests", json=person(type="erasure", reason="Jeg flytter.", channel="chat"))
    assert made.status_code == 201
    assert made.json() == {
        "request_id": f"r-{'01' * 8}",
        "due_at": "2026-07-01",
        "state": "received",
        "overdue": False,
    }
    listed = client.get("/v1/requests").json()
    assert [item["request_id"] for item in listed["items"]] == [made.json()["request_id"]]
    shown = client.get(f"/v1/requests/{made.json()['request_id']}")
    assert shown.json()["channel"] == "chat"
    assert "flytter" not in shown.text


def test_a_plan_stores_nothing(build: Build) -> None:
    """The plan says what would be erased and held, by which rule, and leaves no request behind."""
    client = build()
    plan = client.post("/v1/requests/plan", json=person(anchors={"contract_end": "2026-04-01"})).json()
    assert plan["total_events"] == TOTAL
    assert {part["action"] for part in plan["parts"]} == {"erase_now", "hold_until"}
    assert all(part["rule"] and part["citation"] for part in plan["parts"] if part["action"] == "hold_until")
    assert client.get("/v1/requests").json()["items"] == []


def test_a_request_says_what_else_is_open_for_the_person(build: Build, tmp_path: Path) -> None:
    """By whom it is about: the answer to the second names the first, and so does the request when it is shown."""
    numbers = iter(range(9))
    client = build(
        rights=rights(MemoryIndex(), Keyring(tmp_path).made(), lambda n: next(numbers).to_bytes(n, "big"))
    )
    first = client.post("/v1/requests", json=person(type="erasure")).json()
    assert "also_open" not in first
    second = client.post("/v1/requests", json=person(type="access")).json()
    said = [{"request_id": first["request_id"], "type": "erasure", "state": "received"}]
    assert second["also_open"] == said
    assert client.get(f"/v1/requests/{second['request_id']}").json()["also_open"] == said


def test_what_a_person_does_to_a_request_has_an_address(build: Build) -> None:
    """Resend, accept, close and cancel answer with the request; what cannot be done is a problem that says why."""
    client = build()
    path = f"/v1/requests/{client.post('/v1/requests', json=person(type='erasure')).json()['request_id']}"
    assert client.post(f"{path}/resend").json()["state"] == "received"
    refused = client.post(f"{path}/accept", json={"system": "web", "reason": "Kari said so"})
    assert (refused.status_code, "those in doubt are none" in refused.json()["detail"]) == (422, True)
    assert client.post(f"{path}/close").status_code == 422
    for blank in ("", " ", "\n\t"):
        assert client.post(f"{path}/close", json={"reason": blank}).status_code == 422
    closed = client.post(f"{path}/close", json={"reason": "Kari wrote again"}).json()
    assert (closed["state"], closed["waiting_for"], closed["problems"]) == ("closed", [], [])
    assert [(note["what"], note["reason"]) for note in closed["notes"]] == [("closed", "Kari wrote again")]
    for act in ("resend", "cancel"):
        again = client.post(f"{path}/{act}")
        assert (again.status_code, "closed already" in again.json()["detail"]) == (422, True)
    assert client.post("/v1/requests/r-0000000000000000/cancel").status_code == 404


def test_a_request_may_be_cancelled_without_a_word(build: Build) -> None:
    """The body may be left out."""
    client = build()
    made = client.post("/v1/requests", json=person(type="access")).json()
    cancelled = client.post(f"/v1/requests/{made['request_id']}/cancel").json()
    assert (cancelled["state"], cancelled["notes"][0]["reason"]) == ("cancelled", None)


@pytest.mark.parametrize(
    "more",
    [
        {"received_at": "9999-12-31T00:00:00Z"},
        {"received_at": "2026-06-03T00:00:00Z"},
        {"received_at": "0001-01-01T00:00:00Z"},
        {"anchors": {"contract_end": "9998-12-31"}},
        {"anchors": {"order": "0001-01-01"}},
    ],
)
def test_days_that_cannot_be_are_refused(build: Build, more: dict[str, Any]) -> None:
    """A problem, not an error of ours, and no request comes of it."""
    client = build()
    answer = client.post("/v1/requests", json=person(type="erasure", **more))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert client.get("/v1/requests").json()["items"] == []
    if "anchors" in more:
        for path in ("/v1/requests/plan", "/v1/access", "/v1/lineage/query"):
            assert client.post(path, json=person(**more)).status_code == 422


@pytest.mark.parametrize("request_id", ["r-0000000000000000", "01018012345", "kari@example.no"])
def test_an_unknown_request_is_404_without_its_id(build: Build, request_id: str) -> None:
    """An unknown request is a problem that does not repeat what stood in the address."""
    answer = build().get(f"/v1/requests/{request_id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert request_id not in answer.text


def test_rules_in_force_are_shown(build: Build) -> None:
    """Catalogue, topics and systems can be read."""
    client = build()
    assert client.get("/v1/catalogue").json()["version"] == load_catalogue().version
    topics = {item["name"]: item for item in client.get("/v1/topics").json()["items"]}
    assert topics["web.visits"]["retention"] == "P7D"
    systems = {item["id"]: item for item in client.get("/v1/systems").json()["items"]}
    assert "web.visits" in systems["web"]["topics"]


def test_dead_letters_are_paged(build: Build) -> None:
    """Following next_cursor gives every unreadable message once."""
    client = build()
    offsets: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/v1/deadletters", params={"limit": 2, "cursor": cursor}).json()
        offsets += [item["offset"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert offsets == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cursor", ["x", "e30", "WzFd", "WyJhIiwxLDk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"])
def test_a_foreign_cursor_is_refused(build: Build, cursor: str) -> None:
    """A cursor that is not one of the list is 422, whatever is in it."""
    assert build().get("/v1/deadletters", params={"cursor": cursor}).status_code == 422


PROTECTED = ["/v1/catalogue", "/v1/requests", "/v1/nothing", "/metrics"]


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer æ"]
)
def test_a_wrong_token_is_refused(build: Build, path: str, header: str) -> None:
    """Everything under /v1 and /metrics asks for the right bearer token and says so."""
    answer = build().get(path, headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


def test_health_and_description_need_no_token(build: Build) -> None:
    """What watches the process asks without a token; so does who reads the description."""
    client = build()
    del client.headers["Authorization"]
    assert client.get("/healthz").json() == {"status": "ok", "service": "innsyn"}
    assert client.get("/readyz").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) >= {"/v1/lineage/query", "/v1/access", "/v1/requests", "/v1/requests/{request_id}"}


def test_not_ready_says_why(build: Build) -> None:
    """An index that cannot answer makes the instance not ready, with the reason."""
    health = Health(lambda: NOW)
    health.watch("index", lambda: ["2 migrations are pending; run `innsyn migrate`"])
    health.look("index")
    answer = build(health=health).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"][0]["part"] == "index"
    assert "migrate" in answer.json()["problems"][0]


def test_metrics_are_prometheus_text(build: Build) -> None:
    """The metrics handed in are exposed."""
    assert "innsyn_tagged_events_total 7.0" in build().get("/metrics").text


BAD = [
    person(kind="shoe_size"),
    person("12345", kind="fodselsnummer"),
    person("not an address", kind="ip"),
    {"identifiers": []},
    {"identifiers": [{"kind": "email", EMAIL: "x"}]},
    {"identifiers": [EMAIL]},
    {"identifiers": EMAIL},
    {EMAIL: []},
    person(categories=[EMAIL]),
    person(**{"from": EMAIL}),
    person(**{"from": "2026-05-01T00:00:00"}),
    person(limit=EMAIL),
    person(cursor=EMAIL),
    person("x" * 2000),
    person(**{"from": "2026-05-02T00:00:00Z", "to": "2026-05-01T00:00:00Z"}),
    [EMAIL],
    EMAIL,
]


@pytest.mark.parametrize("body", BAD)
def test_a_refusal_never_quotes_what_was_sent(build: Build, body: Any) -> None:
    """Whatever is wrong with a body, the problem names the place and not the value."""
    answer = build().post("/v1/lineage/query", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"title", "status", "detail"} <= set(answer.json())
    for value in (EMAIL, "nordmann", "shoe_size", "12345", "not an address", "xxx"):
        assert value not in answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        f'{{"{EMAIL}'.encode(),
        b"\xff\xfe",
        b'{"identifiers":[{"kind":"email","value":"\\ud800"}]}',
        b"[" * 100_000,
        b"",
    ],
)
def test_bytes_that_are_no_body_are_refused(build: Build, content: bytes) -> None:
    """Broken JSON, broken text and endless nesting are the sender's mistake, not ours."""
    answer = build().post("/v1/lineage/query", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nordmann" not in answer.text


def test_a_body_has_a_limit(build: Build) -> None:
    """More than 1 MiB is refused, also when its length is not announced."""
    client = build()
    chunk = b" " * 65_536
    for content in (b" " * (BODY_LIMIT + 1), (chunk for _ in range(BODY_LIMIT // len(chunk) + 1))):
        assert client.post("/v1/lineage/query", content=content).status_code == 413


def test_an_index_that_does_not_answer_is_503(build: Build) -> None:
    """An index outside that fails is said so, with what to do."""
    answer = build(reader=Broken(IndexUnavailable("the index is gone; see `innsyn doctor`"))).post(
        "/v1/lineage/query", json=person()
    )
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the index is gone; see `innsyn doctor`"


def test_a_bug_shows_no_value(build: Build) -> None:
    """An error of ours that holds a value stays inside: not in the answer, not in the log."""
    with capture_logs() as logs:
        answer = build(reader=Broken(RuntimeError(f"row of {EMAIL}"))).post(
            "/v1/lineage/query", json=person()
        )
    assert answer.status_code == 500
    assert "nordmann" not in answer.text + str(logs)
    (said,) = [entry["error"] for entry in logs if entry["event"] == "bug"]
    assert said.startswith("RuntimeError in ")


def test_a_read_leaves_an_audit_line(build: Build) -> None:
    """Each read of a person's data logs what, how many identifiers and which kinds, and nothing else of them."""
    with capture_logs() as logs:
        build().post("/v1/access", json=person())
    audits = [entry for entry in logs if entry["event"] == "audit"]
    assert audits == [
        {"event": "audit", "log_level": "info", "action": "access", "tokens": 1, "kinds": ["email"]}
    ]


def test_a_short_token_is_no_token(build: Build) -> None:
    """The API does not start with a token that can be guessed."""
    with pytest.raises(SettingsError, match="16 characters"):
        build(token="secret")
