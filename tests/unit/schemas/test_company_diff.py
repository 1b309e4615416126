"""What a change of a company does to rows that are there already."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from schemas.company import load_company
from schemas.company_diff import Change, company_changes
from schemas.layers import COMPANIES
from schemas.tags import TagSet, tag_set
from tests.support.company import write

MINIMAL = COMPANIES / "minimal"
OLD = load_company(MINIMAL)
TODAY = date(2026, 6, 1)
ROWS = tag_set(
    OLD.records["OrderPlaced"], "shop.orders", "owner", catalogue_version=OLD.catalogue.version, key_id="k1"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(MINIMAL, tmp_path / "shop"))


def changed(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text("utf-8")
    assert old in text
    write(folder, file, text.replace(old, new))


def changes(folder: Path, rows: Sequence[tuple[TagSet, int]] | None = None) -> list[Change]:
    return company_changes(OLD, load_company(folder), TODAY, rows)


def test_the_same_company_changes_nothing(folder: Path) -> None:
    """Nor do comments, names and whatever is added that nobody uses yet."""
    assert changes(folder) == []
    changed(folder, "catalogue/retention.yaml", "T50:", "# a remark\nT50:")
    changed(folder, "catalogue/systems.yaml", "Web shop", "Internet shop")
    write(
        folder,
        "catalogue/recipients.yaml",
        (COMPANIES / "model/catalogue/recipients.yaml").read_text("utf-8"),
    )
    assert changes(folder) == []


def test_a_longer_period_moves_dates_and_decisions(folder: Path) -> None:
    """Of each category, from the day that was to the day that is; counted by the rows of all versions and keys."""
    changed(folder, "catalogue/retention.yaml", "hold_contract", "hold_legal_claims")
    old = load_company(folder)
    changed(folder, "catalogue/retention.yaml", "P3M", "P1Y")
    rows = [(ROWS, 5), (replace(ROWS, key_id="k2", catalogue_version="0" * 12), 7)]
    found = company_changes(old, load_company(folder), TODAY, rows)
    assert {(item.kind, item.what) for item in found} == {
        (kind, category) for kind in ("date", "decision") for category in ("C-01", "C-09")
    }
    (day,) = [item for item in found if (item.kind, item.what) == ("date", "C-01")]
    assert (day.before, day.after, day.rows) == ("2026-09-01 by T50", "2027-06-01 by T50", 12)
    (held,) = [item for item in found if (item.kind, item.what) == ("decision", "C-09")]
    assert held.after == "held until 2027-06-01 by T50 for P-CONTRACT"


def test_a_rule_that_is_gone_leaves_rows_nobody_can_decide_on(folder: Path) -> None:
    """And their events would be tagged with the rule that stands in its place."""
    for file in ("catalogue/retention.yaml", "avro/order_placed.avsc"):
        changed(folder, file, "T50", "T51")
    found = {item.kind: item for item in changes(folder, [(ROWS, 3)])}
    assert (found["undecided"].before, found["undecided"].after) == ("decided", "T50 is not in the catalogue")
    assert (found["tags"].what, found["tags"].before, found["tags"].after) == ("retention", "T50", "T51")
    assert {item.rows for item in found.values()} == {3}


def test_a_topic_that_is_gone_tags_no_more(folder: Path) -> None:
    """Its rows stay; what they name may be gone with it."""
    changed(folder, "topics.yaml", "tagged: true", "tagged: false")
    (found,) = changes(folder)
    assert (found.kind, found.topic, found.after, found.rows) == (
        "tags",
        "shop.orders",
        "no longer tagged",
        None,
    )


def test_rows_of_nothing_that_is_known_are_still_judged(folder: Path) -> None:
    """Tags that an older record gave have no successor, but dates; what no row has changes nothing."""
    changed(folder, "catalogue/retention.yaml", "P3M", "P6M")
    older = replace(ROWS, categories=("C-09",), origin="derived")
    assert [(item.kind, item.what) for item in changes(folder, [(older, 1)])] == [("date", "C-09")]
    assert changes(folder, []) == []


def test_another_spelling_of_identifiers_leaves_rows_behind(folder: Path) -> None:
    """They lie under tokens that nobody asks for any more; another country changes phone numbers alone."""
    write(
        folder,
        "catalogue/identifiers.yaml",
        "customer_number: {change: true, steps: [digits, zero_pad: 8], pattern: '[0-9]{8}', example: '00700104'}\n",
    )
    changed(folder, "company.yaml", '"NO"', '"SE"')
    (found,) = changes(folder, [(ROWS, 5)])
    assert (found.kind, found.what, found.rows) == ("identifiers", "customer_number", 5)
    assert (found.before, found.after) == ("NFKC, trim, lower", "digits, zero_pad 8, pattern [0-9]{8}")
