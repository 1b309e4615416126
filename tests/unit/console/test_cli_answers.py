"""What commands answer about a person and about requests, by a running innsyn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console.cli.show.output import after
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService
from tests.support.api import EMAIL, NOW, TOTAL, fill, rights, services
from tests.support.commands import PERSON, home, instance, quiet, run
from tests.support.instance import running
from tests.support.pairs import ReadyKeyring
from tests.support.receipts import hear

__all__ = ["home", "instance", "quiet"]


class Prompt:
    """A rights service whose systems answer at once: asked how far a request is, they have all erased."""

    def __init__(self, service: RightsService) -> None:
        self.create, self.requests, self._service = service.create, service.requests, service
        self.subjects = service.subjects
        self.follow_up, self.resend, self.accept = service.follow_up, service.resend, service.accept
        self.close, self.cancel, self.tell = service.close, service.cancel, service.tell
        self.approve, self.lift, self.notify = service.approve, service.lift, service.notify
        self.bundle, self.waive, self.corrections = service.bundle, service.waive, service.corrections
        self.ask, self.check, self.extend = service.ask, service.check, service.extend
        self.looked_out_for, self.look_out_no_more = service.looked_out_for, service.look_out_no_more
        self.run_retention, self.expire_people = service.run_retention, service.expire_people
        self.kept_spans = service.kept_spans

    def get(self, request_id: str) -> RequestState:
        for command in self._service.advance(request_id).commands.values():
            receipt = {"request_id": request_id, "command_id": command.command_id, "system": command.system}
            counts = {
                "state": "done",
                "erased": command.planned,
                "held": 0,
                "ground": None,
                "review_date": None,
            }
            hear(self._service, {**receipt, **counts, "reason": None, "reported_at": NOW})
        return self._service.get(request_id)


@pytest.fixture
def prompt_instance(home: Path) -> Iterator[MemoryIndex]:
    """As `instance`, with systems that erase at once."""
    keyring, index = Keyring(home / "keys").made(), MemoryIndex()
    fill(index, keyring)
    given = replace(services(home / "keys"), reader=index, rights=Prompt(rights(index, keyring)))
    with running(home, given):
        yield index


def test_lookup_prints_the_answer_as_json(instance: str) -> None:
    """`--json` is the API's answer."""
    status, out, err = run("lookup", *PERSON, "--json")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert (answer["resolution"], answer["total_events"]) == ("unique", TOTAL)


def test_lookup_reads_a_value_from_standard_input(instance: str) -> None:
    """`KIND=-` takes a line each, so that a value need not stand in a shell history."""
    arguments = ("lookup", "--id", "email=-", "--id", "phone=-", "--json")
    status, out, _ = run(*arguments, stdin=f"{EMAIL}\n+47 400 00 000\n")
    assert status == 0
    assert json.loads(out)["total_events"] == TOTAL
    status, _, err = run(*arguments, stdin=f"{EMAIL}\n")
    assert (status, err.count("\n")) == (2, 1)
    assert "phone" in err


@pytest.mark.parametrize(
    ("limits", "events"),
    [
        (["--system", "billing"], 1),
        (["--shared-with", "payment_provider"], 1),
        (["--purpose", "P-WEB", "--from", "2026-05-01T01:00:00Z"], 2),
        (["--to", "2026-04-30T00:00:00+02:00"], 0),
        (["--at", "2026-05-01T02:00:00Z"], 1),
    ],
)
def test_lookup_keeps_to_its_limits(instance: str, limits: list[str], events: int) -> None:
    """Times, systems, purposes and whom it was shared with narrow the answer."""
    assert json.loads(run("lookup", *PERSON, *limits, "--json")[1])["total_events"] == events


@pytest.mark.parametrize("command", ["lookup", "access"])
def test_tables_fit_and_show_no_value(instance: str, command: str) -> None:
    """For people: a table of at most 100 columns that names kinds, systems and rules, and never the value."""
    status, out, _ = run(command, *PERSON)
    assert status == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100
    for part in (
        "billing",
        "P-LEGALREC" if command == "lookup" else "Billing (b)",
        "2031-12-31",
        "T01",
    ):
        assert part in out
    assert "nordmann" not in out


def test_access_speaks_norwegian(instance: str) -> None:
    """--lang nb gives the catalogue's Norwegian names."""
    assert "Fakturering" in run("access", *PERSON, "--lang", "nb")[1]


def test_access_of_a_stranger_says_so(instance: str) -> None:
    """Nothing held is an answer, not an error."""
    assert run("access", "--id", "email=somebody.else@example.no")[:2] == (
        0,
        "Nothing is held under what was given.\n",
    )


def test_an_unknown_name_is_refused_by_place(instance: str) -> None:
    """What the API refuses ends as one line as well."""
    status, out, err = run("lookup", *PERSON, "--system", EMAIL)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "systems" in err
    assert "nordmann" not in err


def test_a_wrong_token_is_said(instance: str, home: Path) -> None:
    """A token that is not the instance's ends with the name of the setting."""
    (home / "token").write_text("another-invented-token")
    status, _, err = run("lookup", *PERSON)
    assert (status, err.count("\n")) == (2, 1)
    assert "INNSYN_API_TOKEN" in err


def test_a_dry_run_only_plans(instance: str) -> None:
    """--dry-run prints what is erased and held by which rule; no request comes of it."""
    status, out, _ = run("erase", *PERSON, "--dry-run", "--clock", "contract_end=2026-04-01")
    assert status == 0
    assert "erase now" in out
    assert "bokføringsloven" in out
    plan = json.loads(run("erase", *PERSON, "--dry-run", "--json")[1])
    assert plan["total_events"] == TOTAL
    assert json.loads(run("requests", "--json")[1]) == {"items": []}


def test_a_request_that_is_not_done_in_time_is_status_1(instance: str) -> None:
    """Nobody erases here: the request stays, and the command says that it waits."""
    status, out, err = run("erase", *PERSON, "--yes", "--wait", "0.1", "--json")
    assert status == 1
    request_id = json.loads(out)["request_id"]
    assert f"innsyn requests show {request_id}" in err
    assert err.count("\n") == 1
    assert request_id in run("requests", "list")[1]
    assert json.loads(run("requests", "show", request_id, "--json")[1])["state"] == "received"


def test_an_erasure_is_followed_to_its_end(prompt_instance: MemoryIndex) -> None:
    """With systems that answer, the erasure completes: what was erased, what is held and why."""
    before = len(prompt_instance)
    status, out, _ = run("erase", *PERSON, "--yes", "--wait", "20", "--clock", "contract_end=2026-04-01")
    assert status == 0
    assert "completed" in out
    assert "bokføringsloven" in out
    assert len(prompt_instance) < before
    shown = run("requests", "show", f"r-{'01' * 8}")[1]
    assert "billing" in shown
    assert "nordmann" not in out + shown


def test_what_a_person_does_to_a_request_has_a_command(instance: str) -> None:
    """resend, accept, waive, close and cancel: each says how the request stands now, or why it cannot be."""
    run("erase", *PERSON, "--yes")
    request_id = f"r-{'01' * 8}"
    assert json.loads(run("requests", "resend", request_id, "--json")[1])["state"] == "received"
    status, _, err = run("requests", "accept", request_id, "--system", "web", "--reason", "seen")
    assert (status, "those in doubt are none" in err) == (2, True)
    status, _, err = run("requests", "waive", request_id, "--reason", "seen")
    assert (status, "nothing is unclear" in err) == (2, True)
    assert run("requests", "close", request_id)[0] == 2
    status, out, _ = run("requests", "close", request_id, "--reason", "Kari wrote again")
    assert (status, f"request {request_id} closed" in out) == (0, True)
    assert "Kari wrote again" in run("requests", "show", request_id)[1]
    status, _, err = run("requests", "cancel", request_id)
    assert (status, "closed already" in err) == (2, True)
    assert "r-" not in run("requests", "cancel", EMAIL)[2]


def test_cancelling_says_what_it_did_and_which_reason_is_kept(instance: str) -> None:
    run("erase", *PERSON, "--yes")
    status, out, _ = run("requests", "cancel", f"r-{'01' * 8}")
    assert (status, "no system was told of it; the index forgets nothing" in out) == (0, True)
    assert "no reason is kept with it: --reason TEXT" in out


def test_while_the_clock_stands_it_is_shown_since_when_and_what_is_due_then(instance: str) -> None:
    run("erase", *PERSON, "--yes")
    request_id = f"r-{'01' * 8}"
    asked = json.loads(run("requests", "ask", request_id, "--doubt", "unknown_sender", "--json")[1])
    shown = " ".join(run("requests", "show", request_id)[1].split())
    since = asked["paused_since"][:10]
    assert (
        f"the clock stands since {since}, until they say who they are; said today, it is due {asked['due_at']}"
        in shown
    )
    assert f"clock stands since {since}" in " ".join(run("requests")[1].split())


def test_the_list_shows_what_was_refused_before_what_is_waited_for(home: Path) -> None:
    """A system that holds records back is what a person has to act on; the silent one only has to answer."""
    keyring, index = ReadyKeyring(home / "keys").made(), MemoryIndex()
    fill(index, keyring)
    service = rights(index, keyring)
    with running(home, replace(services(home / "keys"), reader=index, rights=service)):
        run("erase", *PERSON, "--yes", "--clock", "contract_end=2022-04-01")
        request_id = f"r-{'01' * 8}"
        service.advance(request_id)
        names = {"request_id": request_id, "command_id": f"{request_id}/web", "system": "web"}
        counts = {"state": "withheld", "erased": 0, "held": 3, "ground": "T18", "review_date": None}
        hear(service, {**names, **counts, "reason": None, "reported_at": NOW})
        shown = " ".join(run("requests")[1].split())
        assert 0 < shown.index("withheld") < shown.index("waits")


@pytest.mark.parametrize(
    ("period", "clock", "words"),
    [
        ("P3M", "contract_end", "3 months after contract end"),
        ("P1Y6M", "event", "1 year 6 months after event"),
        ("P1D", "delivery", "1 day after delivery"),
        ("PT12H", "session_end", "PT12H after session end"),
        (None, "contract_end", "at contract end"),
    ],
)
def test_a_clock_that_has_not_started_is_said_in_words(period: str | None, clock: str, words: str) -> None:
    """Tables show no ISO 8601 duration where words will do."""
    assert after(period, clock) == words
