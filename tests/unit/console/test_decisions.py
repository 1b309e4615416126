"""Which decisions about a person were made by machine alone (GDPR Art. 22), over HTTP and by the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.protection.recorder import Recorder
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import Looked
from tests.support.api import NOW, TOKEN
from tests.support.asgi import InProcess
from tests.support.commands import home, quiet, run
from tests.support.desk import Desk, event, moment
from tests.support.instance import running

__all__ = ["home", "quiet"]
KARI, OLA = ("customer_number", "700105"), ("customer_number", "700106")
MARCH, APRIL, MAY = (moment(f"2026-0{month}-05T12:00:00Z") for month in (3, 4, 5))


def check(number: str | None, reference: str, at: Any, *, automated: bool) -> dict[str, Any]:
    said = {"reference": reference, "customer_number": number, "fodselsnummer": "14838141278"}
    decided = {"bureau": "Eksempel", "credit_freeze": False, "outcome": "approved", "automated": automated}
    return event("CreditCheck", **said, **decided, requested_at=at)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Kari was decided upon by machine in March and by people in May, Ola by machine; one more was learnt late."""
    made = Desk(tmp_path)
    object.__setattr__(made.services, "facts", made.index)
    made.tell(
        "credit.checks",
        [
            check(KARI[1], "KS-1", MARCH, automated=True),
            check(OLA[1], "KS-2", MARCH, automated=True),
            check(KARI[1], "KS-3", MAY, automated=False),
        ],
        learnt=MAY,
    )
    made.tell("credit.checks", [check(KARI[1], "KS-4", APRIL, automated=True)], learnt=NOW)
    return made


def said(desk: Desk, who: tuple[str, str], **more: Any) -> tuple[int, int, list[tuple[str, str]]]:
    answer = desk.ask("lineage/decisions", who, **more)
    shown = [(item["at"][:7], item["by"]) for item in answer["decisions"]]
    assert all(item["system"] and item["topic"] == "credit.checks" for item in answer["decisions"])
    assert answer["unclear"] == 0
    return answer["automated"], answer["by_people"], shown


def test_each_decision_says_who_took_it_the_newest_first(desk: Desk) -> None:
    by_machine, people = "automated", "by_people"
    assert said(desk, KARI) == (
        2,
        1,
        [("2026-05", people), ("2026-04", by_machine), ("2026-03", by_machine)],
    )
    assert said(desk, OLA) == (1, 0, [("2026-03", by_machine)])
    assert said(desk, ("customer_number", "700199")) == (0, 0, [])


def test_a_question_may_be_about_a_time_and_as_known_then(desk: Desk) -> None:
    """Half-open; what was learnt later is not known then."""
    assert said(desk, KARI, **{"from": "2026-03-05T12:00:00Z", "to": "2026-05-05T12:00:00Z"})[:2] == (2, 0)
    assert said(desk, KARI, known_at="2026-05-20T00:00:00Z")[:2] == (1, 1)


def test_what_the_catalogue_says_is_decided_by_machine_is_named_beside(desk: Desk) -> None:
    answer = desk.ask("lineage/decisions", KARI)
    assert answer["total_events"] == 3
    assert answer["automated_purposes"] == {"P-CREDIT": 3}
    assert answer["resolution"] == "unique"


@pytest.mark.parametrize("rules", ["describe", "lacking", "full"])
def test_what_nobody_may_tell_of_is_in_no_list(desk: Desk, rules: str) -> None:
    """As in the totals; nor what cannot be judged, as a rule that it names is gone."""
    company = desk.services.company
    known = dict(company.catalogue.retention_rules)
    for name in ("T14", "T17"):
        rule = known.pop(name)
        if rules != "lacking":
            active = {"active": True, "effect": "hold_legal_obligation", "disclosure": rules}
            known[name] = rule.model_copy(update=active)
    object.__setattr__(
        desk.services,
        "company",
        replace(company, catalogue=replace(company.catalogue, retention_rules=known)),
    )
    answer = desk.ask("lineage/decisions", KARI)
    told = (answer["total_events"], answer["automated"], answer["by_people"], len(answer["decisions"]))
    assert told == ((3, 2, 1, 3) if rules == "full" else (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"from": "2026-05-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}, "from"),
        ({"known_at": "2126-05-01T00:00:00Z"}, "known_at"),
        ({"purposes": ["P-CREDIT"]}, "is not a field"),
    ],
)
def test_what_cannot_be_asked_is_refused(desk: Desk, more: dict[str, Any], what: str) -> None:
    refused = desk.post("lineage/decisions", KARI, **more)
    assert refused.status_code == 422
    assert what in refused.text


def test_the_question_is_on_record(desk: Desk) -> None:
    audit = MemoryAudit()
    app = create_app(replace(desk.services, recorder=Recorder(audit)))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        body = {"identifiers": [{"kind": KARI[0], "value": KARI[1]}]}
        client.post("/v1/lineage/decisions", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    (entry,) = audit.find(Looked(), 10)
    assert (entry.size, entry.subjects) == (3, (desk.token(*KARI),))


@pytest.fixture
def serving(home: Path, desk: Desk) -> Iterator[None]:
    with running(home, desk.services):
        yield


@pytest.mark.usefixtures("serving")
def test_the_command_shows_them() -> None:
    status, out, err = run("decisions", "--id", "customer_number=700105")
    assert (status, err) == (0, "")
    for words in (
        "machine alone",
        "credit.checks/0@3",
        "2 decisions by machine alone, 1 by people",
        "P-CREDIT",
    ):
        assert words in out
    assert "700105" not in out
    answer = json.loads(run("decisions", "--id", "customer_number=700106", "--json")[1])
    assert answer["automated"] == 1
    nothing = run("decisions", "--id", "customer_number=700199")
    assert nothing[0] == 0
    assert "No event says that anything was decided" in nothing[1]
