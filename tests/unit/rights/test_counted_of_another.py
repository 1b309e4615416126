"""What is planned is what jobs do: no record that names another customer is counted, whatever of the person it has."""

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
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import Office

KARI, MAIL, OLA = (
    ("customer_number", "k-100200"),
    ("email", "kari@example.no"),
    ("customer_number", "k-300400"),
)
AT = datetime(2026, 11, 15, 9, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


def naming_two() -> Mapping[str, RecordSchema]:
    """The records of the model company, in which a visit may name a customer and an e-mail address."""
    schema = json.loads((MODEL / "avro" / "web_visit.avsc").read_text("utf-8"))
    for kind in ("customer_number", "email"):
        said = {"category": "C-01", "identifier": {"kind": kind, "role": "owner"}}
        schema["fields"].append({"name": kind, "type": ["null", "string"], "default": None, "innsyn": said})
    return {**load_records(), "WebVisit": read_record(schema, "web_visit.avsc")}


def visit(minute: int, number: str | None, mail: str | None = MAIL[1]) -> dict[str, Any]:
    usual = {"client_address": "192.0.2.7", "page": "/", "method": "GET", "cookie_consent": "all"}
    named = {"customer_number": number, "email": mail, "cookie_id": None}
    return {**usual, **named, "occurred_at": AT + timedelta(minutes=minute)}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Her own visit, one by her address alone, and Ola's, in which her address stands."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, naming_two(), copying=["web"])
        made.put("web.visits", visit(1, KARI[1]), visit(2, None), visit(3, OLA[1]), visit(4, OLA[1], None))
        yield made


def test_an_erasure_completes_without_another_customers_record(office: Office) -> None:
    """The web answers of two as planned; Ola's are all there, and the index knows of both."""
    request = office.erase(KARI, MAIL, anchors=GONE)
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.records, web.by_link, web.erased) == (2, {"WebVisit": 2}, 0, 2)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert (office.stored("web", OLA), office.events(*OLA)) == (2, 2)


def test_whoever_is_known_by_the_address_alone_is_counted_by_what_names_no_customer(office: Office) -> None:
    """As the job decides, which is told nothing else."""
    request = office.erase(MAIL, anchors=GONE)
    web = request.commands[f"{request.request_id}/web"]
    assert (web.planned, web.erased, request.state) == (1, 1, State.COMPLETED)
    assert office.stored("web", OLA) == 2


@pytest.mark.parametrize(("right", "topic"), [("access", "access.web"), ("restriction", "restriction.web")])
def test_other_rights_expect_as_many(office: Office, right: str, topic: str) -> None:
    """A copy leaves it out, and it is not restricted for somebody else."""
    office.service.create(right, [KARI, MAIL], reason=None, channel="test", received_at=office.now)
    office.deliver()
    (told,) = office.others
    assert (told["topic"], told["expected"]) == (topic, [{"record": "WebVisit", "count": 2}])
