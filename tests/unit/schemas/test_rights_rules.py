"""How a company carries requests out: its file over that of base, and what is wrong in it in one line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import CatalogueError
from schemas.layers import BASE
from schemas.rights_rules import load_rights_rules
from schemas.vocabulary import Right


def of(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rights.yaml").write_text(text, "utf-8")
    return folder


def test_a_company_changes_what_it_says_and_keeps_the_rest(tmp_path: Path) -> None:
    rules = load_rights_rules([BASE, of(tmp_path, "unchecked: {access: waits, erasure: goes_on}\n")])
    assert [right for right in Right if rules.waits_unchecked(right)] == [Right.ACCESS]
    assert rules.resend_after_hours == load_rights_rules().resend_after_hours
    assert load_rights_rules([BASE, tmp_path / "none"]) == load_rights_rules()


def test_the_shipped_rules_let_everything_go_on() -> None:
    """As it was before there were any; pauses grow."""
    rules = load_rights_rules()
    assert not any(rules.waits_unchecked(right) for right in Right)
    assert not any(rules.needs_approval(right, holds=True, systems=99) for right in Right)
    assert list(rules.pauses) == sorted(rules.pauses)
    assert sum(rules.pauses, timedelta()) < timedelta(days=28)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("{}", [True, True, True, True]),
        ("{right: erasure, holds: true}", [True, False, False, False]),
        ("{systems: 3}", [True, False, True, False]),
        ("{right: access, systems: 3}", [False, False, True, False]),
    ],
)
def test_a_rule_fits_by_all_that_it_says(tmp_path: Path, rule: str, fits: list[bool]) -> None:
    rules = load_rights_rules([BASE, of(tmp_path, f"approval: [{rule}]\n")])
    cases = (("erasure", True, 3), ("erasure", False, 2), ("access", False, 4), ("access", True, 1))
    assert [rules.needs_approval(right, holds=holds, systems=n) for right, holds, n in cases] == fits


@pytest.mark.parametrize(
    ("text", "key", "mend"),
    [
        (
            "unchekced: {access: waits}",
            "unchekced",
            "did you mean unchecked? Write one of resend_after_hours",
        ),
        ("unchecked: {acces: waits}", "unchecked.acces", "'access'"),
        ("unchecked: {access: wait}", "unchecked.access", "'waits' or 'goes_on'"),
        ("resend_after_hours: [0]", "resend_after_hours.0", "greater than or equal to 1"),
        ("resend_after_hours: [1.5]", "resend_after_hours.0", "integer"),
        ("escalate_after_attempts: yes", "escalate_after_attempts", "integer"),
        ("approval: [{holds: 1}]", "approval.0.holds", "boolean"),
        ("approval: [{rights: [erasure]}]", "approval.0.rights", "did you mean right?"),
        ("aproval: []", "aproval", "did you mean approval?"),
        ("- a", "file", "is not a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_file_key_and_mend(tmp_path: Path, text: str, key: str, mend: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_rights_rules([BASE, of(tmp_path, text)])
    error = caught.value
    assert error.file == str(tmp_path / "rights.yaml")
    assert str(error.key).startswith(key)
    assert mend in error.mend
    assert "\n" not in str(error)
