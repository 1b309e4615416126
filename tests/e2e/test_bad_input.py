"""What is wrong or missing: one line on standard error that says what to do, status 2, nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from schemas.keys import Keyring
from tests.support.api import services
from tests.support.instance import running
from tests.support.product import Ended, innsyn

SECRET = "kari.nordmann@example.no"
PERSON = ("--id", f"email={SECRET}")
LINE = f'192.0.2.7 - {SECRET} [02/Mar/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 1 "-" "curl/8"\n'
CATALOGUE = Path(__file__).parents[2] / "schemas" / "companies" / "base" / "catalogue"
LOCKER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is not there yet."""
    return tmp_path / "home"


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A good web log."""
    file = tmp_path / "access.log"
    file.write_text(LINE * 5)
    return str(file)


@pytest.fixture
def closed() -> Mapping[str, str]:
    """Settings with a broker on a port where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return {"INNSYN_KAFKA_BOOTSTRAP": f"127.0.0.1:{found.getsockname()[1]}"}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def assert_refused(done: Ended, *says: str, begins: str = "innsyn: ") -> None:
    """Status 2 and one line that holds each of `says`, no value, no traceback; nothing on standard output."""
    assert done.status == 2, (done.out, done.err)
    assert done.err.startswith(begins), done.err
    assert done.err.count("\n") == 1 == len(done.err.splitlines()), done.err
    assert done.out == ""
    assert SECRET not in done.err
    assert "a bug in innsyn" not in done.err
    for part in says:
        assert part in done.err, done.err


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_that_cannot_be_read(home: Path, tmp_path: Path, log: str) -> None:
    """Not there, a folder, a cut gzip: named with its reason, before a broker is asked and before a line is sent."""
    cut = tmp_path / "cut.gz"
    cut.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03only the head of a gzip")
    for bad in (tmp_path / "absent.log", tmp_path, cut):
        done = innsyn(home, "ingest", "--format", "combined", log, str(bad))
        assert_refused(done, str(bad), "cannot be read", "mend the file or its path")
    assert not home.exists()


def test_an_unknown_format(home: Path, log: str) -> None:
    """The formats there are are listed."""
    assert_refused(
        innsyn(home, "ingest", "--format", "w3c", log), "unknown format", "combined, customers-csv"
    )


def test_a_format_the_file_has_not(home: Path, log: str) -> None:
    """None of the first lines can be read: the reason is counted, the lines are not shown."""
    done = innsyn(home, "ingest", "--format", "zeek-dns", log)
    assert_refused(done, "not zeek-dns", "no_header", "name another --format")
    assert "192.0.2.7" not in done.err
    assert not home.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "--format", "combined", "{log}"),
        ("simulate", "--customers", "20", "--days", "7"),
        ("up", "--port", "0"),
        ("migrate",),
        ("tag", "--until-end"),
    ],
    ids=lambda command: command[0],
)
def test_a_broker_that_is_not_there(
    home: Path, log: str, closed: Mapping[str, str], command: tuple[str, ...]
) -> None:
    """Said, with the address; the index and the checkpoints stay as they were."""
    # What others can read is closed with a line of its own.
    home.mkdir(mode=0o700, parents=True)
    (home / "index").mkdir(mode=0o700)
    before = files_of(home)
    done = innsyn(home, *(part.format(log=log) for part in command), settings=closed)
    assert_refused(done, closed["INNSYN_KAFKA_BOOTSTRAP"], "does not answer", "INNSYN_KAFKA_BOOTSTRAP")
    assert files_of(home) == before


def test_no_broker_at_all(home: Path, log: str) -> None:
    """Neither a setting nor a running instance names one."""
    assert_refused(
        innsyn(home, "ingest", "--format", "combined", log), "no Kafka broker is known", "innsyn up"
    )


@pytest.mark.parametrize("command", ["lookup", "access"])
def test_an_index_that_is_not_there(home: Path, command: str) -> None:
    """The question is refused, and does not make an empty index that would answer "nothing"."""
    assert_refused(innsyn(home, command, *PERSON), "there is no index", "innsyn up")
    assert not home.exists()


def test_an_erasure_without_an_instance(home: Path) -> None:
    """To erase, something has to run."""
    assert_refused(innsyn(home, "erase", "--yes", *PERSON), "no innsyn is running", "innsyn up")
    assert not home.exists()


def test_an_index_that_another_process_has_open(home: Path) -> None:
    """The embedded engine takes one process: said before it is opened, in one line and not in the engine's words."""
    (home / "index").mkdir(parents=True)
    (home / "index" / "status").write_text("PID: 1\n")
    Keyring(home / "keys").made().tokenizer()
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(home / "index" / "status")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as locker:  # fmt: skip
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        for command in (("lookup", *PERSON), ("migrate",)):
            assert_refused(innsyn(home, *command), "another process has the index", "stop")
        locker.communicate()


def test_an_index_without_its_token_key(home: Path) -> None:
    """A new key would find nothing and say so in good faith: the missing one is named instead."""
    innsyn(home, "migrate")
    assert_refused(innsyn(home, "lookup", *PERSON), "no token key in", "innsyn keys create")
    assert not (home / "keys").exists()


def test_a_token_key_that_is_damaged(home: Path) -> None:
    """Not replaced: every row of the index rests on it."""
    (home / "index").mkdir(parents=True)
    (home / "keys").mkdir(mode=0o700)
    (home / "keys" / "token.json").write_text('{"id": "0000')
    (home / "keys" / "token.json").chmod(0o600)
    assert_refused(innsyn(home, "lookup", *PERSON), "not a readable token key", "backup")
    assert (home / "keys" / "token.json").read_text() == '{"id": "0000'


def test_a_catalogue_file_that_is_broken(home: Path, tmp_path: Path) -> None:
    """Broken YAML, an unknown key, a missing file: the file is named."""
    for name, text in {
        "purposes.yaml": "a: [1",
        "categories.yaml": "C-99: {colour: red}\n",
        "roles.yaml": None,
    }.items():
        folder = tmp_path / f"broken-{name}"
        shutil.copytree(CATALOGUE, folder)
        if text is None:
            next(iter(sorted(folder.glob("*.yaml")))).unlink()
            assert_refused(innsyn(home, "catalogue", "check", str(folder)), ".yaml")
        else:
            (folder / name).write_text(text)
            assert_refused(innsyn(home, "catalogue", "check", str(folder)), name)
    assert_refused(innsyn(home, "catalogue", "check", str(tmp_path / "nowhere")), "nowhere")


def test_a_setting_that_does_not_exist(home: Path) -> None:
    """A misspelt variable is an error, not silence."""
    done = innsyn(home, "doctor", settings={"INNSYN_FOO": SECRET})
    assert_refused(done, "INNSYN_FOO is not a setting", "innsyn doctor")


@pytest.mark.parametrize(
    ("name", "value"), [("API_PORT", "many"), ("LOG_LEVEL", SECRET), ("TAG_BATCH_EVENTS", "0")]
)
def test_a_setting_with_a_bad_value(home: Path, name: str, value: str) -> None:
    """The variable is named, its value is not shown."""
    assert_refused(innsyn(home, "doctor", settings={f"INNSYN_{name}": value}), f"INNSYN_{name}")


def test_a_settings_file_that_is_broken(home: Path) -> None:
    """A TOML file that is none."""
    home.mkdir()
    (home / "innsyn.toml").write_text("api_port = \n")
    assert_refused(innsyn(home, "doctor"), "settings file", "correct it")


@pytest.mark.parametrize(
    "given", [f"nickname={SECRET}", SECRET, f"{SECRET}=email", "fodselsnummer=12345678901"]
)
def test_a_person_named_wrongly(home: Path, given: str) -> None:
    """An unknown kind, none, both swapped, a number that cannot be: never shown back."""
    done = innsyn(home, "lookup", "--id", given)
    assert_refused(done)
    assert "12345678901" not in done.err


def test_a_port_that_is_in_use(home: Path, taken: int, closed: Mapping[str, str]) -> None:
    """Named with the setting that chooses another."""
    Keyring(home / "keys").made().tokenizer()
    done = innsyn(home, "serve", settings={**closed, "INNSYN_API_PORT": str(taken)})
    assert_refused(done, f"port {taken}", "INNSYN_API_PORT")


def test_a_token_that_the_api_refuses(home: Path, tmp_path: Path) -> None:
    """The instance is there and says no: nothing falls back to another way in."""
    with running(tmp_path / "other", services(tmp_path / "other" / "keys")) as address:
        home.mkdir()
        (home / "run.json").write_text(
            json.dumps({"bootstrap": "127.0.0.1:1", "api": address, "pid": os.getpid()})
        )
        done = innsyn(home, "lookup", *PERSON, settings={"INNSYN_API_TOKEN": "not the right one"})
        assert_refused(done, "does not know the token", "INNSYN_API_TOKEN")
        assert "not the right one" not in done.err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", None],
    ids=["no JSON", "no record", "no file"],
)
def test_a_schema_file_that_is_broken(home: Path, tmp_path: Path, text: str | None) -> None:
    """The line begins with the file, as a compiler's does: an upstream team runs this in its CI."""
    file = tmp_path / "visit.avsc"
    if text is not None:
        file.write_text(text)
    assert_refused(innsyn(home, "schema", "check", str(file)), "; ", begins=f"{file}: ")
