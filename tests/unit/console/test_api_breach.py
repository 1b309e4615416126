"""How far a breach reaches, asked over HTTP and by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.protection.recorder import Recorder
from schemas.company import Profile
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import Looked
from streams.answers.breach import BreachFinder
from streams.answers.breach_page import LANGUAGES, page
from tests.support.api import TOKEN
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.town import KARI, OLA, Town, moment, town
from tests.unit.answers.test_breach import LETTERS, Kept

APPROVER = "the token of whoever approves, long enough"


class Api:
    def __init__(self, there: Town) -> None:
        self.audit = MemoryAudit()
        finder = BreachFinder(
            there.index, there.index, there.identities, Kept(there, [KARI]), model(), lambda: LETTERS
        )
        made = there.services(
            breaches=finder,
            approver_token=APPROVER,
            clock=lambda: moment(16),
            recorder=Recorder(self.audit),
        )
        self.transport = InProcess(create_app(made))

    def post(self, body: dict[str, Any], token: str = TOKEN) -> httpx.Response:
        with httpx.Client(transport=self.transport, base_url="http://innsyn") as client:
            return client.post("/v1/breach", json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(town(tmp_path))


def test_the_extent_is_told_without_a_number(api: Api) -> None:
    answer = api.post({"topics": ["web.visits"], "from": "2026-05-01T10:00Z", "to": "2026-05-01T14:00Z"})
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["people"], body["can_be_told"], body["cannot_be_told"]) == (2, 1, 1)
    assert "notify" not in body
    assert KARI not in answer.text


def test_numbers_are_given_to_the_approver_alone(api: Api) -> None:
    refused = api.post({"topics": ["billing.invoices"], "named": True})
    assert refused.status_code == 403
    assert "INNSYN_APPROVER_TOKEN" in refused.json()["detail"]
    assert KARI not in refused.text
    given = api.post({"topics": ["billing.invoices"], "named": True}, APPROVER)
    assert given.json()["notify"] == [KARI]


def test_each_question_is_on_record_with_how_many_people_it_told_of(api: Api) -> None:
    api.post({"systems": ["billing"]})
    api.post({"systems": ["billing"], "named": True}, APPROVER)
    entries = api.audit.find(Looked(), 10)
    assert sorted((item.action, item.size, item.identifiers, item.kinds) for item in entries) == [
        ("POST /v1/breach", 1, 0, ()),
        ("POST /v1/breach", 1, 1, ("customer_number",)),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name topics, systems or events"),
        ({"from": "2026-05-01T10:00Z"}, "name topics, systems or events"),
        ({"topics": ["web.visit"]}, "use one of"),
        ({"systems": ["nowhere"]}, "use one of"),
        ({"topics": ["web.visits"], "from": "2026-05-01T10:00"}, "zone"),
        ({"events": [{"topic": "web.visits", "partition": 0}]}, "offset"),
    ],
)
def test_what_says_nothing_of_which_events_is_refused(api: Api, body: dict[str, Any], said: str) -> None:
    """Not answered with nobody."""
    refused = api.post(body)
    assert refused.status_code == 422
    assert said in refused.text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_says_the_extent_and_shows_no_number(api: Api, lang: str) -> None:
    answer = api.post({"systems": ["billing"], "named": True}, APPROVER).json()
    text = page(answer, model().profile, lang)
    assert KARI not in text
    assert model().profile.dpo_contact in text
    for item in answer["categories"]:
        assert item["name"][lang] in text


def test_nothing_on_the_page_is_taken_for_html(api: Api) -> None:
    answer = api.post({"systems": ["billing"]}).json()
    answer["unread"] = {"<b>topic</b>": 1}
    profile = model().profile.model_copy(update={"controller": "<script>"})
    assert isinstance(profile, Profile)
    text = page(answer, profile, "en")
    assert "<b>topic" not in text
    assert "<script>" not in text


def test_whoever_may_be_told_is_not_said_twice(api: Api) -> None:
    answer = api.post({"topics": ["web.visits", "billing.invoices"], "named": True}, APPROVER).json()
    assert answer["notify"] == [KARI]
    assert OLA not in str(answer)
