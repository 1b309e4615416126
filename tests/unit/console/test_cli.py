"""The command line: its commands, its answers, and how a failure ends (one line, status 2, no value in it)."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console.cli import ask as asking
from console.cli.main import COMMANDS, app
from console.cli.show.output import after
from schemas.errors import InputError
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService
from tests.support.api import EMAIL, NOW, TOTAL, fill, rights, services
from tests.support.instance import running
from tests.support.receipts import hear

PERSON = ["--id", f"email={EMAIL}"]


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of these tests runs in the same process: its audit lines are not the command's."""
    monkeypatch.setattr("console.api.routes.lineage.log", structlog.testing.CapturingLogger())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing runs."""
    for name in [name for name in os.environ if name.startswith("INNSYN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    return tmp_path


class Prompt:
    """A rights service whose systems answer at once: asked how far a request is, they have all erased."""

    def __init__(self, service: RightsService) -> None:
        self.create, self.requests, self._service = service.create, service.requests, service
        self.follow_up, self.resend, self.accept = service.follow_up, service.resend, service.accept
        self.close, self.cancel = service.close, service.cancel

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
def instance(home: Path) -> Iterator[str]:
    """An innsyn that runs, on an index in memory, with nobody who erases."""
    with running(home, services(home / "keys")) as address:
        yield address


@pytest.fixture
def prompt_instance(home: Path) -> Iterator[MemoryIndex]:
    """As `instance`, with systems that erase at once."""
    keyring, index = Keyring(home / "keys").made(), MemoryIndex()
    fill(index, keyring)
    given = replace(services(home / "keys"), reader=index, rights=Prompt(rights(index, keyring)))
    with running(home, given):
        yield index


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
        (["--purpose", "P-WEB", "--from", "2026-05-01T01:00:00Z"], 2),
        (["--to", "2026-04-30T00:00:00+02:00"], 0),
        (["--at", "2026-05-01T02:00:00Z"], 1),
    ],
)
def test_lookup_keeps_to_its_limits(instance: str, limits: list[str], events: int) -> None:
    """Times, systems and purposes narrow the answer."""
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
        "Nothing is held about this person.\n",
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
    """resend, accept, close and cancel: each says how the request stands now, or why it cannot be."""
    run("erase", *PERSON, "--yes")
    request_id = f"r-{'01' * 8}"
    assert json.loads(run("requests", "resend", request_id, "--json")[1])["state"] == "received"
    status, _, err = run("requests", "accept", request_id, "--system", "web", "--reason", "seen")
    assert (status, "those in doubt are none" in err) == (2, True)
    assert run("requests", "close", request_id)[0] == 2
    status, out, _ = run("requests", "close", request_id, "--reason", "Kari wrote again")
    assert (status, f"request {request_id} closed" in out) == (0, True)
    assert "Kari wrote again" in run("requests", "show", request_id)[1]
    status, _, err = run("requests", "cancel", request_id)
    assert (status, "closed already" in err) == (2, True)
    assert "r-" not in run("requests", "cancel", EMAIL)[2]


def test_the_list_shows_what_was_refused_before_what_is_waited_for(home: Path) -> None:
    """A system that holds records back is what a person has to act on; the silent one only has to answer."""
    keyring, index = Keyring(home / "keys").made(), MemoryIndex()
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
        assert 0 < shown.index("withheld") < shown.index("waits for")


def test_keys_are_made_once_and_never_shown(home: Path) -> None:
    """`keys create` makes one key; `keys show` gives its id and place, and who else can read it."""
    status, out, _ = run("keys", "create", "--json")
    assert status == 0
    made = json.loads(out)
    assert made["made"]
    assert json.loads(run("keys", "create", "--json")[1]) == {**made, "made": False, "systems_made": []}
    secret = json.loads((home / "keys" / "token.json").read_text())["key"]
    assert stat.S_IMODE((home / "keys" / "token.json").stat().st_mode) == 0o600
    shown = run("keys", "show")[1]
    assert made["key_id"] in shown
    assert secret not in shown + out
    (home / "keys" / "token.json").chmod(0o644)
    assert "chmod 600" in run("keys", "show")[1].replace("\n", " ")


def test_doctor_masks_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in force are shown, but no password, wherever it stands."""
    monkeypatch.setenv("INNSYN_API_TOKEN", "a-secret-of-the-test")
    monkeypatch.setenv("INNSYN_REGISTRY_URL", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.setenv("INNSYN_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    monkeypatch.setenv("INNSYN_REALMS", "isp.example, isp.test")
    monkeypatch.setattr("streams.kafka.topics._LOOK_TIMEOUT", 0.2)
    status, out, err = run("doctor", "--json")
    assert status == 1
    assert "hunter2" not in out + err
    assert "a-secret" not in out + err
    values = {item["name"]: item["value"] for item in json.loads(out)["settings"]}
    assert (values["INNSYN_REALMS"], values["INNSYN_REALM"]) == ("isp.example,isp.test", None)
    checks = {check["name"]: check["state"] for check in json.loads(out)["checks"]}
    assert (checks["broker"], checks["registry"], checks["java"]) == ("wrong", "wrong", "off")


def test_doctor_does_not_send_for_new_keys_where_an_index_needs_the_old_ones(home: Path) -> None:
    """A folder of keys that is gone is no first start."""
    assert "`innsyn keys create` or the first start makes them" in " ".join(run("doctor")[1].split())
    (home / "index").mkdir()
    status, out, _ = run("doctor", "--json")
    found = [check for check in json.loads(out)["checks"] if check["name"] == "keys"]
    assert (status, found[0]["state"]) == (1, "wrong")
    assert "restore the folder from your key backup" in found[0]["detail"]


def test_doctor_sees_keys_that_others_can_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys with open permissions are wrong, with the command that mends them."""
    Keyring(home / "keys").made().tokenizer()
    (home / "keys").chmod(0o755)
    checks = json.loads(run("doctor", "--json")[1])["checks"]
    assert [check["detail"] for check in checks if check["name"] == "keys"] == [
        f"{home / 'keys'} can be read by others (mode 755); run chmod 700 {home / 'keys'}"
    ]


def test_doctor_asks_a_running_instance(instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of a running instance is asked, and its broker, which is not there in this test."""
    monkeypatch.setattr("streams.kafka.topics._LOOK_TIMEOUT", 0.2)
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])["checks"]}
    assert (checks["api"]["state"], checks["api"]["detail"]) == ("ok", instance)
    assert checks["broker"]["state"] == "wrong"


FILL = """
import sys
from pathlib import Path
from schemas.keys import Keyring
from schemas.settings import load_settings
from sinks.open import open_sinks
from tests.support.api import fill
settings = load_settings()
sinks = open_sinks(settings)
fill(sinks.writer(), Keyring(settings.keys_folder).made())
sinks.close()
"""


def test_an_index_that_nobody_has_open_is_read_directly(home: Path) -> None:
    """Where nothing runs, look-up, access and plan read the embedded index themselves, with the same answer."""

    def command(*arguments: str) -> Any:
        # Each in a process of its own, as the engine takes one folder per process.
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout) if done.stdout else None

    innsyn = ("-c", "from console.cli.main import run; run()")
    planned = command(*innsyn, "migrate", "--dry-run", "--json")
    assert planned["dry_run"]
    assert not (home / "index").exists()
    assert command(*innsyn, "migrate", "--json")["migrations"] == planned["migrations"]
    assert command(*innsyn, "migrate", "--json")["migrations"] == []
    command("-c", FILL)
    assert command(*innsyn, "lookup", *PERSON, "--json")["total_events"] == TOTAL
    assert command(*innsyn, "access", *PERSON, "--json")["total_events"] == TOTAL
    assert command(*innsyn, "erase", *PERSON, "--dry-run", "--json")["total_events"] == TOTAL


@pytest.mark.parametrize("command", [["lookup", *PERSON], ["migrate"]])
def test_an_index_that_another_process_has_open_is_left_alone(home: Path, command: list[str]) -> None:
    """The engine takes one process per folder: the second is told so in one line, and does not try."""
    Keyring(home / "keys").made().tokenizer()
    (home / "index").mkdir()
    with (home / "index" / "status").open("w") as status:
        fcntl.flock(status, fcntl.LOCK_EX)
        ended, out, err = run(*command)
    assert (ended, out, err.count("\n")) == (2, "", 1)
    assert "another process" in err


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
