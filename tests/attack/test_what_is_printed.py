"""What came from outside reaches a terminal: markup, escape sequences, turned writing, in every text of an answer."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from console.cli.main import app
from console.cli.show.logs import configure_logging
from console.cli.show.output import joined, marked, print_json, say, screen, shown, table
from console.client import Client
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from tests.support.api import NOW, fill, rights, services
from tests.support.commands import PERSON, home, quiet
from tests.support.instance import running
from tests.support.receipts import hear

__all__ = ["home", "quiet"]

HOSTILE = [
    "[/b]x",
    "[bold]x[/bold]",
    "[red",
    "x\\",
    "x\\\\[/]",
    "[link=http://203.0.113.9/]x[/link]",
    ":warning:",
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x9b31mred",
    "a\rb",
    "a\nrequest r-1 completed",
    "a\tb",
    "\u202eno.elpmaxe",
    "\u2066x",
    "half \ud800",
    "\x00\x08\x7f",
    "{} {0} {x}",
]
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_our_own_markup_is_printed_as_it_is(value: str) -> None:
    """Neither read as markup nor obeyed, and the look around it stays what it was."""
    text = marked("[bold]{}[/bold] of [dim]{}[/dim].", value, "end")
    assert text.plain == f"{shown(value)} of end."
    styles = {(span.start, span.end, str(span.style)) for span in text.spans}
    assert styles == {
        (0, len(shown(value)), "bold"),
        (len(shown(value)) + 4, len(shown(value)) + 7, "dim"),
    }
    assert OBEYED.search(text.plain) is None


@pytest.mark.parametrize("value", HOSTILE)
def test_a_screen_prints_what_it_is_given(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a line, in a table, as its title, as JSON, in a line without a look."""
    rows = table("name", title=value)
    rows.add_row(value)
    rows.add_row(joined([value, marked("[dim]{}[/dim]", value)]))
    screen().print(value)
    screen().print(rows)
    say(value)
    print_json({value: value})
    printed = capsys.readouterr().out
    assert OBEYED.search(printed) is None
    assert shown(value.split("\n")[0]) in printed
    last = printed[printed.rindex("\n{\n") :]
    assert json.loads(last) == {value: value}


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_obeyed_or_lost(one: str, other: str) -> None:
    """Whatever it is: two values in a line are there, whole, and nothing else."""
    out = io.StringIO()
    line = marked("[red]{}[/red]|{}", one, other)
    Console(file=out, width=500, color_system=None, markup=False).print(line, soft_wrap=True, end="")
    assert out.getvalue() == f"{shown(one)}|{shown(other)}"
    assert OBEYED.search(out.getvalue()) is None
    assert OBEYED.search(shown(one)) is None


def test_a_log_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON escapes what would begin another line, or be obeyed by who reads it."""
    configure_logging("info")
    structlog.get_logger().info("step", error="\n{}\x1b[2J\x9b\u202e\u2028")
    (line,) = capsys.readouterr().err.splitlines()
    assert OBEYED.search(line) is None
    assert json.loads(line)["error"] == "\n{}\x1b[2J\x9b\u202e\u2028"


@pytest.fixture
def poisoned(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """A running innsyn with a request; whoever asks it gets `value` in every text that is not a known word."""
    keyring, index = Keyring(home / "keys").made(), MemoryIndex()
    fill(index, keyring)
    service = rights(index, keyring)
    words = {
        "unique",
        "none",
        "ambiguous",
        "erase_now",
        "hold_until",
        "expires",
        "erasure",
        "access",
        "completed",
    }
    call = Client._call
    hostile: list[str] = []

    def poison(given: Any) -> Any:
        if isinstance(given, dict):
            return {name: poison(item) for name, item in given.items()}
        if isinstance(given, list):
            return [poison(item) for item in given]
        if not isinstance(given, str) or given in words or re.match(r"\d{4}-\d\d|P\d|r-\d", given):
            return given
        return hostile[0] if hostile else given

    places = {
        "topic": "t",
        "partition": 0,
        "offset": 1,
        "reason": "r",
        "seen_at": "2026-11-22",
        "state": "dead",
    }
    tried = {"retries": 1, "history": [{"kind": "retry", "by": "b", "at": "a", "why": None, "outcome": "o"}]}
    monkeypatch.setattr(Client, "dead_letters", lambda *_: (poison([{**places, **tried}]), False))
    monkeypatch.setattr(Client, "_call", lambda *given, **named: poison(call(*given, **named)))
    with running(home, replace(services(home / "keys"), reader=index, rights=service)):
        kind, _, who = PERSON[1].partition("=")
        made = service.create(
            "erasure",
            [(kind, who)],
            reason=None,
            channel="api",
            received_at=NOW,
        )
        service.advance(made.request_id)
        names = {"request_id": made.request_id, "command_id": f"{made.request_id}/web", "system": "web"}
        counts = {"state": "withheld", "erased": 0, "held": 3, "ground": "T18", "review_date": None}
        hear(service, {**names, **counts, "reason": None, "reported_at": NOW})

        def poisoned(value: str) -> str:
            hostile[:] = [value]
            return made.request_id

        yield poisoned


@pytest.mark.parametrize("value", ["[/b]x", "x\\", " ".join(HOSTILE).replace("\ud800", "")])
def test_no_command_obeys_an_answer(poisoned: Callable[[str], str], value: str) -> None:
    """Whatever stands in it: each command prints it and ends as it would have."""
    request_id = poisoned(value)
    for arguments in (
        ["requests"],
        ["requests", "--json"],
        ["requests", "show", request_id],
        ["requests", "resend", request_id],
        ["lookup", *PERSON],
        ["lookup", *PERSON, "--json"],
        ["identity", *PERSON],
        ["access", *PERSON],
        ["erase", *PERSON, "--dry-run"],
        ["deadletters", "list"],
    ):
        done = CliRunner().invoke(app, arguments)
        assert (done.exit_code, done.exception) == (0, None), (arguments, done.stderr)
        assert OBEYED.search(done.stdout + done.stderr) is None, arguments
