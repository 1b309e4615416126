"""What a system is said to hold agrees with the contracts of its topics."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.company import load_company
from schemas.company_check import company_problems
from tests.support.stories import CARRIER


@pytest.mark.parametrize(
    ("holds", "told"),
    [("[C-01, C-50, C-51]", ["transport.holds"]), ("[]", []), ("[C-01, C-50, C-51, C-52]", [])],
)
def test_a_category_that_the_system_does_not_hold_is_told(
    tmp_path: Path, holds: str, told: list[str]
) -> None:
    """By the system; one that says nothing of what it holds is whatever passes through."""
    folder = Path(shutil.copytree(CARRIER, tmp_path / "ours"))
    file = folder / "catalogue" / "systems.yaml"
    file.write_text(file.read_text("utf-8").replace("[C-01, C-50, C-51, C-52]", holds), "utf-8")
    found = [problem for problem in company_problems(load_company(folder)) if "holds" in problem.where]
    assert sorted({problem.where for problem in found}) == told
    assert all("lacks C-52, which contracts/transport." in problem.what for problem in found)


def test_a_basis_that_the_purpose_does_not_have_is_told(tmp_path: Path) -> None:
    """As the catalogue has the purpose."""
    folder = Path(shutil.copytree(CARRIER, tmp_path / "ours"))
    file = folder / "contracts" / "transport.scans.yaml"
    file.write_text(file.read_text("utf-8").replace("{P-DELIVERY: f,", "{P-DELIVERY: d,"), "utf-8")
    (found,) = company_problems(load_company(folder))
    assert (found.where, found.what.startswith("is d, and the catalogue has P-DELIVERY on ")) == (
        "ParcelScan.legal_basis",
        True,
    )
