"""Every route of the OpenAPI description under made-up and extreme values, on the embedded index.

No answer is an error of ours (5xx), every status is one that the description names, and every answer has its shape.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from console.api.app import create_app
from console.api.protection.doors import Doors
from console.api.protection.recorder import Recorder
from console.operations.dead_letters import DeadLetterDesk
from console.operations.replay import Replays
from schemas.catalogue import load_catalogue
from schemas.keys import Keyring
from sinks.clickhouse.audit import ClickHouseAudit
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.dead_letters import ClickHouseDeadLetters
from sinks.clickhouse.expiry import ClickHouseExpiry
from sinks.clickhouse.exposed import ClickHouseExposed
from sinks.clickhouse.facts import ClickHouseFacts
from sinks.clickhouse.findings import ClickHouseControls, ClickHouseFindings
from sinks.clickhouse.identifiers import ClickHouseIdentifiers
from sinks.clickhouse.preservation import ClickHousePreservation
from sinks.clickhouse.processed import ClickHouseProcessed
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.reports import ClickHouseReports
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.audit import AuditEntry
from sinks.ports.dead_letters import Coordinates, DeadRow
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from streams.answers.breach import BreachFinder
from streams.answers.preservation import Preservation
from streams.duties.desk import Desk
from streams.identity.identities import Identities
from streams.identity.values import SealedValues
from tests.support.api import EMAIL, NOW, TOKEN, fill, services
from tests.support.asgi import InProcess
from tests.support.duties import Duties
from tests.support.index import empty, running

EXAMPLES = int(os.environ.get("INNSYN_TEST_ROUTE_EXAMPLES", "4"))
"""Of each route and way of making them up; a longer run sets more."""
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXTREMES = (
    "", "0", "-1", "1", "null", "NaN", "Infinity", "1e400", "9" * 400, "-9223372036854775809", "9223372036854775807",
    "18446744073709551616", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z",
    "2199-12-31T23:59:59Z", "2026-06-01T00:00:00+23:59", "2024-02-30T00:00:00Z", "10000-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z", "%00", "\x00", "\U0001f600", "a" * 5_000,
    "[/b]x", "' OR 1=1 --", "{before:Int64}", "\u202e", "W10", "WyIiLDAsMF0",
    "WzkyMjMzNzIwMzY4NTQ3NzU4MDcsICIiXQ", "0" * 12,
)  # fmt: skip
"""What is put into each parameter of each route; the last but one are cursors of nowhere."""


class Seeded(ClickHouseAudit):
    """Read from the index; what is written goes nowhere, which is faster."""

    def write(self, entries: Sequence[AuditEntry]) -> None:
        return None


class Retrier:
    """Nothing becomes an event."""

    def retry(self, places: Sequence[Coordinates]) -> Mapping[Coordinates, str]:
        return dict.fromkeys(places, "unknown_schema")


class Tagger:
    """A replay that is over at once."""

    def run(self, *_: object, **__: object) -> None:
        return None


def duties_of(index: ClickHouse) -> Desk:
    """With a finding that nobody has said anything of."""
    duties = Duties(findings=ClickHouseFindings(index), controls=ClickHouseControls(index))
    duties.breaks("first", "a")
    duties.desk.run()
    return duties.desk


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The API on an embedded index that holds a person, a dead letter and a request; nothing it needs is away."""
    keys = tmp_path_factory.mktemp("keys")
    with running("chdb", tmp_path_factory.mktemp("index") / "index") as (index, _):
        empty(index)
        writer = ClickHouseWriter(index)
        fill(writer, Keyring(keys).made())
        dead = DeadRow("web.visits", 0, 7, "unknown_schema", "c301", 9, NOW)
        writer.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=[dead]), lambda: NOW)
        letters = ClickHouseDeadLetters(index)
        ClickHouseAudit(index).write([AuditEntry(NOW, "log-in", status=401)] * 3)
        recorder = Recorder(Seeded(index))
        given = services(
            keys,
            reader=ClickHouseReader(index),
            identities=Identities(ClickHouseClaims(index), load_catalogue().identity_sources),
            dead_letters=letters.find,
            desk=DeadLetterDesk(letters, Retrier(), lambda: NOW),
            replays=Replays(lambda *_: Tagger(), lambda: NOW),
            doors=Doors(lookups=1e9, burst=10**9),
            recorder=recorder,
            expiry=ClickHouseExpiry(index),
            reports=ClickHouseReports(index),
            processed=ClickHouseProcessed(index),
            duties=duties_of(index),
            facts=ClickHouseFacts(index),
        )
        exposed, values = ClickHouseExposed(index), SealedValues(ClickHouseIdentifiers(index), Keyring(keys))
        claims = ClickHouseClaims(index)
        people = Identities(claims, load_catalogue().identity_sources)
        given = replace(
            given,
            breaches=BreachFinder(exposed, claims, people, values, given.company, letters.open),
            preservation=Preservation(
                ClickHousePreservation(index),
                Keyring(keys),
                given.identities,
                given.tokens,
                given.company.kinds,
                given.catalogue.calendar,
            ),
        )
        made = create_app(given)
        with client(made) as one:
            body = {"identifiers": [{"kind": "email", "value": EMAIL}], "type": "access"}
            assert one.post("/v1/requests", json=body).status_code == 201
        yield made
        recorder.stop()


def client(app: Any) -> httpx.Client:
    return httpx.Client(transport=InProcess(app), base_url="http://innsyn", headers=AUTHORISED)


@pytest.mark.parametrize("mode", GenerationMode, ids=str)
def test_made_up_requests_get_documented_answers(app: Any, mode: GenerationMode) -> None:
    """Those that fit the description, and those that do not: other types, bounds passed, fields missing or invented."""
    asked: Counter[str] = Counter()
    operations: Iterator[Any] = schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()
    for operation in operations:
        _ask(operation.ok(), mode, asked)
    assert len(asked) >= (15 if mode is GenerationMode.NEGATIVE else 20), asked


def _ask(operation: Any, mode: GenerationMode, asked: Counter[str]) -> None:
    if mode is GenerationMode.NEGATIVE and not (
        operation.body or operation.query or operation.path_parameters
    ):
        # There is nothing to make wrong.
        return

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def each(case: Any) -> None:
        asked[f"{case.method} {case.path}"] += 1
        case.call_and_validate(checks=CHECKS, headers=AUTHORISED)

    each()


def test_extreme_values_in_every_parameter_get_documented_answers(app: Any) -> None:
    """One parameter of one route at a time; what is refused is refused in words that a user can act on."""
    described = client(app).get("/openapi.json").json()
    wrong: list[tuple[object, ...]] = []
    with client(app) as one:
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                for parameter in operation.get("parameters", ()):
                    if parameter["in"] == "header" and path != "/v1/catalogue":
                        # The same one everywhere.
                        continue
                    # A path with a slash more is another route's.
                    for value in (
                        EXTREMES if parameter["in"] != "path" else [v for v in EXTREMES if "/" not in v]
                    ):
                        answer = _with(one, method, path, parameter, value)
                        if str(answer.status_code) not in operation["responses"] or answer.status_code >= 500:
                            wrong.append((method, path, parameter["name"], value[:40], answer.status_code))
                        if answer.is_error and not answer.json()["detail"]:
                            wrong.append((method, path, parameter["name"], value[:40], "no detail"))
    assert not wrong


def _with(
    one: httpx.Client, method: str, path: str, parameter: Mapping[str, Any], value: str
) -> httpx.Response:
    name, place = parameter["name"], parameter["in"]
    if place == "path":
        # A path that ends differently is another route.
        return one.request(method, httpx.URL(path.replace(f"{{{name}}}", _quoted(value) or "%20")))
    url = path.format(request_id="r-1", replay_id="x", name="expiry")
    if place == "header":
        return one.request(method, url, headers=[(name.encode(), value.encode().replace(b"\x00", b""))])
    return one.request(method, url, params={name: value})


def _quoted(value: str) -> str:
    return quote(value, safe="")


def test_every_route_names_what_it_may_answer(app: Any) -> None:
    """Refused for the token (401), too often (429), nobody there to answer (503); 413 and 408 for bodies."""
    with client(app) as one:
        described = one.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            named = {int(status) for status in operation["responses"]}
            if path.startswith("/v1") or path == "/metrics":
                assert {401, 429} <= named, (method, path)
            if path.startswith("/v1"):
                assert {408, 413, 503} <= named, (method, path)
    assert "503" in described["paths"]["/readyz"]["get"]["responses"]
