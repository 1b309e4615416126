"""What a correction may say is held against the field that it is to stand in, before any system is told."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import InputError
from streams.rights.corrected import fitting
from tests.support.company import model

SECRET = "sagt i fortrolighet"


@pytest.mark.parametrize(
    ("path", "value", "made"),
    [
        ("CustomerDetails.name", "Kari", "Kari"),
        ("CustomerDetails.birth_date", "1980-02-29", "1980-02-29"),
        ("SupportCase.opened_at", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("Invoice.amount_ore", "-250", -250),
        ("Invoice.amount_ore", 250, 250),
        ("CreditCheck.credit_freeze", "true", True),
        ("CreditCheck.credit_freeze", False, False),
        ("WebVisit.cookie_consent", "all", "all"),
    ],
)
def test_a_value_that_the_field_can_hold_is_taken_as_the_field_holds_it(
    path: str, value: Any, made: Any
) -> None:
    """The command line knows texts alone; a job would write the text into a column of numbers."""
    found = fitting({path: value}, model())
    assert (found, type(found[path])) == ({path: made}, type(made))


@pytest.mark.parametrize(
    ("path", "value", "form"),
    [
        ("CustomerDetails.name", 7, "a text"),
        ("CustomerDetails.birth_date", SECRET, "a day in ISO 8601"),
        ("CustomerDetails.birth_date", "1981-02-29", "a day in ISO 8601"),
        ("SupportCase.opened_at", "2026-03-01T12:00:00", "a time with zone"),
        ("Invoice.amount_ore", SECRET, "a whole number"),
        ("Invoice.amount_ore", 2.5, "a whole number"),
        ("Invoice.amount_ore", "1_000", "a whole number"),
        ("Invoice.amount_ore", str(2**63), "a whole number"),
        ("Invoice.amount_ore", True, "a whole number"),
        ("CreditCheck.credit_freeze", SECRET, "true or false"),
        ("WebVisit.cookie_consent", SECRET, "one of "),
        ("Invoice.lines", SECRET, "several values"),
        ("Invoice.amount_ore", None, "may not be empty"),
        ("CustomerDetails.email", SECRET, "holds an identifier .email."),
    ],
)
def test_a_value_that_the_field_cannot_hold_is_refused_by_field_and_form(
    path: str, value: Any, form: str
) -> None:
    """And never by the value, which is the person's."""
    with pytest.raises(InputError, match=form) as refused:
        fitting({path: value}, model())
    assert path in str(refused.value)
    assert SECRET not in str(refused.value)
