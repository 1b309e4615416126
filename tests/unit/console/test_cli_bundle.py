"""`innsyn requests bundle` and `texts`, and the routes behind them."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.bundle import app
from console.wiring.mentions import NOT_LOOKED_THROUGH, mentions_in
from schemas.errors import InputError
from streams.rights.protocol.states import RequestState, State
from streams.tagging.scan import DEFAULT, Finding
from tests.support.age import opened
from tests.support.api import services
from tests.support.copying import copy_of
from tests.support.index import memory_index
from tests.support.instance import running
from tests.support.kinds import KINDS
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_copies import hand
from tests.unit.rights.test_short import LAST_WEEK

NUMBER = "100200"
TEXT = "Naboen på 900 00 003 klaget."


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A running innsyn to which a chat was delivered that names a neighbour."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, copying=["contact_centre"])
        made.tells = False
        made.put(
            "support.chats",
            {
                "session_id": "s",
                "customer_number": NUMBER,
                "sender": "person",
                "text": TEXT,
                "sent_at": LAST_WEEK,
            },
        )
        given = services(tmp_path / "keys", rights=made.service, mentions=mentions_in(KINDS, []))
        stack.enter_context(running(tmp_path / "home", given))
        yield made


def asked(office: Office) -> RequestState:
    made = office.service.create(
        "access", [("customer_number", NUMBER)], reason=None, channel="web", received_at=office.now
    )
    office.deliver()
    return office.service.get(made.request_id)


def delivered(office: Office) -> str:
    request = asked(office)
    (told,) = office.others
    chat = {
        "session_id": "s",
        "customer_number": NUMBER,
        "text": TEXT,
        "agent_handle": "agent-7",
        "sent_at": LAST_WEEK,
    }
    messages, said = copy_of(
        told, [("ChatMessage", chat)], job_key(office.keyring, "contact_centre"), office.now
    )
    hand(office, messages[0])
    assert answer(office, told, **said).state is State.ANSWERED
    return request.request_id


def called(*words: str, status: int = 0, stdin: str = "") -> str:
    found = CliRunner().invoke(app, list(words), input=stdin)
    if status == 2:
        assert isinstance(found.exception, InputError), found.output
        return str(found.exception)
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


def copied_text(content: bytes) -> str:
    archive = zipfile.ZipFile(io.BytesIO(content))
    (record,) = json.loads(archive.read("copy/contact_centre.json"))["records"]
    assert record["values"]["agent_handle"] is None
    text: str = record["values"]["text"]
    return text


def test_texts_are_withheld_until_somebody_has_read_them(office: Office, tmp_path: Path) -> None:
    """The file of texts is readable by its owner alone; what stays false in it stays withheld."""
    request_id = delivered(office)
    first, listed, second = (tmp_path / name for name in ("a.zip", "texts.json", "b.zip"))
    said = called("bundle", request_id, "--to", str(first))
    assert "written: 1 record; it is not encrypted" in said
    assert "1 text withheld" in said
    assert copied_text(first.read_bytes()).startswith("[withheld")
    assert "set `keep` to true" in called("texts", request_id, "--to", str(listed))
    assert stat.S_IMODE(listed.stat().st_mode) == stat.S_IMODE(first.stat().st_mode) == 0o600
    (item,) = json.loads(listed.read_text())
    assert (item["keep"], item["text"], item["names"]) == (False, TEXT, ["phone"])
    listed.write_text(json.dumps([{**item, "keep": True}]))
    said = called("bundle", request_id, "--to", str(second), "--review", str(listed))
    assert "withheld" not in said
    assert copied_text(second.read_bytes()) == TEXT


def test_it_is_written_encrypted_for_a_key_or_a_passphrase(office: Office, tmp_path: Path) -> None:
    """In the format of age; nothing of it is in clear on the disk."""
    request_id = delivered(office)
    file = tmp_path / "answer.zip.age"
    said = called("bundle", request_id, "--to", str(file), "--passphrase", stdin="tolv store grønne epler\n")
    assert "not encrypted" not in said
    assert NUMBER.encode() not in file.read_bytes()
    copied_text(opened(file.read_bytes(), passphrase="tolv store grønne epler"))
    assert [path.name for path in tmp_path.iterdir() if "zip" in path.name] == [file.name]


def test_nothing_is_written_over_and_nothing_half(office: Office, tmp_path: Path) -> None:
    """A file that is there, a short passphrase, a key that is none, a review of another kind."""
    request_id = delivered(office)
    there, new, review = (tmp_path / name for name in ("there.zip", "new.zip", "review.json"))
    there.write_text("mine")
    review.write_text('{"digest": 1}')
    assert "is there already" in called("bundle", request_id, "--to", str(there), status=2)
    assert "fewer than 12" in called(
        "bundle", request_id, "--to", str(new), "--passphrase", status=2, stdin="short\n"
    )
    assert "no public key" in called("bundle", request_id, "--to", str(new), "--recipient", "age1x", status=2)
    assert "none of `innsyn requests texts`" in called(
        "bundle", request_id, "--to", str(new), "--review", str(review), status=2
    )
    assert "--lang" in called("bundle", request_id, "--to", str(new), "--lang", "xx", status=2)
    assert there.read_text() == "mine"
    assert not new.exists()


def test_a_request_that_waits_has_nothing_to_send(office: Office, tmp_path: Path) -> None:
    """It says for whom it waits; an id that is none is not shown."""
    request = asked(office)
    said = called("bundle", request.request_id, "--to", str(tmp_path / "a.zip"), status=2)
    assert "has no answer to send; it waits for contact_centre" in said
    assert "there is no request of that id" in called(
        "texts", "r-none", "--to", str(tmp_path / "b"), status=2
    )
    assert not list(tmp_path.glob("*.zip"))


def test_what_nobody_looked_through_has_to_be_read() -> None:
    """A text longer than is scanned, and one over which a plug-in fails; what it would have said is not known."""

    def broken(text: str) -> list[Finding]:
        raise RuntimeError(text)

    long = mentions_in(KINDS, [])("a " * DEFAULT.longest)
    assert [word for word, _ in long] == [f"{NOT_LOOKED_THROUGH} to its end"]
    ((word, value),) = mentions_in(KINDS, [broken])("secret")
    assert word.startswith(NOT_LOOKED_THROUGH)
    assert "secret" not in word
    assert value is None


def test_what_is_to_be_corrected_is_saved_for_those_who_do_it_by_hand(office: Office, tmp_path: Path) -> None:
    """In a new file, for its owner alone; on no screen. Of a request that corrects nothing there is none."""
    right = {"ChatMessage.text": "Det var Kåre som klaget."}
    made = office.service.create(
        "rectification",
        [("customer_number", NUMBER)],
        reason=None,
        channel="web",
        received_at=office.now,
        corrections=right,
    )
    to = tmp_path / "corrections.json"
    found = CliRunner().invoke(app, ["corrections", made.request_id, "--to", str(to)])
    assert (found.exit_code, found.output) == (
        0,
        "written: 1 correction; delete the file when they are made\n",
    )
    assert json.loads(to.read_text("utf-8")) == right
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    other = asked(office).request_id
    refused = CliRunner().invoke(app, ["corrections", other, "--to", str(tmp_path / "other.json")])
    assert isinstance(refused.exception, InputError)
    assert "corrects nothing" in str(refused.exception)
    assert not (tmp_path / "other.json").exists()
