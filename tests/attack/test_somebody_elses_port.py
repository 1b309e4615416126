"""Another program on the port where innsyn is looked for: it says that it is innsyn, and waits for who asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.protection.proof import CHALLENGE_HEADER, proof
from console.client import Client
from console.instance import ApiAddress
from schemas.errors import SettingsError
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess


@pytest.mark.parametrize(
    "extra", [{}, {"proof": None}, {"proof": "ø"}, {"proof": proof("another token", "")}]
)
def test_who_says_to_be_innsyn_gets_neither_token_nor_identifier(extra: dict[str, Any]) -> None:
    """It was sent both, and its "nothing is held" was told as the answer."""
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "ok", "service": "innsyn", **extra})

    with pytest.raises(SettingsError, match=r"does not know the token .* set INNSYN_API_TOKEN"):
        Client(ApiAddress("http://innsyn", TOKEN), transport=httpx.MockTransport(respond)).alive()
    assert [(request.method, request.url.path) for request in seen] == [("GET", "/healthz")]
    assert all(TOKEN not in str(request.headers) for request in seen)


def test_a_proof_heard_before_proves_nothing() -> None:
    """Each challenge is another one."""
    heard: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        heard.append(request.headers[CHALLENGE_HEADER])
        said = {"status": "ok", "service": "innsyn", "proof": proof(TOKEN, heard[0])}
        return httpx.Response(200, json=said)

    client = Client(ApiAddress("http://innsyn", TOKEN), transport=httpx.MockTransport(respond))
    assert client.alive()
    with pytest.raises(SettingsError):
        client.alive()


def test_another_innsyn_is_not_asked(tmp_path: Path) -> None:
    """Its answers are of other people's data; our own proves itself, and the proof says nothing of the token."""
    ours = InProcess(create_app(services(tmp_path)))
    with pytest.raises(SettingsError):
        Client(ApiAddress("http://innsyn", "a token of another installation"), transport=ours).alive()
    assert Client(ApiAddress("http://innsyn", TOKEN), transport=ours).alive()
    with httpx.Client(transport=ours, base_url="http://innsyn") as anybody:
        told = anybody.get("/healthz", headers={CHALLENGE_HEADER: "x"}).json()
    assert len(told["proof"]) == 64
    assert TOKEN not in json.dumps(told)
