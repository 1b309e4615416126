"""A stored tag set names what the catalogue lacks: the rest of every answer stands, and nothing completes over it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from console.cli.access import report_lines
from console.cli.show.output import about_identity
from schemas.calendars import NORWEGIAN
from schemas.catalogue import load_catalogue
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Found
from streams.answers.report import access_report, answer
from streams.rights.protocol.states import State, summary
from streams.rights.service import RightsService
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import GONE, visit

PERSON = ("cookie_id", "c-1")
STRANGE: list[dict[str, Any]] = [
    {"retention": ("T99",)},
    {"system": "shadow"},
    {"categories": ("C-99",)},
    {"purposes": ("P-SECRET",), "legal_basis": {}},
    {"record": "Unheard"},
]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", visit(1), visit(2))
        yield made


def lie(office: Office, more: dict[str, Any]) -> int:
    """One more visit of the person, under tags that say something else; the id of these."""
    index: Any = office.index.reader
    assert isinstance(index, MemoryIndex)
    known = set(index.rows)
    office.put("web.visits", visit(3))
    new = {key for key in index.rows if key not in known}
    for key in new:
        row = index.rows[key]
        tags = replace(index.tag_sets[row.tag_set], **more)
        index.tag_sets[tags.id] = tags
        index.rows[key] = replace(row, tag_set=tags.id)
    return int(tags.id)


def found(office: Office) -> Found:
    return office.found(PERSON)


@pytest.mark.parametrize("more", STRANGE, ids=lambda more: next(iter(more)))
def test_an_erasure_does_the_rest_and_does_not_complete(office: Office, more: dict[str, Any]) -> None:
    """What can be judged is told and forgotten; what cannot stays, is named, and waits for a person."""
    tag_set = lie(office, more)
    request = office.erase(PERSON, anchors=GONE)
    assert request.state is State.ATTENTION
    assert request.commands[f"{request.request_id}/web"].state == "done"
    (reason,) = [line for line in request.problems if "cannot be judged" in line]
    assert "the rest is erased, but web.visits of " in reason
    assert str(next(iter(more.values()))).strip("()',") in reason or more.get("legal_basis") == {}
    assert [holding.tags.id for holding in found(office).holdings] == [tag_set]
    assert len(summary(request)["unjudged"]) == 1
    before = len(office.commands)
    office.service.resume()
    office.service.resend(request.request_id)
    office.deliver()
    again = office.service.get(request.request_id)
    assert (again.state, len(office.commands)) == (State.ATTENTION, before)
    closed = office.service.close(request.request_id, "erased by hand")
    assert closed.state is State.CLOSED
    assert found(office).total_events == 1


def test_when_the_catalogue_is_mended_the_request_goes_on(office: Office) -> None:
    """Resent, it is planned anew and the system told again. It had erased the record with the others, so its answers
    add up to no more: a person accepts that, and all completes."""
    lie(office, {"retention": ("T99",)})
    request = office.erase(PERSON, anchors=GONE)
    rules = office.catalogue.retention_rules
    catalogue = replace(office.catalogue, retention_rules={**rules, "T99": rules["T05"]})
    mended = replace(model(), catalogue=catalogue)
    old = office.service
    office.service = RightsService(
        office.ledger, old._tools.reader, office.index.eraser, old._subjects._identities, office.keyring, mended,
        office._send, lambda: office.now,
    )  # fmt: skip
    office.service.resend(request.request_id)
    office.deliver()
    assert len(office.commands) == 2
    office.service.accept(request.request_id, "web", "looked: nothing left")
    office.deliver()
    request = office.service.get(request.request_id)
    assert (request.state, found(office).total_events) == (State.COMPLETED, 0)
    assert (request.forgotten or {})["rows_removed"] == 3


def test_an_answer_shows_the_rest_and_names_what_it_cannot_judge(office: Office) -> None:
    """Look-up and access answer: the two visits are there as before; the third is in no count and has its why."""
    catalogue, day = load_catalogue(), NORWEGIAN.day(NOW)
    plain = access_report(found(office), catalogue, day)
    lie(office, {"retention": ("T99",)})
    report, said = access_report(found(office), catalogue, day), answer(found(office), catalogue, day)
    assert (
        [item["topic"] for item in report["unjudged"]]
        == [item["topic"] for item in said["unjudged"]]
        == ["web.visits"]
    )
    assert "T99" in report["unjudged"][0]["why"]
    assert {**report, "unjudged": []} == plain
    assert said["total_events"] == 2


def test_an_answer_of_nothing_but_that_does_not_say_that_nothing_is_held(office: Office) -> None:
    """The command line names it; what a schema wrote into an id is text, not markup."""
    index: Any = office.index.reader
    index.rows.clear()
    lie(office, {"retention": ("[/b]T99",)})
    report = access_report(found(office), load_catalogue(), NORWEGIAN.day(NOW))
    people = [{"kind": "cookie_id", "value": "c-1"}]
    assert list(report_lines(report, "en")) == []
    out = io.StringIO()
    console = Console(file=out, width=200)
    for line in about_identity(report, report["entries"], people):
        console.print(line)
    assert (
        "cannot be judged: web.visits of web: held, but it names the retention rule [/b]T99" in out.getvalue()
    )


def test_an_access_request_is_answered_with_what_can_be_judged(office: Office) -> None:
    """It completes: the answer names what it leaves out."""
    lie(office, {"retention": ("T99",)})
    made = office.service.create("access", [PERSON], reason=None, channel="test", received_at=NOW)
    office.deliver()
    request = office.service.get(made.request_id)
    assert request.state is State.COMPLETED
    assert (request.report or {})["total_events"] == 2
    assert len((request.report or {})["unjudged"]) == 1
