"""What the API and the command line say of a body that is refused: what to give instead, in words of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from tests.support.api import EMAIL, TOKEN, services
from tests.support.asgi import InProcess
from tests.support.commands import PERSON, home, instance, quiet, run

__all__ = ["home", "instance", "quiet"]
REQUEST = {"identifiers": [{"kind": "email", "value": EMAIL}], "type": "erasure"}
MADE = "access, erasure, rectification, restriction, objection, portability, withdrawal"
NO_RIGHT = f"body.type: is no right that a request is made of; give one of {MADE}"
EXAMPLE = "such as 2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"type": "retention"}, NO_RIGHT),
        ({"type": "deletion"}, NO_RIGHT),
        ({"type": ["erasure"]}, NO_RIGHT),
        (
            {"received_at": "1850-01-01T00:00:00Z"},
            "body.received_at: is no day that can be meant; give one from 1900-01-01 to 2199-12-31",
        ),
        ({"received_at": "2026-09-01"}, f"body.received_at: has no zone; give a time with one, {EXAMPLE}"),
        ({"received_at": "in May"}, f"body.received_at: is no time; give one with its zone, {EXAMPLE}"),
    ],
)
def test_a_body_that_is_refused_is_told_what_to_give(
    tmp_path: Path, more: dict[str, Any], detail: str
) -> None:
    http = httpx.Client(
        transport=InProcess(create_app(services(tmp_path))),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    answer = http.post("/v1/requests", json=REQUEST | more)
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)


def test_a_command_says_so_of_its_option(instance: str) -> None:
    """Not of a field of the API, which nobody gave."""
    status, _, err = run("erase", *PERSON, "--yes", "--received", "1850-01-01")
    assert status == 2
    assert err == "innsyn: --received is no day that can be meant; give one from 1900-01-01 to today\n"
