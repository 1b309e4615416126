"""What single values are taken for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.entries import IdentifierKindEntry, Name
from schemas.identifiers import identifier_kinds
from schemas.steps import STEPS
from streams.discovery.names import words_for
from streams.discovery.topic import TopicReader
from streams.discovery.values import kinds_of, recognisers_of
from tests.support.discovering import SHARED

TODAY = date(2026, 3, 1)


def best(value: Any) -> str:
    """The kind that it is surest of; of two the first by name."""
    found = kinds_of(value, TODAY)
    return min(found, key=lambda kind: (-found[kind], kind), default="")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("kari.nordmann@example.no", "email"),
        ("+4740000001", "phone"),
        ("40 00 00 01", "phone"),
        ("192.0.2.17", "ip"),
        ("2001:db8::17", "ip"),
        ("02:00:5e:10:00:01", "mac"),
        ("01819030037", "national_id"),
        ("Storgata 14, 0150 Oslo", "postal_address"),
        ("NO9386011117947", "bank_account"),
        ("2026-01-15T14:22:10Z", "moment"),
        (1_767_225_600_000, "number"),
        ("2026-01-15", "date"),
        ("@kari_n", "handle"),
        ("https://example.no/a?b=c", "url"),
        ("P-2026-0044", "code"),
        ("delivered", "word"),
        ("Kari Nordmann", "given_name"),
        (True, "flag"),
        (59.91273, "number"),
        ("", ""),
    ],
)
def test_a_value_is_recognised(value: Any, kind: str) -> None:
    """By the scanner's detectors, or by its shape."""
    assert best(value) == kind


def test_units_of_times_are_told_apart() -> None:
    """Seconds to nanoseconds since 1970, and texts with or without an offset."""
    second = 1_767_225_600
    for factor, unit in ((1, "seconds"), (10**3, "millis"), (10**6, "micros"), (10**9, "nanos")):
        assert f"moment:{unit}" in kinds_of(second * factor, TODAY)
    assert "moment:iso8601" in kinds_of("2026-01-15T14:22:10+01:00", TODAY)
    assert "moment:local" in kinds_of("2026-01-15 14:22:10", TODAY)


def test_a_day_long_ago_may_be_a_birthday() -> None:
    """One of this year is none, nor is one that never was."""
    assert "old_date" in kinds_of("1981-05-17", TODAY)
    assert "old_date" in kinds_of("17.05.1981", TODAY)
    assert "old_date" not in kinds_of("2026-02-01", TODAY)
    assert "old_date" not in kinds_of("1981-02-30", TODAY)


def test_what_stands_inside_a_text_is_told_apart_from_what_a_value_is() -> None:
    """A text that names a phone is no phone."""
    found = kinds_of("Ring meg på 48 12 34 56 når du er framme", TODAY)
    assert "in:phone" in found
    assert "phone" not in found
    assert "text" in found


def test_a_companys_own_form_is_asked() -> None:
    """Of texts and of whole numbers."""
    own = {"parcel_number": lambda text: text.startswith("37") and len(text) == 9}
    assert "kind:parcel_number" in kinds_of("370000001", TODAY, own)
    assert "kind:parcel_number" in kinds_of(370_000_001, TODAY, own)
    assert "kind:parcel_number" not in kinds_of("380000001", TODAY, own)


def test_kinds_of_a_company_with_a_pattern_are_recognised() -> None:
    """However they are spelled; those without one are not guessed."""
    said = IdentifierKindEntry(
        id="parcel",
        name=Name(nb="Pakke", en="Parcel"),
        names="device",
        steps=("trim", "upper") if "upper" in STEPS else ("trim",),
        pattern="P-[0-9]{6}",
        certainty=("D",),
    )
    own = recognisers_of(identifier_kinds({"parcel": said, **SHARED.identifier_kinds}, "NO"))
    assert own["parcel"](" P-000123 ")
    assert not own["parcel"]("Q-000123")
    assert "username" not in own
    rows = [{"ref": f"P-{at:06}"} for at in range(30)]
    reader = TopicReader(
        "a.b",
        words_for(replace(SHARED, identifier_kinds={**SHARED.identifier_kinds, "parcel": said})),
        TODAY,
        lambda _: None,
        own,
    )
    for row in rows:
        reader.take(json.dumps(row).encode())
    event = reader.looked().event
    assert event is not None
    assert [(item.identifier, bool(item.decide)) for item in event.fields] == [("parcel", True)]


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_any_value_has_kinds_and_scores(value: Any) -> None:
    """Scores from 0 to 1, of kinds that are no part of the value."""
    found = kinds_of(value, TODAY)
    assert all(0 <= score <= 1 for score in found.values())
