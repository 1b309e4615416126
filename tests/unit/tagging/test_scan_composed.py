"""Texts in decomposed Unicode: read as if they were composed, and every place told in the text as it stands."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.tagging.scan import Scanner, scan
from streams.tagging.scan.composed import composed
from streams.tagging.scan.text import Limits
from tests.support.kinds import KINDS

PER = "@".join(("per", "xn--e1afmkfd"))
letters = st.sampled_from("aåeéøA1 .\u0301\u030a\u0327\u0344\u1100\u1161\u11a8\uac00\u212b\ufb1d\u0958")
# Characters of format are left out when they are invisible; that is tested apart.
visible = st.text(st.characters(exclude_categories=("Cf", "Cs")))
texts = st.one_of(visible, st.lists(letters, max_size=12).map("".join))


@given(texts)
def test_composing_gives_normal_form_c_and_knows_where_each_character_came_from(text: str) -> None:
    """The text is that of the standard library; each character stands in a stretch that gives it when composed."""
    found = composed(text)
    assert (text if found is None else found.text) == unicodedata.normalize("NFC", text)
    if found is None:
        return
    assert len(found.starts) == len(found.ends) == len(found.text)
    for at, letter in enumerate(found.text):
        start, end = found.span(at, at + 1)
        assert letter in unicodedata.normalize("NFC", text[start:end])
    assert found.span(0, len(found.text)) == (0, len(text))


WRITTEN = (
    "Send det til per@blåbærskogen.example takk",
    "Åse på Blåbærtunet: tlf 400 00 909",
    "Er sykmeldt på grunn av kreft, skriver Øyvind é",
    "Bor i Blåbærvegen 7, 0155 Oslo",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_found_does_not_depend_on_how_letters_are_composed(text: str) -> None:
    """Kinds, scores and identifiers are the same; the characters at each place compose to the same."""
    written = {form: unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    assert written["NFC"] != written["NFD"]
    said = {
        form: [
            (item._replace(start=0, end=0), unicodedata.normalize("NFC", whole[item.start : item.end]))
            for item in scan(whole)
        ]
        for form, whole in written.items()
    }
    assert said["NFC"] == said["NFD"] != []


def test_a_column_tells_places_of_the_text_that_was_sent() -> None:
    """The offsets that are stored are those of the event, though the address before was read composed."""
    text = unicodedata.normalize("NFD", "Åse skriver fra per@blåbærskogen.example")
    found = Scanner(KINDS).scan_column(pa.array(["per@example.no", text]))
    (start,), (end,) = found.start[1:].tolist(), found.end[1:].tolist()
    assert text[start:end] == unicodedata.normalize("NFD", "per@blåbærskogen.example")


def test_the_limit_counts_characters_as_they_were_sent() -> None:
    """What lies behind the limit of the original is not scanned."""
    text = unicodedata.normalize("NFD", "å" * 10) + " per@example.no"
    assert scan(text, Limits(20)) == ()
    assert len(scan(text, Limits(40))) == 1


def test_a_top_level_in_its_a_label_is_one() -> None:
    """The ends of domains in other scripts are found in both spellings; a number is none."""
    found = [item.identifier for item in scan(f"{PER}.xn--p1ai og {PER}.12")]
    assert [item[0] for item in found if item] == ["email"]


@pytest.mark.parametrize("invisible", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e"])
def test_what_nobody_sees_hides_nothing(invisible: str) -> None:
    """Between any two characters of an identifier; the place covers them as they were sent."""
    for kind, written in (
        ("phone", "412 34 567"),
        ("phone", "+4741234567"),
        ("email", "ola@example.com"),
        ("ip", "203.0.113.7"),
        ("account_number", "NO9386011117947"),
    ):
        (plain,) = scan(f"å {written}.")
        assert plain.identifier is not None
        assert plain.identifier[0] == kind
        for hidden in (written[:4] + invisible + written[4:], invisible.join(written)):
            (found,) = scan(f"å {invisible}{hidden}{invisible}.")
            assert found.identifier == plain.identifier
            assert f"å {invisible}{hidden}{invisible}."[found.start : found.end] == hidden


def test_a_space_without_width_still_divides_words() -> None:
    """Where a sentence begins behind an address, the address ends."""
    (found,) = scan("ola@example.com\u200bHei")
    assert found.identifier == ("email", "ola@example.com")
