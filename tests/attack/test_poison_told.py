"""What people are told of a schema that breaks a rule: the log, doctor, /readyz; and what they are not told by it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from console.api.app import create_app
from console.cli.doctor import examine
from schemas.codec import confluent_prefix
from schemas.records import load_records, read_record
from schemas.settings import load_settings
from streams.kafka.registry import Registry
from streams.tagging.decode.refusals import Refusals
from tests.support.api import services
from tests.support.asgi import InProcess
from tests.support.registered import BODY, TOPIC, Registered, adding, prepared, preparer, saying
from tests.support.registry_stub import registry_stub


def test_a_refused_schema_is_asked_for_once_and_its_rule_is_said_once() -> None:
    registry = Registered(saying(system="shadow"))
    refusals = Refusals()
    by = preparer(registry, refusals)
    with capture_logs() as said:
        for _ in range(3):
            prepared(by, [confluent_prefix(7) + BODY] * 3)
    assert registry.asked == 1
    rule = "registry id 7: WebVisit: unknown system shadow; use an id of the catalogue's system list"
    assert [(line["topic"], line["rule"]) for line in said] == [(TOPIC, rule)]
    assert refusals.lines() == [f"messages on {TOPIC} are set aside as dead letters: {rule}"]


def test_words_of_a_schema_steer_no_terminal() -> None:
    refusals = Refusals()
    by = preparer(Registered(saying(system="\x1b[2J\n[/b]innsyn: all is well")), refusals)
    prepared(by, [confluent_prefix(7) + BODY])
    (line,) = refusals.lines()
    assert line.isprintable()


def test_doctor_names_topic_schema_and_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first message of the schema comes."""
    with registry_stub() as (url, store), Registry(url) as registry:
        registry.register("crm.customers-value", load_records()["CustomerDetails"])
        registry.register("web.visits-value", read_record(saying(system="shadow"), "theirs"))
        store.subjects["web.visits-value"].append(store.ids.setdefault(adding("[" * 70 + "]" * 70), 3))
        monkeypatch.setenv("INNSYN_REGISTRY_URL", url)
        checks = {check.detail: check for check in examine(load_settings())}
    shadow = "registry id 2: WebVisit: unknown system shadow; use an id of the catalogue's system list"
    deep = "registry id 3: schema: is nested deeper than 64 levels; make it flatter"
    for rule in (shadow, deep):
        check = checks[f"messages on web.visits are set aside as dead letters: {rule}"]
        assert (check.name, check.state) == ("schemas", "wrong")
    assert not any("crm.customers" in detail for detail in checks)


def test_a_schema_that_breaks_a_rule_is_noticed_and_turns_nothing_away(tmp_path: Path) -> None:
    """Whoever may register a schema would end the readiness of all else by it."""
    refusals = Refusals()
    prepared(preparer(Registered(saying(system="shadow")), refusals), [confluent_prefix(7) + BODY])
    app = create_app(services(tmp_path, notices=refusals.lines))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        found = client.get("/readyz")
    assert (found.status_code, found.json()["problems"]) == (200, [])
    assert found.json()["notices"] == list(refusals.lines())
