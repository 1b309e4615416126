"""Texts of a company in another country: its national numbers and phones, and none that only Norway has."""

from __future__ import annotations

import pickle
from pathlib import Path
from shutil import copytree

import pyarrow as pa
import pytest

from schemas.company import load_company
from schemas.identifiers import IdentifierKinds
from schemas.layers import COMPANIES
from streams.tagging.scan import Scanned, Scanner
from tests.support.company import write
from tests.support.kinds import KINDS
from tests.support.time_bounds import million_steps

# The invented number that Swedish forms are filled in with.
NUMBER = "121212-1212"
OWN = """\
fodselsnummer: {change: true, found_as: null}
personnummer:
  name: {nb: Personnummer, en: Swedish national number}
  names: person
  one_per_person: true
  found_as: national_number
  steps: [digits: 10, check_digit: luhn]
  certainty: [P]
"""


def kinds_in(folder: Path, country: str, own: str = "") -> IdentifierKinds:
    made = copytree(COMPANIES / "minimal", folder / country)
    profile = made / "company.yaml"
    profile.write_text(profile.read_text("utf-8").replace('"NO"', f'"{country}"'), "utf-8")
    if own:
        write(made, "catalogue/identifiers.yaml", own)
    return load_company(made).kinds


def scanned(kinds: IdentifierKinds, text: str) -> Scanned:
    return Scanner(kinds).scan_column(pa.array([text]))


def test_swedish_numbers_are_found_in_a_swedish_company(tmp_path: Path) -> None:
    """Each is mentioned as the kind of the company that says so, in its one spelling; where it stands is the place."""
    text = f"Mitt personnummer är {NUMBER}, ring 070-174 06 05 eller skriv till kari@example.com"
    kinds = kinds_in(tmp_path, "SE", OWN)
    found = scanned(kinds, text)
    places = {
        kind: text[start:end]
        for kind, start, end in zip(found.kind.to_pylist(), found.start, found.end, strict=True)
    }
    assert places == {"national_number": NUMBER, "phone": "070-174 06 05", "email": "kari@example.com"}
    assert [(kind.name, value) for _, kind, value in found.mentions] == [
        ("personnummer", "1212121212"), ("phone", "+46701740605"), ("email", "kari@example.com"),
    ]  # fmt: skip


def test_a_number_is_found_where_no_kind_takes_it(tmp_path: Path) -> None:
    """It is a national number still, and mentions nobody."""
    found = scanned(kinds_in(tmp_path, "SE"), f"nr {NUMBER}.")
    assert found.kind.to_pylist() == ["national_number"]
    assert found.category.to_pylist() == ["C-02"]
    assert found.mentions == []


@pytest.mark.parametrize("text", ["orgnr 974 760 673", "konto 9999.12.34507", "ring 412 34 567"])
def test_what_only_norway_has_is_not_found_elsewhere(tmp_path: Path, text: str) -> None:
    """Eight digits are no phone there."""
    assert scanned(kinds_in(tmp_path, "SE"), text).mentions == []
    assert "orgnr" not in scanned(kinds_in(tmp_path, "FI"), text).kind.to_pylist()


def test_what_is_the_same_everywhere_is_found_everywhere(tmp_path: Path) -> None:
    """Addresses, and numbers with their country code."""
    text = "ring +47 412 34 567 eller 203.0.113.9, NO93 8601 1117 947"
    names = {kind.name for _, kind, _ in scanned(kinds_in(tmp_path, "SE"), text).mentions}
    assert names == {"phone", "ip", "account_number"}


def test_a_long_text_of_numbers_takes_little_time(tmp_path: Path) -> None:
    """As much as is looked at of a text; and the scanner travels to another process."""
    scanner = pickle.loads(pickle.dumps(Scanner(kinds_in(tmp_path, "SE", OWN))))
    texts = ("1-" * 10_000, "070-174 06 05 " * 1_500, "A" * 20_000, "121212-1212" * 1_800)
    assert million_steps(lambda: [scanner.scan_column(pa.array([text])) for text in texts]) < 250


def test_norway_is_read_as_before() -> None:
    """Nothing of this is asked there."""
    assert KINDS.country == "NO"
    assert [kind.name for _, kind, _ in scanned(KINDS, "ring 412 34 567").mentions] == ["phone"]
