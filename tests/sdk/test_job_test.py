"""`innsyn job test` on a real broker: the jobs of the examples hold, and of one that does not it says where."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from innsyn_sdk.expiry import Expiry
from innsyn_sdk.issuing import own_pair
from innsyn_sdk.job import RightsJob
from innsyn_sdk.outcome import Outcome, changed, done, failed, not_found
from innsyn_sdk.protocol import Command, decoded
from innsyn_sdk.state import SqliteState
from innsyn_sdk.testing import NOW

from tests.support.commands import home, quiet, run
from tests.support.jobs import in_java, in_node
from tests.support.pages import ROOT
from tests.support.time_bounds import HANGING_SECONDS

__all__ = ["home", "quiet"]
pytestmark = pytest.mark.kafka
AVRO = ROOT / "sdk" / "innsyn_sdk" / "avro"
NAMES = ("customer_number", "name", "ip", "phone")
CASES, CASES_OF_ERASURE, CASES_OF_RETENTION = 16, 20, 19


def order(number: str, **more: Any) -> dict[str, Any]:
    return {"customer_number": number, "name": f"n-{number}", "ip": None, "phone": None, **more}


LATELY = 1_772_355_600_000
ORDERS = [order("100042", at=LATELY), order("100042", ip="192.0.2.7", at=LATELY), order("100043")]


def tried(system: str, bootstrap: str, keys: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, what it prints as JSON, and standard error."""
    fields = [word for name in NAMES for word in ("--field", f"Order.{name}")]
    status, out, err = run(
        *("job", "test", "--system", system, "--bootstrap", bootstrap, "--keys", str(keys)),
        *("--id", "customer_number=100042", "--json", *fields, *more),
    )
    return status, json.loads(out) if out else {}, err


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job as a process, which ends when it is asked to."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            yield process
            process.terminate()
            status = process.wait(HANGING_SECONDS)
        finally:
            process.kill()
            process.wait()
    # Java's own for SIGTERM.
    assert status in (0, 143), log.read_text()


def node(folder: Path) -> list[str]:
    return in_node(folder, "job.mjs")


def java(folder: Path) -> list[str]:
    return in_java(folder, "Job")


@pytest.mark.parametrize("language", [node, java])
def test_the_jobs_of_the_examples_hold(
    language: Callable[[Path], list[str]], kafka_bootstrap: str, home: Path, tmp_path: Path
) -> None:
    """Every case; and their stores have the neighbour's orders and nothing else. Started again, they hold again."""
    system, keys, store = f"shop{language.__name__}", tmp_path / "keys", tmp_path / "store.json"
    keys.mkdir()
    _, key_file = own_pair(keys, system)
    store.write_text(json.dumps({"Order": ORDERS}))
    program = [*language(tmp_path), kafka_bootstrap, str(key_file), str(store), str(AVRO)]
    with running(program, tmp_path / "log"):
        status, said, err = tried(system, kafka_bootstrap, keys)
        assert status == 0, (said, err, (tmp_path / "log").read_text())
    assert (said["holds"], said["not_played"]) == (True, [])
    assert len(said["cases"]) == CASES_OF_ERASURE
    assert json.loads(store.read_text())["Order"] == [order("100043")]
    assert "100042" not in store.read_text()


@pytest.mark.parametrize("language", [node, java])
def test_the_jobs_of_the_examples_delete_what_has_run_out(
    language: Callable[[Path], list[str]], kafka_bootstrap: str, home: Path, tmp_path: Path
) -> None:
    """But for those who are kept, what is later, and what has no time; of that they tell."""
    system, keys, store = f"old{language.__name__}", tmp_path / "keys", tmp_path / "store.json"
    keys.mkdir()
    _, key_file = own_pair(keys, system)
    later, undated = order("100043", at=4_102_444_800_000), order("100043", at=None)
    orders = [order("100042", at=1_772_355_600_000), order("100043", at=1_772_355_600_000), later, undated]
    store.write_text(json.dumps({"Order": orders}))
    program = [*language(tmp_path), kafka_bootstrap, str(key_file), str(store), str(AVRO)]
    with running(program, tmp_path / "log"):
        status, said, err = tried(system, kafka_bootstrap, keys, "--right", "retention", "--undated")
        assert status == 0, (said, err, (tmp_path / "log").read_text())
    assert said["holds"]
    assert len(said["cases"]) == CASES_OF_RETENTION
    assert json.loads(store.read_text())["Order"] == [later, undated]


def test_a_job_that_keeps_nobody_does_not_hold(kafka_bootstrap: str, home: Path, tmp_path: Path) -> None:
    """It erased all of them at once: nothing was left of those who were to stay. Nor does one without a handler."""
    _, key_file = own_pair(tmp_path, "keepsnobody")
    outcomes = {False: done({"Order": 2})}

    def expire(_: Expiry) -> Outcome:
        return outcomes.pop(False, not_found())

    job = RightsJob([key_file], None, ":memory:", expire=expire)
    thread = threading.Thread(target=job.run, args=({"bootstrap.servers": kafka_bootstrap},))
    thread.start()
    try:
        status, said, _ = tried("keepsnobody", kafka_bootstrap, tmp_path, "--right", "retention")
    finally:
        job.stop()
        thread.join()
    found = {item["case"] for item in said["cases"] if item["wrong"] is not None}
    assert (status, found) == (1, {"about what has run out of everybody, also of those who stayed"}), said


def unchecked(message: bytes, keys: object, now: object) -> Command:
    value = decoded(message)
    return Command(value["command_id"], value["request_id"], value["attempt"], NOW, (), (), (), (), value)


class Orders:
    """Two orders of somebody, until they are erased."""

    def __init__(self) -> None:
        self.left = 2

    def erase(self, command: Command) -> Outcome:
        if command.orders:
            return failed("needs_person")
        # Its orders are of yesterday.
        if command.cut_off is not None and command.cut_off < NOW:
            return not_found()
        gone, self.left = self.left, 0
        return done({"Order": gone}) if gone else not_found()


class Uncommitted(Orders):
    def erase(self, command: Command) -> Outcome:
        self.left = 2
        return super().erase(command)


@pytest.mark.parametrize(
    ("system", "orders", "sabotage", "kafka", "wrong"),
    [
        ("held", Orders, lambda patch: None, {}, set()),
        (
            "uncommitted",
            Uncommitted,
            lambda patch: None,
            {},
            {"innsyn's about somebody who is erased already"},
        ),
        (
            "gullible",
            Orders,
            lambda patch: patch.setattr("innsyn_sdk.job.received", unchecked),
            {},
            {"not signed", "too old", "altered", "signed by another", "sealed to another key"},
        ),
        (
            "forgetful",
            Orders,
            lambda patch: patch.setattr(SqliteState, "come", lambda *_: 0),
            {},
            {"an earlier attempt than one that came"},
        ),
        (
            "hasty",
            Orders,
            lambda patch: None,
            {"isolation.level": "read_uncommitted"},
            {"taken back (its transaction was aborted)"},
        ),
    ],
)
def test_what_does_not_hold_is_named(
    system: str,
    orders: type[Orders],
    sabotage: Callable[[pytest.MonkeyPatch], None],
    kafka: dict[str, Any],
    wrong: set[str],
    kafka_bootstrap: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a job of the SDK that lacks a check, and of one that lacks none."""
    _, key_file = own_pair(tmp_path, system)
    sabotage(monkeypatch)
    job = RightsJob([key_file], orders().erase, ":memory:")
    thread = threading.Thread(target=job.run, args=({"bootstrap.servers": kafka_bootstrap, **kafka},))
    thread.start()
    try:
        status, said, err = tried(system, kafka_bootstrap, tmp_path, "--wait", "10")
    finally:
        job.stop()
        thread.join()
    found = {item["case"] for item in said["cases"] if item["wrong"] is not None}
    assert found >= wrong, (said, err)
    assert (status, said["holds"]) == ((1, False) if wrong else (0, True)), said
    if system not in ("gullible", "hasty"):
        assert found == wrong


@pytest.mark.parametrize(
    ("right", "handler", "fields"),
    [
        ("access", "export", ["--field", "Order.name"]),
        ("rectification", "rectify", ["--field", "Order.name=Kari"]),
        ("restrict", "restrict", ["--field", "Order.name"]),
    ],
)
def test_other_rights_are_played_as_well(
    right: str, handler: str, fields: list[str], kafka_bootstrap: str, home: Path, tmp_path: Path
) -> None:
    """The copy is read from its topic; more than one part of it."""
    system = f"held{right}"
    _, key_file = own_pair(tmp_path, system)

    def exported(_: Command) -> Any:
        return [("Order", {"note": "x" * 600_000}), ("Order", {"note": "y" * 600_000})]

    handlers: dict[str, Any] = {handler: exported if right == "access" else lambda _: changed({"Order": 1})}
    job = RightsJob([key_file], None, ":memory:", **handlers)
    thread = threading.Thread(target=job.run, args=({"bootstrap.servers": kafka_bootstrap},))
    thread.start()
    try:
        status, out, err = run(
            *("job", "test", "--system", system, "--bootstrap", kafka_bootstrap, "--keys", str(tmp_path)),
            *("--id", "customer_number=100042", "--right", right, "--json", *fields),
        )
    finally:
        job.stop()
        thread.join()
    assert status == 0, (out, err)
    assert len(json.loads(out)["cases"]) == CASES


REFERENCE = """
keys = ["{keys}"]
state = "state.sqlite"
rights = ["erasure", "access", "rectification", "restriction"]
[kafka]
"bootstrap.servers" = "{bootstrap}"
[files]
folder = "orders"
quiet_seconds = 0
[[records]]
record = "Order"
at = "*.ndjson"
restricted = "restricted"
[records.columns]
customer_number = {{field = "customer_number", kind = "customer_number", names = "customer"}}
name = {{field = "name"}}
ip = {{field = "ip", kind = "ip", form = "address", names = "place"}}
phone = {{field = "phone", kind = "phone", names = "person"}}
"""


def test_a_job_by_a_file_holds_for_every_right(kafka_bootstrap: str, home: Path, tmp_path: Path) -> None:
    """One process: it copies, restricts and frees, corrects, and erases at last."""
    keys, lines = tmp_path / "keys", tmp_path / "orders" / "all.ndjson"
    keys.mkdir()
    lines.parent.mkdir()
    _, key_file = own_pair(keys, "byfile")
    lines.write_text("".join(json.dumps(order(number)) + "\n" for number in ("100042", "100043")))
    (tmp_path / "job.toml").write_text(REFERENCE.format(keys=key_file, bootstrap=kafka_bootstrap))
    program = [sys.executable, "-m", "innsyn_sdk.files", str(tmp_path / "job.toml")]
    played = {
        "access": ["--field", "Order.name"],
        "restrict": ["--field", "Order.name"],
        "rectification": ["--field", "Order.name=Kari"],
        "erasure": ["--undated", *(word for name in NAMES for word in ("--field", f"Order.{name}"))],
    }
    with running(program, tmp_path / "log"):
        for right, fields in played.items():
            status, out, err = run(
                *("job", "test", "--system", "byfile", "--bootstrap", kafka_bootstrap, "--keys", str(keys)),
                *("--id", "customer_number=100042", "--right", right, "--json", *fields),
            )
            assert status == 0, (right, out, err, (tmp_path / "log").read_text())
            if right == "rectification":
                assert json.loads(lines.read_text().splitlines()[0])["name"] == "Kari"
    assert [json.loads(line) for line in lines.read_text().splitlines()] == [order("100043")]


def test_nobody_answers(kafka_bootstrap: str, home: Path, tmp_path: Path) -> None:
    """It says so soon, with what to do; and nothing of the person."""
    status, said, err = tried("nobody", kafka_bootstrap, tmp_path, "--wait", "1")
    assert (status, said) == (2, {})
    assert "nothing answered on deletion.nobody within 1 seconds; start the job of nobody" in " ".join(
        err.split()
    )
    assert "100042" not in err


def test_a_job_with_its_own_keys_carries_out_nothing(
    kafka_bootstrap: str, home: Path, tmp_path: Path
) -> None:
    """As on a broker where innsyn works: nothing is erased, and the test ends at its first command."""
    calls: list[Command] = []

    def erase(command: Command) -> Outcome:
        calls.append(command)
        return not_found()

    (tmp_path / "own").mkdir()
    _, key_file = own_pair(tmp_path / "own", "real")
    job = RightsJob([key_file], erase, ":memory:")
    thread = threading.Thread(target=job.run, args=({"bootstrap.servers": kafka_bootstrap},))
    thread.start()
    try:
        status, _, err = tried("real", kafka_bootstrap, tmp_path, "--wait", "20")
    finally:
        job.stop()
        thread.join()
    assert status == 2
    assert "lacks the key of the test; start it with" in " ".join(err.split())
    assert calls == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--system", "../x"], "no name of a system"),
        (["--id", "kari"], "one has no '='"),
        (["--id", "email="], "one has no value"),
        (["--id", "nokind=1"], "there is no such identifier kind"),
        (
            ["--system", "elsewhere"],
            "elsewhere is no system of this company: kinds of --id are not looked up",
        ),
        (["--field", "name"], "--field is no RECORD.FIELD"),
        (["--field", "Invoice."], "--field is no RECORD.FIELD"),
        (["--field", ""], "--field is no RECORD.FIELD"),
        (["--bootstrap", "127.0.0.1:1"], "Kafka at 127.0.0.1:1 does not do its part"),
    ],
)
def test_what_is_given_wrong_is_said_in_a_line(
    change: list[str], said: str, home: Path, tmp_path: Path
) -> None:
    words = {
        "--system": "billing",
        "--bootstrap": "127.0.0.1:1",
        "--id": "email=a@example.no",
        "--field": "A.b",
    }
    words |= {"--keys": str(tmp_path), change[0]: change[1]}
    status, out, err = run("job", "test", *(part for item in words.items() for part in item))
    assert (status, out) == (2, "")
    assert said in " ".join(err.split())
    assert "@example" not in err
