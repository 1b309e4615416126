"""Two credentials at the API and on the command line: who made a request does not approve it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from console.api.app import create_app
from console.api.protection.doors import caller_name
from schemas.errors import SettingsError
from schemas.keys import Keyring
from schemas.rights_rules import RightsRules, load_rights_rules
from sinks.memory.index import MemoryIndex
from streams.rights.service import RightsService
from tests.support.api import EMAIL, NOW, TOKEN, fill, rights, services
from tests.support.asgi import InProcess
from tests.support.commands import home, quiet, run
from tests.support.company import copies_by_hand
from tests.support.instance import running

__all__ = ["home", "quiet"]
APPROVER = "another-invented-token-for-tests"
PERSON = {"identifiers": [{"kind": "email", "value": EMAIL}], "type": "erasure"}
ALL = RightsRules.model_validate({**load_rights_rules().model_dump(), "approval": [{}]})


@dataclass
class Desk:
    """An installation in which every request is approved by somebody else."""

    service: RightsService
    given: Any

    def client(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(
            transport=InProcess(create_app(self.given)), base_url="http://innsyn", headers=headers
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    keyring, index = Keyring(tmp_path / "keys").made(), MemoryIndex()
    fill(index, keyring)
    service = rights(index, keyring, company=replace(copies_by_hand(), rights=ALL))
    given = services(tmp_path / "keys", reader=index, rights=service, approver_token=APPROVER)
    return Desk(service, given)


def planned(desk: Desk) -> dict[str, Any]:
    with desk.client(TOKEN) as maker:
        made = maker.post("/v1/requests", json=PERSON | {"anchors": {"contract_end": "2022-04-01"}}).json()
        desk.service.advance(made["request_id"])
        shown: dict[str, Any] = maker.get(f"/v1/requests/{made['request_id']}").json()
        return shown


def test_only_another_credential_approves(desk: Desk) -> None:
    """Which made it and which approved it is kept, by its name."""
    request = planned(desk)
    assert request["awaits_approval"]
    path, body = f"/v1/requests/{request['request_id']}/approve", {"digest": request["digest"]}
    with desk.client(TOKEN) as maker, desk.client(APPROVER) as approver:
        refused = maker.post(path, json=body)
        assert (refused.status_code, "another" in refused.json()["detail"]) == (422, True)
        assert approver.post(path, json={"digest": "0" * 16}).status_code == 422
        assert approver.post(path, json={"digest": "all of it"}).status_code == 422
        approved = approver.post(path, json=body).json()
        assert not approved["awaits_approval"]
        assert approved["notes"][0]["reason"] == f"plan {request['digest']} by {caller_name(APPROVER)}"
    with desk.client("neither-of-these-two-tokens") as stranger:
        assert stranger.post(path, json=body).status_code == 401
    assert desk.service.get(request["request_id"]).by == caller_name(TOKEN)


def test_the_command_needs_the_other_token(desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the server proves that it knows it, before it is sent."""
    monkeypatch.setattr("console.api.routes.requests.log", structlog.testing.CapturingLogger())
    with running(home, desk.given):
        request = planned(desk)
        command = ["requests", "approve", request["request_id"]]
        assert "--digest" in run(*command)[2]
        assert run(*command, "--digest", request["digest"])[0] == 2
        assert request["digest"] in run("requests", "show", request["request_id"])[1]
        monkeypatch.setenv("INNSYN_API_TOKEN", APPROVER)
        status, out, err = run(*command, "--digest", request["digest"])
        assert (status, err) == (0, "")
        assert request["request_id"] in out


def test_a_request_that_waits_for_no_approval_is_said_to_before_anything_is_asked(
    desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that a digest is missing: there is none to give. So is an id that no request has."""
    monkeypatch.setattr("console.api.routes.requests.log", structlog.testing.CapturingLogger())
    with running(home, desk.given):
        with desk.client(TOKEN) as maker:
            made = maker.post("/v1/requests", json=PERSON).json()["request_id"]
        for request_id, why in ((made, "waits for no approval"), (f"r-{'f' * 16}", "there is no request")):
            status, out, err = run("requests", "approve", request_id)
            assert (status, out) == (2, "")
            assert why in err


@pytest.mark.parametrize("token", [TOKEN, "short"])
def test_a_token_by_which_nobody_can_approve_is_refused(tmp_path: Path, token: str) -> None:
    with pytest.raises(SettingsError, match="INNSYN_APPROVER_TOKEN"):
        create_app(services(tmp_path, approver_token=token, clock=lambda: NOW))
