"""A company's folder: read whole, or refused in one line with file, key and mend."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas import company
from schemas.company import layers_of, load_company, read_profile
from schemas.company_check import company_problems
from schemas.errors import CatalogueError, SchemaError
from schemas.layers import BASE, COMPANIES, MINIMAL, MODEL
from tests.support.company import model, write
from tests.support.stories import CARRIER

TOPIC = """\
{record: %s, key: null, owner: shop, system: shop, partitions: 1, retention: P1D, cleanup_policy: delete,
 dead_letter: lineage.dead-letters, personal: true, tagged: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small company, to break."""
    return Path(shutil.copytree(MINIMAL, tmp_path / "shop"))


def edit(file: str, old: str, new: str) -> Callable[[Path], object]:
    def edited(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return edited


def append(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: write(folder, file, (folder / file).read_text("utf-8") + text)


def new(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: write(folder, file, text)


def gone(file: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).unlink()


RULE = "T60:\n  name: {nb: Krav, en: Claim}\n  authority: GDPR\n  period: P3Y\n  clock: event\n"
HOLD = f"{RULE}  effect: hold_legal_claims\n  covers: [C-09]\n  certainty: [D]\n"
SYSTEM = "{name: {nb: x, en: x}, erasure: own, certainty: [D]}\n"

BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no profile": (gone("company.yaml"), "company.yaml", "file: cannot be read"),
    "profile that is no YAML": (new("company.yaml", "name: ["), "company.yaml", "is not YAML"),
    "profile without DPO": (edit("company.yaml", "dpo_contact", "dpo"), "company.yaml", "dpo"),
    "unknown zone": (
        edit("company.yaml", "Europe/Oslo", "Oslo"),
        "company.yaml",
        "time_zone: unknown time zone",
    ),
    "unquoted Norway": (edit("company.yaml", '"NO"', "NO"), "company.yaml", "country: "),
    "extends nobody": (
        edit("company.yaml", "extends: base", "extends: bsae"),
        "company.yaml",
        "extends: unknown",
    ),
    "topics that are no YAML": (new("topics.yaml", "a: ["), "topics.yaml", "is not YAML"),
    "topic without record": (
        append("topics.yaml", f"shop.x:\n {TOPIC % 'Nothing'}"),
        "topics.yaml",
        "shop.x.record: ",
    ),
    "no topics": (gone("topics.yaml"), "avro/order_placed.avsc", "OrderPlaced: no topic carries it"),
    "topic in an unknown system": (
        edit("topics.yaml", "system: shop", "system: shpo"),
        "topics.yaml",
        "system: unknown",
    ),
    "role of one's own": (
        new(
            "catalogue/vocabulary.yaml",
            "roles:\n  guest: {name: {nb: Gjest, en: Guest}, certainty: [D]}\n",
        ),
        "vocabulary.yaml",
        "roles.guest: is no role, and roles are no company's own; ",
    ),
    "rule without purpose": (
        append("catalogue/retention.yaml", HOLD),
        "catalogue/retention.yaml",
        "T60.purposes: ",
    ),
    "rule that is no YAML": (
        append("catalogue/retention.yaml", "T61: ["),
        "catalogue/retention.yaml",
        "is not YAML",
    ),
    "system of no category": (
        edit("catalogue/systems.yaml", "C-09", "C-99"),
        "catalogue/systems.yaml",
        "shop.holds.1: ",
    ),
    "system with a measure of nobody": (
        edit("catalogue/systems.yaml", "[access_control", "[locks"),
        "catalogue/systems.yaml",
        "shop.measures.0: ",
    ),
    "system that clashes": (
        append("catalogue/systems.yaml", f"kafka: {SYSTEM}"),
        "catalogue/systems.yaml",
        "kafka: stands",
    ),
    "change of nothing": (
        append("catalogue/retention.yaml", "T99: {change: true, period: P1Y}\n"),
        "catalogue/retention.yaml",
        "T99: changes an entry",
    ),
    "change that is none": (
        append("catalogue/retention.yaml", "T34: {change: no, period: P1Y}\n"),
        "catalogue/retention.yaml",
        "T34.change: is not true",
    ),
    "category changed wrongly": (
        new("catalogue/categories.yaml", "C-01: {change: true, sensitivity: 9}\n"),
        "catalogue/categories.yaml",
        "C-01.sensitivity: ",
    ),
    "misspelt file": (
        new("catalogue/retentions.yaml", RULE),
        "catalogue/retentions.yaml",
        "is read by nobody",
    ),
    "misspelt folder": (new("exampels/a.json", "{}"), "exampels", "is read by nobody"),
    "topic that clashes": (
        append("topics.yaml", f"rights.requests:\n {TOPIC % 'OrderPlaced'}"),
        "topics.yaml",
        "rights.requests: stands",
    ),
    "schema that is no JSON": (new("avro/order_placed.avsc", "{"), "avro/order_placed.avsc", "is not JSON"),
    "schema with an unknown rule": (
        edit("avro/order_placed.avsc", "T50", "T51"),
        "avro/order_placed.avsc",
        "unknown retention rule",
    ),
    "schema with an unknown category": (
        edit("avro/order_placed.avsc", '"C-01"', '"C-10x"'),
        "avro/order_placed.avsc",
        "category",
    ),
    "purpose without basis": (
        edit("avro/order_placed.avsc", '["P-CONTRACT"]', '["P-CONTRACT", "P-ADMIN"]'),
        "avro/order_placed.avsc",
        "P-ADMIN without basis",
    ),
    "record that clashes": (
        edit("avro/order_placed.avsc", '"OrderPlaced"', '"DeadLetter"'),
        "avro/order_placed.avsc",
        "DeadLetter: is a record of",
    ),
    "version that is none": (
        new("avro/versions/order_placed/1.avsc", "[]"),
        "versions/order_placed/1.avsc",
        "is not a record",
    ),
    "version missing in between": (
        new("avro/versions/order_placed/3.avsc", "[]"),
        "versions/order_placed/2.avsc",
        "is missing",
    ),
    "country that YAML reads as no": (
        edit("company.yaml", 'country: "NO"', "country: NO"),
        "company.yaml",
        "put it in quotes",
    ),
    "contract that is no YAML": (
        new("contracts/shop.x.yaml", "a: ["),
        "contracts/shop.x.yaml",
        "is not YAML",
    ),
}


@pytest.mark.parametrize(("harm", "file", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_a_folder_is_one_line(
    folder: Path, harm: Callable[[Path], object], file: str, words: str
) -> None:
    """Any file broken, missing or against another: file, key and mend, and nothing is loaded."""
    harm(folder)
    with pytest.raises((CatalogueError, SchemaError)) as caught:
        load_company(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert file in line.partition(": ")[0]
    assert words in line


def test_the_shipped_companies_pass_every_check() -> None:
    """Those that one starts from."""
    for folder in (MINIMAL, MODEL, CARRIER):
        assert company_problems(load_company(folder)) == []


def test_what_all_extend_is_no_company() -> None:
    """Its erasure commands would go to nobody."""
    with pytest.raises(CatalogueError, match="no company"):
        load_company(BASE)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(CatalogueError, match="folder: is not there; make one with `innsyn init"):
        load_company(tmp_path / "nobody")


def test_a_company_has_the_vocabulary_it_extends_and_its_own(folder: Path) -> None:
    """Shared categories, innsyn's own records and topics, the systems of both; and none of the model company's."""
    company = load_company(folder)
    assert set(company.records) == {
        "OrderPlaced",
        "RightsRequest",
        "TreeHead",
        "DutyFinding",
        "ErasureCommand",
        "ErasureReceipt",
        "RetentionCommand",
        "RightsCommand",
        "RightsReceipt",
        "CopyPart",
        "DeadLetter",
    }
    assert {"shop.orders", "deletion.shop", "rights.log", "rights.requests", "lineage.dead-letters"} == set(
        company.topics
    ) - {"rights.receipts", "rights.copies", "duties.findings"}
    assert "C-19" not in company.catalogue.categories
    assert set(company.tagged) == {"shop.orders"}
    assert company.profile.zone.key == "Europe/Oslo"


def test_an_entry_is_changed_by_what_is_written_of_it(folder: Path) -> None:
    """`change: true` lays fields over the entry; the rest of it and all other entries stay as they were."""
    before = load_company(folder).catalogue
    append("catalogue/retention.yaml", "T34: {change: true, period: P3Y}\n")(folder)
    after = load_company(folder).catalogue
    assert (before.retention_rules["T34"].period, after.retention_rules["T34"].period) == ("P5Y", "P3Y")
    assert after.retention_rules["T34"].covers == before.retention_rules["T34"].covers
    assert after.retention_rules["T50"] == before.retention_rules["T50"]
    assert after.version != before.version


def test_a_company_may_start_from_the_model(tmp_path: Path) -> None:
    """It has all of it, and changes what it says otherwise."""
    profile = (MINIMAL / "company.yaml").read_text("utf-8").replace("extends: base", "extends: model")
    folder = tmp_path / "isp"
    write(folder, "company.yaml", profile)
    write(folder, "topics.yaml", "web.visits: {change: true, partitions: 12}\n")
    company = load_company(folder)
    assert company.catalogue.version == model().catalogue.version
    assert company.topics["web.visits"].partitions == 12
    assert company.topics["web.logins"] == model().topics["web.logins"]
    assert company.examples("Login") == model().examples("Login")
    assert read_profile(folder).name == "Our company"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (gone("examples/order_placed/first.json"), "has no example"),
        (new("examples/order_placed/first.json", "[1]"), "is not an object"),
        (edit("examples/order_placed/first.json", '"2026-0001"', "17"), "cannot be written by its schema"),
        (edit("examples/order_placed/first.json", "order_number", "order_no"), "has no field order_no"),
        (new("examples/orders/a.json", "{}"), "examples of no record"),
        (gone("avro/versions/order_placed/1.avsc"), "is kept as no version"),
        (edit("avro/order_placed.avsc", '"category": "C-01", ', '"category": "C-09", '), "confluent:tags"),
    ],
)
def test_all_checks_in_one_find(folder: Path, harm: Callable[[Path], object], words: str) -> None:
    """Examples that do not fit, versions not kept, changes that nobody explained."""
    harm(folder)
    try:
        lines = [str(problem) for problem in company_problems(load_company(folder))]
    except SchemaError as error:
        lines = [str(error)]
    assert any(words in line for line in lines)


def test_what_is_installed_behind_a_link_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped folders have another name than where they lie; a company that is a link itself is read too."""
    installed, link = tmp_path / "installed", tmp_path / "link"
    installed.symlink_to(COMPANIES)
    link.symlink_to(folder)
    monkeypatch.setattr(company, "BASE", installed / "base")
    monkeypatch.setattr(company, "SHIPPED", {"base": installed / "base", "model": installed / "model"})
    assert layers_of(link) == (installed / "base", link)


def test_companies_that_extend_one_another_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the shipped folders were changed, there is an end to it, and a sentence."""
    again = tmp_path / "again"
    again.symlink_to(folder)
    monkeypatch.setattr(company, "SHIPPED", {"base": again, "model": again})
    with pytest.raises(CatalogueError, match="extends: names the company itself; write base"):
        layers_of(folder)
