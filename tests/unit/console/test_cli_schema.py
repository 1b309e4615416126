"""`innsyn schema`: the check in another team's CI, and the way of our records into a registry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.schema import app
from schemas.errors import InputError, RegistryUnavailable
from schemas.records import load_records
from tests.support.company import model
from tests.support.registry_stub import registry_stub
from tests.support.stories import CARRIER

PAYMENT = load_records()["Payment"].json


def with_system(system: str) -> dict[str, Any]:
    return {**PAYMENT, "innsyn": {**PAYMENT["innsyn"], "system": system}}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_command_checks_our_own_records() -> None:
    """Without a file, all records of ours are checked."""
    assert run("check") == (0, f"{len(load_records())} records checked, nothing wrong\n", "")


def test_command_prints_problems_on_standard_error(tmp_path: Path) -> None:
    """A problem is one line on standard error and exit status 1."""
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(with_system("order")))
    line = f"{path}: Payment: unknown system order; did you mean orders?\n"
    assert run("check", str(path)) == (1, "", line)


def test_command_prints_json(tmp_path: Path) -> None:
    """--json prints each problem as an object on standard output."""
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(with_system("order")))
    status, out, _ = run("check", "--json", str(path))
    assert status == 1
    assert json.loads(out)["problems"] == [
        {
            "file": str(path),
            "where": "Payment",
            "what": "unknown system order",
            "mend": "did you mean orders?",
        }
    ]


@pytest.mark.parametrize(
    "content", [None, b"{", b"\xff\xfe", b"[]"], ids=["missing", "cut", "binary", "list"]
)
def test_command_says_that_a_file_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A file that cannot be read is one line and exit status 2, and the others are checked all the same."""
    bad, good = tmp_path / "bad.avsc", tmp_path / "payment.avsc"
    if content is not None:
        bad.write_bytes(content)
    good.write_text(json.dumps(with_system("order")))
    status, _, err = run("check", str(bad), str(good))
    assert status == 2
    assert sorted(line.split(": ")[0] for line in err.splitlines()) == [str(bad), str(good)]


def test_a_team_names_the_folder_of_its_schemas(tmp_path: Path) -> None:
    """Every schema below it is checked but committed versions; a folder without one is refused."""
    for place in ("events/payment.avsc", "more/deep/payment.avsc", "events/versions/payment/1.avsc"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(json.dumps(with_system("order")))
    status, _, err = run("check", str(tmp_path))
    named = [line.split(": ")[0] for line in err.splitlines() if "unknown system" in line]
    assert (status, named) == (
        1,
        [str(tmp_path / "events/payment.avsc"), str(tmp_path / "more/deep/payment.avsc")],
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no schema in it"):
        run("check", str(tmp_path / "empty"))


def test_a_schema_that_knows_nothing_of_annotations_is_one_line(tmp_path: Path) -> None:
    """Not one for each field and each word that the committed version has; what breaks readers is said beside it."""
    plain = {key: value for key, value in PAYMENT.items() if key != "innsyn"}
    fields = [
        {k: v for k, v in item.items() if k in ("name", "type", "default")} for item in PAYMENT["fields"]
    ]
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps({**plain, "fields": fields}))
    status, _, err = run("check", str(path))
    assert (status, err.count("\n")) == (1, 1)
    assert "Payment: record without annotation" in err
    assert "`innsyn schema show RECORD --avsc`" in err
    path.write_text(json.dumps({**plain, "fields": [*fields, {"name": "note", "type": "string"}]}))
    assert "Payment.note: incompatible change since version" in run("check", str(path))[2]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.no", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


NOTE = {"name": "note", "type": "string", "innsyn": {"category": "none"}}


def payment(*fields: dict[str, Any], **words: Any) -> str:
    """A payment with more fields, other words in its annotation."""
    innsyn = {**PAYMENT["innsyn"], **words}
    return json.dumps({**PAYMENT, "innsyn": innsyn, "fields": [*PAYMENT["fields"], *fields]})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git work tree in which a payment was committed once."""
    path = tmp_path / "payment.avsc"
    path.write_text(payment())
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return path


def test_command_compares_with_the_committed_version(repository: Path) -> None:
    """In a git work tree what was committed decides, up to HEAD or the revision named, also once the change is in."""
    git(repository.parent, "branch", "release")
    repository.write_text(payment({**NOTE, "default": ""}))
    assert run("check", str(repository))[0] == 0
    repository.write_text(payment(NOTE))
    for _ in range(2):
        status, _, err = run("check", str(repository))
        assert (status, len(err.splitlines())) == (1, 1)
        assert "Payment.note: incompatible change since commit " in err
        assert run("check", "--base", "release", str(repository))[0] == 1
        git(repository.parent, "commit", "--allow-empty", "-am", "second")
    with pytest.raises(InputError, match="git knows no revision nowhere"):
        run("check", "--base", "nowhere", str(repository))


def test_command_compares_with_every_committed_version(repository: Path) -> None:
    """A field that came with a default and lost it later: the version before reads it, the first one does not."""
    repository.write_text(payment({**NOTE, "default": ""}))
    git(repository.parent, "commit", "-am", "second")
    renamed = repository.with_name("payments.avsc")
    git(repository.parent, "mv", "payment.avsc", "payments.avsc")
    git(repository.parent, "commit", "-m", "renamed")
    renamed.write_text(payment(NOTE))
    status, _, err = run("check", str(renamed))
    assert (status, len(err.splitlines())) == (1, 1)
    assert "a new field without a default" in err
    assert run("check", "--compatibility", "backward", str(renamed))[0] == 0
    with pytest.raises(InputError, match="--compatibility takes one of BACKWARD, "):
        run("check", "--compatibility", "none", str(renamed))


def test_versions_beside_the_file_need_no_git(tmp_path: Path) -> None:
    """`schema commit` keeps what passes; afterwards every version kept decides, and one that is missing is told."""
    path, kept = tmp_path / "payment.avsc", tmp_path / "versions" / "payment"
    path.write_text(payment())
    assert run("commit", str(path)) == (0, f"{kept / '1.avsc'}\n", "")
    assert run("commit", str(path)) == (0, "every schema is its newest version already\n", "")
    path.write_text(payment({**NOTE, "default": ""}))
    assert json.loads(run("commit", "--json", str(path))[1]) == {
        "files": 1,
        "written": [str(kept / "2.avsc")],
    }
    path.write_text(payment(NOTE))
    status, out, err = run("commit", str(path))
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "incompatible change since version 1: a new field" in err
    assert sorted(file.name for file in kept.iterdir()) == ["1.avsc", "2.avsc"]
    (kept / "1.avsc").unlink()
    status, _, err = run("check", str(path))
    assert (status, err) == (
        2,
        f"{kept / '1.avsc'}: file: is missing; restore it, a producer may still write it\n",
    )


def test_the_first_version_kept_brings_those_of_git(repository: Path) -> None:
    """Nothing that was committed before is forgotten: it stands beside the file from then on, each contract once."""
    repository.write_text(payment({**NOTE, "default": ""}))
    git(repository.parent, "commit", "-am", "second")
    git(repository.parent, "commit", "--allow-empty", "-m", "third")
    kept = repository.parent / "versions" / "payment"
    assert run("commit", str(repository))[1].splitlines() == [str(kept / f"{n}.avsc") for n in (1, 2)]
    repository.write_text(payment(NOTE))
    status, _, err = run("check", str(repository))
    assert (status, "since version 1: a new field" in err) == (1, True)


def test_a_version_altered_after_it_was_committed_is_told(repository: Path) -> None:
    """What a producer has written with it would be read wrongly."""
    run("commit", str(repository))
    git(repository.parent, "add", ".")
    git(repository.parent, "commit", "-m", "versions")
    assert run("check", str(repository))[0] == 0
    kept = repository.parent / "versions" / "payment" / "1.avsc"
    kept.write_text(payment(origin="derived"))
    status, _, err = run("check", str(repository))
    assert status == 1
    assert err.startswith(f"{kept}: payment: version 1 is not what was committed; restore it")


def test_a_privacy_change_fails_until_it_has_a_reason(repository: Path) -> None:
    """What is no longer said of people is one line; the schema's own reason lets it pass."""
    repository.write_text(payment(recipients=[*PAYMENT["innsyn"]["recipients"], "police"]))
    status, _, err = run("check", str(repository))
    assert (status, len(err.splitlines())) == (1, 1)
    assert ": recipient police was added; take it out, or say why in" in err
    recipients = [*PAYMENT["innsyn"]["recipients"], "police"]
    repository.write_text(payment(recipients=recipients, privacy_change="an order of the court"))
    assert run("check", str(repository))[0] == 0


def test_command_compares_with_our_record_of_the_same_name(tmp_path: Path) -> None:
    """Outside git, a copy of one of our records is held against ours; --against names others."""
    path, old, older = (tmp_path / name for name in ("payment.avsc", "old.avsc", "older.avsc"))
    for file, text in ((path, payment(NOTE)), (old, payment({**NOTE, "default": ""})), (older, payment())):
        file.write_text(text)
    assert run("check", str(path))[0] == 1
    assert run("check", "--against", str(old), str(path))[0] == 0
    for first, second in ((old, older), (older, old)):
        status, _, err = run("check", "--against", str(first), "--against", str(second), str(path))
        assert (status, len(err.splitlines())) == (1, 1)
        assert f"Payment.note: incompatible change since {older}: a new field" in err
    with pytest.raises(InputError, match="exactly one FILE"):
        run("check", "--against", str(old), str(path), str(old))


CASES = Path(__file__).parents[2] / "fixtures" / "cases" / "13"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("c-micros", ["OrderPlaced.shipped_at: incompatible change"]),
        ("d-decimal-scale", ["OrderPlaced.total: incompatible change"]),
        ("e-alias", []),
        (
            "h-identifier-gone",
            ["OrderPlaced: personal fields that", "OrderPlaced.customer_number: privacy change"],
        ),
    ],
)
def test_command_compares_two_files(name: str, told: list[str]) -> None:
    """The two files named, and nothing else: one line for each thing wrong."""
    new = CASES / f"order-{name}.avsc"
    status, _, err = run("check", str(new), "--against", str(CASES / "order.avsc"))
    assert status == bool(told)
    assert [
        line.removeprefix(f"{new}: ")[: len(told[at])] for at, line in enumerate(err.splitlines())
    ] == told


def test_register_puts_every_topic_into_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every topic has its subject afterwards, and a second run changes nothing."""
    with registry_stub() as (url, store):
        first = run("register", "--registry", url, "--json")
        monkeypatch.setenv("INNSYN_REGISTRY_URL", url)
        assert run("register", "--json") == first
        assert json.loads(first[1])["subjects"].keys() == {t.subject for t in model().topics.values()}
        assert all(len(versions) == 1 for versions in store.subjects.values())


def test_register_says_what_the_registry_refuses() -> None:
    """A record the registry finds incompatible is one line and exit status 1; the others are registered."""
    with registry_stub() as (url, store):
        old = {"type": "record", "name": "Payment", "namespace": "no.innsyn", "fields": []}
        store.register("billing.payments-value", json.dumps(old))
        status, out, err = run("register", "--registry", url)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "avro/payment.avsc: Payment: " in err
        assert len(out.splitlines()) == len(model().topics) - 1


def test_register_needs_a_registry_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry named, or none there: an error that says what to do."""
    monkeypatch.delenv("INNSYN_REGISTRY_URL", raising=False)
    with registry_stub() as (url, _):
        pass
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        run("register", "--registry", url)
    with pytest.raises(InputError, match="INNSYN_REGISTRY_URL"):
        run("register")


def test_a_record_of_a_contract_is_shown_as_its_messages_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the unit and the zone of its time, not with what is made of it when it is read."""
    monkeypatch.setenv("INNSYN_COMPANY", str(CARRIER))
    status, out, _ = run("show", "ParcelScan")
    assert status == 0
    assert "event time  scanned_at, string in iso8601, Europe/Oslo" in out
    assert "timestamp-millis" not in out
    assert "or null" not in out
