"""`innsyn init`, `innsyn company check`, and the company that every role takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli.commands import COMMANDS
from console.cli.main import app
from schemas.company import load_company
from tests.support.company import model, write

ROLES = ("up", "tag", "rights", "serve", "migrate")


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home in which nothing runs; what --company sets is undone after the test."""
    monkeypatch.setenv("INNSYN_COMPANY", "none")
    monkeypatch.delenv("INNSYN_COMPANY")
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("template", ["minimal", "model"])
def test_what_init_writes_passes(tmp_path: Path, template: str) -> None:
    """A folder with every part of a company, that `company check` finds nothing wrong with."""
    folder = tmp_path / "ours"
    assert run("init", str(folder), "--from", template)[0] == 0
    parts = {"company.yaml", "topics.yaml", "catalogue", "avro", "examples", "contracts"}
    assert {path.name for path in folder.iterdir()} == parts
    status, out, err = run("company", "check", str(folder), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["problems"] == []
    if template == "model":
        assert load_company(folder).catalogue.version == model().catalogue.version


def test_init_asks_what_it_is_not_told(tmp_path: Path) -> None:
    """Without --from it asks; an answer that is neither is asked again."""
    assert run("init", str(tmp_path / "ours"), stdin="other\nminimal\n")[0] == 0
    assert set(load_company(tmp_path / "ours").tagged) == {"shop.orders"}


@pytest.mark.parametrize("stdin", ["", "other\n"])
def test_init_asks_nobody_who_is_not_there(tmp_path: Path, stdin: str) -> None:
    """It says what to give instead, and writes nothing."""
    status, _, err = run("init", str(tmp_path / "ours"), stdin=stdin)
    assert status == 2
    assert "give --from minimal or --from model" in err
    assert not (tmp_path / "ours").exists()


def test_init_writes_over_nothing(tmp_path: Path) -> None:
    """A folder with something in it stays as it is."""
    write(tmp_path, "ours/notes.txt", "mine")
    status, _, err = run("init", str(tmp_path / "ours"), "--from", "minimal")
    assert status == 2
    assert "is there and not empty" in err
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["notes.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_check_says_each_problem_in_a_line(tmp_path: Path) -> None:
    """Exit status 1 for what no role is stopped by, 2 for what none would start with."""
    folder = tmp_path / "ours"
    run("init", str(folder), "--from", "minimal")
    (folder / "examples" / "order_placed" / "first.json").unlink()
    status, _, err = run("company", "check", str(folder))
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("examples/order_placed: OrderPlaced: has no example")
    (folder / "topics.yaml").unlink()
    status, _, err = run("company", "check", str(folder))
    assert (status, err.count("\n")) == (2, 1)
    assert "no topic carries it" in err


@pytest.mark.parametrize("role", ROLES)
def test_no_role_starts_with_a_broken_company(tmp_path: Path, home: Path, role: str) -> None:
    """One line with file, key and mend; nothing of the home is touched."""
    folder = tmp_path / "ours"
    run("init", str(folder), "--from", "minimal")
    write(folder, "catalogue/systems.yaml", "shop: {}\n")
    status, out, err = run(role, "--company", str(folder))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{folder}/catalogue/systems.yaml: shop.name: is missing; add it" in err
    assert not list(home.rglob("*"))


def test_the_setting_and_the_option_name_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INNSYN_COMPANY is the default of --company, and `doctor` says which company is in force."""
    folder = tmp_path / "ours"
    run("init", str(folder), "--from", "minimal")
    for given in (("--company", str(folder)), ()):
        if not given:
            monkeypatch.setenv("INNSYN_COMPANY", str(folder))
        checks = json.loads(run("doctor", "--json", *given)[1])["checks"]
        assert next(item["detail"] for item in checks if item["name"] == "company").startswith(
            "Our company, "
        )


def test_commands_that_read_the_company_take_the_option() -> None:
    """All that load one."""
    taking = {name for name, entry in COMMANDS.items() if entry.company}
    assert taking >= {*ROLES, "ingest", "lookup", "access", "erase", "requests", "schema", "keys", "doctor"}


def test_diff_says_what_a_change_does(tmp_path: Path) -> None:
    """Exit status 1 and a line for each consequence, 0 where there is none; without an index nothing is counted."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        run("init", str(folder), "--from", "minimal")
    assert run("company", "diff", str(old), str(new))[:2] == (0, "existing rows stay as they are\n")
    rules = new / "catalogue" / "retention.yaml"
    rules.write_text(rules.read_text("utf-8").replace("P3M", "P4M"), "utf-8")
    status, out, err = run("company", "diff", str(old), str(new), "--json")
    answer = json.loads(out)
    assert (status, err, answer["counted"]) == (1, "", False)
    assert {item["kind"] for item in answer["changes"]} == {"date"}
    _, out, err = run("company", "diff", str(old), str(new))
    assert "shop.orders" in out
    assert err.startswith(
        "rows are not counted, and only those that the folder in force gives are compared: there is"
    )
