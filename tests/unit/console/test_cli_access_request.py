"""`innsyn access --request`: not a look, but the person's own request, which systems answer with their copies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams.rights.protocol.states import State
from tests.support.api import services
from tests.support.commands import run
from tests.support.copying import copy_of
from tests.support.index import memory_index
from tests.support.instance import running
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_copies import hand
from tests.unit.rights.test_short import LAST_WEEK

NUMBER = "100200"
CHAT = {"session_id": "s", "customer_number": NUMBER, "sender": "person", "text": "Hei", "sent_at": LAST_WEEK}


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A running innsyn of which one system delivers copies."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, copying=["contact_centre"])
        made.tells = False
        made.put("support.chats", CHAT)
        stack.enter_context(running(tmp_path / "home", services(tmp_path / "keys", rights=made.service)))
        yield made


@pytest.mark.parametrize("right", ["access", "portability"])
def test_it_is_made_asked_of_systems_and_answered(office: Office, right: str) -> None:
    """What it waits for is said; it is answered once the copy is there."""
    status, out, err = run("access", "--id", f"customer_number={NUMBER}", "--request", right, "--json")
    assert status == 0, err
    made = json.loads(out)
    assert (made["type"], made["state"], made["channel"]) == (right, "received", "cli")
    office.deliver()
    (told,) = office.others
    assert (told["kind"], told["system"]) == ("access", "contact_centre")
    _, out, _ = run("requests", "show", made["request_id"])
    assert "waits for contact_centre" in out
    key = job_key(office.keyring, "contact_centre")
    messages, said = copy_of(told, [("ChatMessage", CHAT)], key, office.now)
    hand(office, messages[0])
    assert answer(office, told, **said).state is State.ANSWERED
    status, out, _ = run("requests", "told", made["request_id"], "--how", "letter")
    assert status == 0
    assert re.search(r"^  told on [0-9-]+: by letter$", out, re.MULTILINE)


def test_where_it_stands_is_printed(office: Office) -> None:
    """And that the person has another one open."""
    words = ("access", "--id", f"customer_number={NUMBER}", "--request", "access")
    status, out, _ = run(*words)
    (first,) = office.service.requests()
    assert (status, out.split()[:3]) == (0, ["request", first.request_id, "received,"])
    _, _, err = run(*words)
    assert f"request {first.request_id} (access, received) of this person is open" in " ".join(err.split())


def test_a_request_is_of_now(office: Office) -> None:
    words = ("access", "--id", f"customer_number={NUMBER}", "--request", "access")
    status, _, err = run(*words, "--known-at", "2026-01-01T00:00Z")
    assert status == 2
    assert "a request is answered as of now" in " ".join(err.split())
    assert office.service.requests() == []
