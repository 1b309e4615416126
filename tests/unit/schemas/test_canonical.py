"""JSON with one form: the examples of RFC 8785, and what has none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import MOST, canonical

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MOST, MOST) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_names_are_sorted_as_the_standard_says() -> None:
    """By UTF-16 code units (RFC 8785, 3.2.3): what lies beyond the first plane comes before U+FB33."""
    names = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(names)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_text_is_written_as_the_standard_says() -> None:
    """RFC 8785, 3.2.2: its example of a string, and its literals."""
    given = {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}
    assert canonical(given) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@given(VALUES)
def test_what_is_read_back_is_the_same_and_has_the_same_form(value: object) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), MOST + 1, -MOST - 1, b"x", {1: "x"}, {"x": {2}}, "\ud800"]
)
def test_what_has_more_than_one_form_is_refused(value: object) -> None:
    """A reader in another language would hash something else."""
    with pytest.raises(ValueError, match=r"form|number|name|surrogates"):
        canonical(value)
