"""The command line: its commands, and how a failure ends (one line, status 2, no value in it)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.cli import ask as asking
from console.cli.commands import COMMANDS
from schemas.errors import InputError
from tests.support.api import EMAIL
from tests.support.commands import PERSON, home, quiet, run

__all__ = ["home", "quiet"]


def test_help_lists_every_command() -> None:
    """`innsyn` and `innsyn --help` list the commands; the version is there as well."""
    assert run()[:2] == run("--help")[:2]
    status, out, _ = run("--help")
    assert status == 0
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in COMMANDS)
    assert re.fullmatch(r"innsyn \d+\.\d+\.\d+\n", run("--version")[1])


def test_help_imports_no_command() -> None:
    """Start-up stays fast: help loads neither a command nor what commands need."""
    script = "import atexit, sys\natexit.register(lambda: print(*sys.modules))\n"
    script += "from console.cli.main import app\napp(['--help'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {
        "rich",
        "pydantic",
        "httpx",
        "fastapi",
        "confluent_kafka",
        "chdb",
        "structlog",
        "console.cli.lookup",
    }
    assert not loaded & heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """Each command explains itself, with an example of itself."""
    status, out, err = run(name, "--help")
    assert (status, err) == (0, "")
    assert f"innsyn {name}" in " ".join(out.split()).partition("Example: ")[2]
    assert "install-completion" not in out


VALUE = "kari nordmann@example.no"
FAILURES = [
    [],
    ["--id"],
    ["--id", VALUE],
    ["--id", f"{VALUE}=email"],
    ["--id", f"shoe_size={VALUE}"],
    ["--id", f"ip={VALUE}"],
    ["--id", f"fodselsnummer={VALUE}"],
    ["--id", "email="],
    [f"email={VALUE}"],
    [f"--{VALUE}"],
    [f"--{VALUE}={VALUE}"],
    [f"-x{VALUE}"],
    ["--id", f"email={VALUE}", VALUE],
    ["--id", f"email={VALUE}", f"--json={VALUE}"],
    ["--id", f"email={VALUE}", "--from", VALUE],
    ["--id", f"email={VALUE}", "--from", "2026-05-01T00:00:00"],
    ["--id", f"email={VALUE}", "--clock", VALUE],
    ["--id", f"email={VALUE}", "--clock", f"contract_end={VALUE}"],
    ["--id", f"email={VALUE}"],
]


@pytest.mark.parametrize("arguments", FAILURES)
def test_a_failure_is_one_line_without_a_value(home: Path, arguments: list[str]) -> None:
    """Wrong kind, wrong value, wrong option, nothing running: status 2 and one line that repeats nothing."""
    status, out, err = run("lookup", *arguments)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"innsyn: .+\n", err)
    for part in ("kari", "nordmann", "shoe_size"):
        assert part not in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "--help"),
        (["lookup", *PERSON], "innsyn up"),
        (["access", *PERSON], "innsyn up"),
        (["erase", *PERSON, "--yes"], "innsyn up"),
        (["erase", *PERSON], "--yes"),
        (["erase", *PERSON, "--yes", "--wait", "soon"], "--wait"),
        (["access", *PERSON, "--lang", "sv"], "nb, en"),
        (["requests"], "innsyn up"),
        (["requests", "show"], "--help"),
        (["requests", "show", EMAIL], "innsyn up"),
        (["keys", "show"], "innsyn keys create"),
    ],
)
def test_a_failure_says_what_to_do(home: Path, arguments: list[str], word: str) -> None:
    """With nothing running, every command ends with status 2 and one line that has the mend."""
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert word in err
    assert "nordmann" not in err


def test_settings_that_are_wrong_are_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown or a wrong setting is named, not its value."""
    monkeypatch.setenv("INNSYN_API_PORT", "eighty")
    status, _, err = run("doctor")
    assert (status, err.count("\n")) == (2, 1)
    assert "INNSYN_API_PORT" in err
    assert "eighty" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("erase", "--id"), "--id misses its value; write it behind --id; see `innsyn erase --help`"),
        (
            ("requests", "cancel", "r-5f2a9c01d7e34b68", "--reason"),
            "--reason misses its value; write it behind --reason; see `innsyn requests cancel --help`",
        ),
        (("requests", "--follow-up"), "--follow-up misses its value; write it behind --follow-up"),
        (("requests", "--json=yes"), "--json takes no value; leave it out; see `innsyn requests --help`"),
        (("requests", "cancle", EMAIL), "there is no such command; see `innsyn requests --help`"),
        (
            ("object", "--id", f"email={EMAIL}", "--yes"),
            "there is no such option as word 4 behind `innsyn`; did you mean --reason?; see `innsyn object --help`",
        ),
        (("nothing",), "there is no such command; see `innsyn --help`"),
    ],
)
def test_a_word_too_few_or_too_many_is_named_with_its_command(
    home: Path, words: tuple[str, ...], said: str
) -> None:
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (InputError("it is\nwrong"), 2),
        (RuntimeError(EMAIL), 2),
        (BrokenPipeError(), 1),
    ],
)
def test_every_end_has_its_status(
    home: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    """ctrl-C ends with 130, our errors and bugs with 2, a reader that went away with 1; a bug's text stays inside."""

    def fail(*_: Any) -> None:
        raise error

    # Standard output is the test's own: it must not be given away.
    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr(asking, "connect", fail)
    ended, out, err = run("lookup", *PERSON)
    assert (ended, out) == (status, "")
    assert err.count("\n") == (status == 2)
    assert "nordmann" not in err
    if isinstance(error, RuntimeError):
        assert "RuntimeError" in err
        assert "report this" in err


def test_a_bug_shows_its_traceback_on_demand(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INNSYN_LOG_LEVEL=debug adds the traceback of a bug."""

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(asking, "connect", fail)
    monkeypatch.setenv("INNSYN_LOG_LEVEL", "debug")
    assert "Traceback" in run("lookup", *PERSON)[2]


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("requests", "extend", "r-1", "--months", "3", "--reason", "x"), "write 1 or 2"),
        (("access", *PERSON, "--port", "99999"), "write a whole number from 0 to 65535"),
        (("erase", *PERSON, "--wait", "soon"), "write a number from 0"),
    ],
)
def test_a_number_out_of_range_is_told_its_range(words: tuple[str, ...], mend: str) -> None:
    """Not only that there is one."""
    status, _, err = run(*words)
    assert (status, f"does not fit: {mend}; see" in err) == (2, True)
