"""How long something is kept is told in days or words, in both languages; what should be gone is said to be late."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from schemas.entries import Clock
from streams.answers.period_said import period_said
from tests.support.company import model


def kept(**said: Any) -> dict[str, Any]:
    return {"until": None, "overdue": False, "clock": "event", "period": None, **said}


@pytest.mark.parametrize(
    ("said", "nb", "en"),
    [
        (
            kept(until="2026-01-28"),
            "Slettes senest 2026-01-28 (T05).",
            "Deleted on 2026-01-28 at the latest (T05).",
        ),
        (
            kept(until="2026-01-28", overdue=True),
            "Skulle vært slettet senest 2026-01-28 (T05), og er her ennå.",
            "Was to be deleted on 2026-01-28 at the latest (T05), and is still here.",
        ),
        (
            kept(clock="invoice_settled", period="P5M"),
            "Slettes 5 måneder etter at fakturaen er gjort opp (T05). Det har ikke skjedd ennå.",
            "Deleted 5 months after the invoice is settled (T05). That has not happened yet.",
        ),
        (
            kept(clock="financial_year_end", period="P3Y6M"),
            "Slettes 3 år og 6 måneder etter regnskapsårets slutt (T05). Det har ikke skjedd ennå.",
            "Deleted 3 years and 6 months after the end of the financial year (T05). That has not happened yet.",
        ),
        (
            kept(clock="contract_end"),
            "Slettes straks etter avtalens slutt (T05). Det har ikke skjedd ennå.",
            "Deleted at once after the end of the contract (T05). That has not happened yet.",
        ),
        (
            kept(clock="none"),
            "Slettes når formålet ikke lenger gjelder (T05).",
            "Deleted when their purpose ends (T05).",
        ),
    ],
)
def test_how_long_it_is_kept(said: dict[str, Any], nb: str, en: str) -> None:
    assert period_said(said, "T05") == {"nb": nb, "en": en}


@pytest.mark.parametrize("clock", get_args(Clock))
@pytest.mark.parametrize(
    "period", sorted({r.period or "" for r in model().catalogue.retention_rules.values()})
)
def test_no_clock_and_no_period_of_the_catalogue_is_shown_as_it_is_written_there(
    clock: str, period: str
) -> None:
    for text in period_said(kept(clock=clock, period=period or None), "T05").values():
        assert "_" not in text
        assert not period or period not in text
        assert "  " not in text
