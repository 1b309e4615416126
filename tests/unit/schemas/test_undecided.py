"""A contract in which something is to be decided is refused until nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CatalogueError
from schemas.undecided import undecided
from tests.support.contracts import contract, order

FIELDS: dict[str, Any] = order()["fields"]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"system": "decide"}, "system"),
        ({"purposes": ["P-CONTRACT", "decide"]}, "purposes"),
        ({"legal_basis": {"decide": "b"}}, "legal_basis"),
        ({"event_time": {"path": "placed_at", "decide": "whose time?"}}, "event_time"),
        (
            {"fields": {**FIELDS, "note": {"decide": "free text, 40% sure", "category": "C-31"}}},
            "fields.note",
        ),
        ({"fields": {**FIELDS, "note": {"category": "decide"}}}, "fields.note.category"),
    ],
)
def test_what_is_to_be_decided_is_refused(tmp_path: Path, changed: dict[str, Any], where: str) -> None:
    """By the key it stands under, whether it is a value, one of a list or a mark beside what is likely."""
    with pytest.raises(CatalogueError, match="is to be decided") as refused:
        contract(tmp_path, order(**changed))
    assert refused.value.key == where


def test_others_are_named_and_counted(tmp_path: Path) -> None:
    """A person sees how much is left, in one line."""
    with pytest.raises(CatalogueError) as refused:
        contract(tmp_path, order(**dict.fromkeys(("system", "origin", "operation"), "decide")))
    assert "system: is to be decided, as origin, operation: write" in str(refused.value)
    with pytest.raises(CatalogueError, match="as subject_type, origin, operation and 1 more"):
        contract(
            tmp_path,
            order(
                **dict.fromkeys(("system", "subject_type", "origin", "operation"), "decide"),
                retention=["decide"],
            ),
        )


def test_a_field_may_have_that_name(tmp_path: Path) -> None:
    """A path is no mark."""
    said = order(fields={**FIELDS, "decide": {"category": "none"}, "box.decide": {"category": "none"}})
    assert not list(undecided(said))
    assert contract(tmp_path, said).record.find("decide") is not None
