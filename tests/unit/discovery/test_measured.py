"""How well it is found what is personal: the floors below which nobody should trust it (docs/measured.md)."""

from __future__ import annotations

import pytest

from bench.discover import NAMES_ALONE, Score, measured_all, shares

FLOORS = {
    "model company": {
        "personal: precision": 0.93,
        "personal: recall": 0.95,
        "category of a field": 0.80,
        "of the event": 0.93,
        "identifier: precision": 0.93,
        "identifier: recall": 0.97,
        "role": 0.97,
    },
    NAMES_ALONE: {"personal: precision": 0.93, "personal: recall": 0.95, "identifier: recall": 0.93},
    "parcel carrier": {
        "personal: precision": 0.87,
        "personal: recall": 0.97,
        "category of a field": 0.90,
        "identifier: precision": 0.97,
        "identifier: recall": 0.85,
        "role": 0.93,
    },
}


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    return dict(measured_all())


@pytest.mark.parametrize("company", FLOORS)
def test_what_is_found_stays_above_its_floor(scores: dict[str, Score], company: str) -> None:
    """Of a company with everything said of its topics taken away."""
    found = shares(scores[company])
    assert not {name: found[name] for name, floor in FLOORS[company].items() if found[name] < floor}


def test_names_alone_leave_more_to_decide(scores: dict[str, Score]) -> None:
    """Without values a person has to look at what is nearly always sure with them."""
    assert scores[NAMES_ALONE].to_decide > 5 * scores["model company"].to_decide


def test_every_field_of_the_truth_is_counted(scores: dict[str, Score]) -> None:
    """The measure is not blind: all topics of both companies are in it."""
    assert scores["model company"].fields > 150
    assert scores["parcel carrier"].fields >= 38
    assert len(scores["model company"].wrong) < 30
