"""Every file of a company's folder, broken in every way in which files break in a hurry: one line, nothing starts."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from console.cli.main import app
from schemas.company import load_company
from schemas.company_check import company_problems
from schemas.errors import CatalogueError, SchemaError
from schemas.layers import MINIMAL
from tests.support.stories import CARRIER

FILES = sorted(
    [("carrier", str(path.relative_to(CARRIER))) for path in CARRIER.rglob("*") if path.is_file()]
    + [("minimal", str(path.relative_to(MINIMAL))) for path in MINIMAL.rglob("*") if path.is_file()]
)
FOLDERS = {"carrier": CARRIER, "minimal": MINIMAL}


def _emptied(path: Path) -> None:
    path.write_text("")


def _only_a_comment(path: Path) -> None:
    path.write_text("# nothing yet\n")


def _in_latin(path: Path) -> None:
    path.write_bytes("name: {nb: Kjøp}\n".encode("latin-1"))


def _with_a_zero_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00\xff")


def _cut(path: Path) -> None:
    text = path.read_text("utf-8").rstrip()
    path.write_text(text[: len(text) * 2 // 3].rstrip(" ,}]\n") + ' {"', "utf-8")


def _a_list(path: Path) -> None:
    path.write_text("[1, 2]")


def _a_text(path: Path) -> None:
    path.write_text('"words"')


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _deep(path: Path) -> None:
    path.write_text("[" * 5_000 + "]" * 5_000)


def _twice(path: Path) -> None:
    """The first key once more, at the end."""
    content = _read(path)
    if not isinstance(content, dict):
        path.write_text("[1, 2]")
        return
    key = next(iter(content))
    if path.suffix == ".yaml":
        path.write_text(path.read_text("utf-8") + f"\n{json.dumps(key)}: {{}}\n", "utf-8")
    else:
        path.write_text(path.read_text("utf-8").rstrip()[:-1] + f', "{key}": 1}}', "utf-8")


def _every_value_a_number(path: Path) -> None:
    content = _read(path)
    _write(path, dict.fromkeys(content, 17) if isinstance(content, dict) else 17)


def _every_value_a_list(path: Path) -> None:
    content = _read(path)
    _write(path, {key: [[]] for key in content} if isinstance(content, dict) else [])


def _every_entry_without_its_first_key(path: Path) -> None:
    content = _read(path)
    if not isinstance(content, dict):
        _write(path, [])
    elif all(isinstance(entry, dict) for entry in content.values()):
        _write(path, {key: dict(list(entry.items())[1:]) for key, entry in content.items()})
    else:
        _write(path, dict(list(content.items())[1:]))


def _misspelt(path: Path) -> None:
    content = _read(path)
    _write(path, {f"{key}x": value for key, value in content.items()} if isinstance(content, dict) else "x")


HARMS: list[Callable[[Path], None]] = [
    _emptied, _only_a_comment, _in_latin, _with_a_zero_byte, _cut, _a_list, _a_text, _a_folder, _a_pipe, _a_loop, _deep,
    _twice, _every_value_a_number, _every_value_a_list, _every_entry_without_its_first_key, _misspelt,
]  # fmt: skip


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def _write(path: Path, content: Any) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(text if path.suffix == ".yaml" else json.dumps(content), "utf-8")


def lines(folder: Path) -> list[str]:
    """What is wrong with a folder, each in a line; a refusal by itself."""
    try:
        return [str(problem) for problem in company_problems(load_company(folder))]
    except (CatalogueError, SchemaError) as error:
        return [str(error)]


# What is whole all the same: what is left out has a default, or nobody reads it; a topic has another name.
WHOLE = {
    (_every_entry_without_its_first_key, name)
    for name in ("company.yaml", "created.json", "moved.json", "to-one.json", "to-two.json")
} | {(_misspelt, "topics.yaml")}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__.strip("_"))
def test_each_file_broken_is_a_line(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """Which names the file, or one that it contradicts then. No other error, no wait, nothing that no check sees."""
    wrong = []
    for number, (company, file) in enumerate(FILES):
        folder = Path(shutil.copytree(FOLDERS[company], tmp_path / f"{number}"))
        harm(folder / file)
        found = lines(folder)
        if any("\n" in line or len(line.split(": ")) < 3 for line in found) or (
            not found and (harm, Path(file).name) not in WHOLE
        ):
            wrong.append((company, file, found))
        shutil.rmtree(folder)
    assert wrong == []


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    """But for the story, which nobody has to have, and an example beside others."""
    unseen = set()
    for number, (company, file) in enumerate(FILES):
        folder = Path(shutil.copytree(FOLDERS[company], tmp_path / f"{number}"))
        (folder / "story.yaml").unlink(missing_ok=file != "story.yaml")
        (folder / file).unlink(missing_ok=True)
        if not lines(folder):
            unseen.add(file)
    foreign = {file for company, file in FILES if company == "carrier" and file.endswith(".json")}
    assert unseen == {"story.yaml", *foreign}


# File, what stands there, what instead, and what the line says of it.
CONTRADICTIONS = {
    "rule without purpose": ("catalogue/retention.yaml", "  purposes: [P-CLAIMS]\n", "", "T51.purposes"),
    "rule of no category": ("catalogue/retention.yaml", "[C-51]", "[C-57]", "T53.covers"),
    "rule that nobody has": ("contracts/transport.scans.yaml", "[T54]", "[T59]", "unknown retention rule T59"),
    "rule with an unknown clock": ("catalogue/retention.yaml", "clock: delivery", "clock: delivered", "T51.clock"),
    "topic without contract": (
        "topics.yaml", "transport.scans:", "transport.scan:", "transport.scan.record: is missing|is no topic",
    ),
    "contract of another system": ("contracts/shop.orders.yaml", "system: shop", "system: crm", "system: "),
    "unknown system": ("topics.yaml", "system: transport,", "system: trucks,", "unknown system trucks"),
    "two contracts of one record": (
        "contracts/transport.scans.yaml", "record: ParcelScan", "record: ShopOrder", "choose another name",
    ),
    "record of the protocol": (
        "contracts/transport.scans.yaml", "record: ParcelScan", "record: DeadLetter", "choose another name",
    ),
    "category that clashes": ("catalogue/categories.yaml", "C-50:", "C-01:", "C-01: stands in what"),
    "system that clashes": ("catalogue/systems.yaml", "shop:", "kafka:", "kafka: stands in what the company extends"),
    "recipient that clashes": ("catalogue/recipients.yaml", "carrier_abroad", "police", "police: stands"),
    "word that clashes": ("catalogue/vocabulary.yaml", "consignee:", "customer:", "subject_types.customer: stands"),
    "unknown purpose": ("contracts/transport.scans.yaml", "P-STAFF]", "P-STAF]", "did you mean P-STAFF"),
    "purpose without basis": ("contracts/transport.scans.yaml", ", P-STAFF: f}", "}", 'add "P-STAFF"'),
    "unknown kind": ("contracts/shop.orders.yaml", "kind: email", "kind: e_mail", "unknown identifier kind"),
    "unknown role": ("contracts/shop.orders.yaml", "role: counterparty", "role: consignee", "unknown identifier role"),
    "dead letters to nowhere": ("topics.yaml", "lineage.dead-letters", "dead", "dead_letter: unknown topic dead"),
    "no time zone of that name": ("company.yaml", "Europe/Oslo", "Oslo", "time_zone"),
    "country that YAML reads as no": ("company.yaml", '"NO"', "NO", "country"),
    "story of an example that is none": ("story.yaml", "shop.orders/to-one", "shop.orders/to-ones", "did you mean"),
    "story without somebody": (
        "story.yaml", "{owner: customer, counterparty: consignee}", "{owner: customer}", "say who stands in that role",
    ),
    "story of a group that is none": ("story.yaml", "asks: customer", "asks: costumer", "is no group"),
    "example with a value of no path": (
        "examples/shop.orders/to-one.json", '"currency"', '"currencyCode"', "no path of the contract names it",
    ),
    "example with another type": (
        "examples/transport.scans/on-the-van.json", '"370400000000000017"', "370400000000000017", "is no string",
    ),
    "example of another kind": (
        "examples/shop.orders/to-one.json", '"TB-104233"', '"TB-1042"', "customer.number: is no sender_number",
    ),
    "example without its check digit": (
        "examples/transport.scans/on-the-van.json", "0017", "0018", "parcel.number: is no parcel_number",
    ),
    "example that names nobody": (
        "examples/shop.orders/to-one.json", '"+4740000011"', '""', r"consignees\.0\.phone: is empty",
    ),
    "rule of the model company": ("catalogue/retention.yaml", "T54:", "T10:", "T10: is Preservation order in"),
    "rule under a number that is kept": ("catalogue/retention.yaml", "T54:", "T49:", "T49: is kept for what innsyn"),
    "category under a number that is kept": ("catalogue/categories.yaml", "C-52:", "C-32:", "from C-50 on"),
    "purpose of the model company": ("catalogue/purposes.yaml", "P-STAFF:", "P-PORT:", "P-PORT: is Switching"),
    "term that is none": (
        "catalogue/categories.yaml", "user.contact.address", "user.contact.adress", "mean user.contact.address",
    ),
    "term of no form": ("catalogue/categories.yaml", "user.location]", "User]", "'User' is no term; did you mean"),
    "category without a term": (
        "catalogue/categories.yaml", "  fideslang: [user.behavior.purchase_history]\n", "", "write one of user.account",
    ),
    "example its schema cannot write": (
        "examples/transport.consignments/registered.json", '"consignmentId": "C-880012",', "", "does not fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_contradicts_something_else_is_a_line(
    tmp_path: Path, file: str, before: str, after: str, words: str
) -> None:
    """Across files, and across the company and what it extends."""
    folder = Path(shutil.copytree(CARRIER, tmp_path / "ours"))
    text = (folder / file).read_text("utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after, 1), "utf-8")
    if before.endswith(":") and file.startswith("catalogue/"):
        _renamed(folder, before[:-1], after[:-1])
    found = lines(folder)
    assert any(re.search(words, line) for line in found), found


def _renamed(folder: Path, before: str, after: str) -> None:
    """The id wherever else it is named, so that nothing but the id itself is wrong."""
    for path in [*folder.glob("catalogue/*.yaml"), *folder.glob("contracts/*.yaml")]:
        text = path.read_text("utf-8")
        path.write_text(re.sub(rf"{before}(?=[],:}}])", after, text), "utf-8")


READ_BY_ROLES = [
    (company, file) for company, file in FILES if not file.startswith("examples/") and file != "story.yaml"
]


@pytest.mark.parametrize("command", ["tag", "serve", "rights", "up", "migrate"])
def test_no_role_starts_with_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Exit status 2 and one line, before there is a file of it."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    for company, file in READ_BY_ROLES:
        folder = Path(shutil.copytree(FOLDERS[company], tmp_path / "ours"))
        _in_latin(folder / file)
        monkeypatch.setenv("INNSYN_COMPANY", str(folder))
        done = CliRunner().invoke(app, [command])
        assert done.exit_code == 2, (file, done.output)
        assert done.stderr.startswith(f"innsyn: {folder}"), done.stderr
        assert Path(file).name in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "home").exists()
        shutil.rmtree(folder)
