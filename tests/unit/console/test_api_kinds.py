"""Which kinds of identifiers may be asked for: those of the company. A kind that is none is never repeated."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from console.api.app import create_app
from console.api.protection.recorder import Recorder
from schemas.company import load_company
from schemas.layers import COMPANIES
from sinks.memory.audit import MemoryAudit
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess
from tests.support.company import write

MEMBER = """\
member_number:
  name: {nb: Medlemsnummer, en: Member number}
  names: person
  steps: [digits, check_digit: luhn]
  certainty: [D]
"""
SWAPPED = "kari_nordmann"


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture
def http(tmp_path: Path, audit: MemoryAudit) -> httpx.Client:
    """The API of a company with a kind of its own."""
    folder = copytree(COMPANIES / "minimal", tmp_path / "club")
    write(folder, "catalogue/identifiers.yaml", MEMBER)
    made = services(tmp_path, company=load_company(folder), recorder=Recorder(audit))
    return httpx.Client(
        transport=InProcess(create_app(made)),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )


def asked(http: httpx.Client, path: str, kind: str, value: str = "7992739871-3") -> httpx.Response:
    return http.post(f"/v1/{path}", json={"identifiers": [{"kind": kind, "value": value}]})


PATHS = ["lineage/query", "access", "identity", "requests/plan"]


@pytest.mark.parametrize("path", PATHS)
def test_a_kind_of_ones_own_is_asked_for_like_any_other(http: httpx.Client, path: str) -> None:
    """In any spelling; what cannot be such a number is refused without being shown."""
    answer = asked(http, path, "member_number")
    assert answer.status_code == 200, answer.text
    wrong = asked(http, path, "member_number", "7992739871-0")
    assert wrong.status_code == 422
    assert "the value given for member_number is not one" in wrong.json()["detail"]
    assert "7992739871" not in wrong.text


@pytest.mark.parametrize("path", PATHS)
def test_a_kind_that_is_none_is_refused_with_those_there_are(
    http: httpx.Client, audit: MemoryAudit, path: str
) -> None:
    """It may be a person's name, swapped in: neither the answer, the log nor the record of questions has it."""
    with capture_logs() as logs:
        answer = asked(http, path, SWAPPED)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("account_number, member_number")
    assert SWAPPED not in f"{answer.text} {logs} {vars(audit)}"


@pytest.mark.parametrize("kind", ["Kari Nordmann", "kari@example.no", "k" * 65, "", "email\n"])
def test_what_cannot_be_a_kind_is_refused_at_once(http: httpx.Client, kind: str) -> None:
    """By its form, and not shown."""
    answer = asked(http, "access", kind)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.identifiers.0.kind"
    assert not kind or kind not in answer.text


def test_the_description_lists_the_kinds(http: httpx.Client) -> None:
    """As the choices of the field."""
    described: dict[str, Any] = http.get("/openapi.json").json()
    kinds = described["components"]["schemas"]["Identifier"]["properties"]["kind"]["enum"]
    assert {"customer_number", "ip", "member_number"} <= set(kinds)
