"""A home is of one company: later commands need not name it, and another company is not judged by mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from console.wiring.company import COMPANY_FILE, company_of, folder_of, keep_company
from schemas.errors import SettingsError
from schemas.layers import MINIMAL, MODEL
from schemas.settings import Settings
from tests.support.commands import PERSON, home, instance, quiet, run

__all__ = ["home", "instance", "quiet"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINIMAL, tmp_path / "shop"))


def settings(tmp_path: Path, company: Path | None = None) -> Settings:
    return Settings(home=tmp_path / "home", company=company)


def test_a_home_in_which_nothing_ran_is_of_nobody(tmp_path: Path, shop: Path) -> None:
    """The settings decide; without them it is the model company."""
    assert folder_of(settings(tmp_path)) is None
    assert folder_of(settings(tmp_path, shop)) == shop


def test_a_later_command_takes_the_company_of_the_home(tmp_path: Path, shop: Path) -> None:
    """As if it had been named again."""
    keep_company(settings(tmp_path, shop))
    assert company_of(settings(tmp_path)).profile.name == company_of(settings(tmp_path, shop)).profile.name
    assert (tmp_path / "home" / COMPANY_FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("first", ["shop", "model"])
def test_another_company_is_refused(tmp_path: Path, shop: Path, first: str) -> None:
    """Its words would judge what was tagged by others; both are named, and what to do."""
    here, there = (shop, MODEL) if first == "shop" else (None, shop)
    keep_company(settings(tmp_path, here))
    with pytest.raises(SettingsError, match=r"holds the data of .*set INNSYN_HOME to another folder"):
        folder_of(settings(tmp_path, there))
    with pytest.raises(SettingsError):
        keep_company(settings(tmp_path, there))


@pytest.mark.parametrize(
    "words",
    [
        ["access", *PERSON],
        ["lookup", *PERSON],
        ["requests", "list"],
        ["erase", *PERSON, "--dry-run"],
        ["erase", *PERSON, "--yes"],
    ],
)
def test_a_command_of_another_company_is_refused_before_anything_is_said(
    home: Path, instance: str, shop: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running innsyn would answer for its own company, as if it were the one that was named."""
    keep_company(Settings(home=home))
    monkeypatch.setenv("INNSYN_COMPANY", str(shop))
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert "holds the data of" in " ".join(err.split())


def test_a_company_may_move(tmp_path: Path, shop: Path) -> None:
    """It is known by its name; from then on it is looked for in the new place."""
    keep_company(settings(tmp_path, shop))
    moved = Path(shutil.move(shop, tmp_path / "moved"))
    keep_company(settings(tmp_path, moved))
    assert folder_of(settings(tmp_path)) == moved


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "Shop"}', '{"name": "Shop", "folder": 5}'])
def test_a_note_that_cannot_be_read_is_not_passed_over(tmp_path: Path, content: str) -> None:
    """The model company's words would be as false as any others."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / COMPANY_FILE).write_text(content, "utf-8")
    with pytest.raises(SettingsError, match="take it away and name the company"):
        folder_of(settings(tmp_path))


def test_a_note_that_may_not_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A folder in its place stands for whatever the system refuses."""
    (tmp_path / "home" / COMPANY_FILE).mkdir(parents=True)
    with pytest.raises(SettingsError, match="cannot be read"):
        folder_of(settings(tmp_path))


def test_the_model_company_is_kept_as_such(tmp_path: Path) -> None:
    """It has no folder of one's own that could be gone."""
    keep_company(settings(tmp_path))
    assert json.loads((tmp_path / "home" / COMPANY_FILE).read_text("utf-8"))["folder"] is None
    assert folder_of(settings(tmp_path)) is None
