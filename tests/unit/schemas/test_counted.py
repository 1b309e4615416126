"""Numbers beside what they count."""

from __future__ import annotations

import pytest

from schemas.counted import are, counted, one, sized


@pytest.mark.parametrize(
    ("count", "thing", "said"),
    [
        (1, "event", "1 event"),
        (0, "event", "0 events"),
        (1_200, "dead letter", "1,200 dead letters"),
        (2, "address", "2 addresses"),
        (2, "prefix", "2 prefixes"),
        (2, "copy", "2 copies"),
        (2, "key", "2 keys"),
        (2, "person", "2 people"),
    ],
)
def test_one_is_one_and_the_rest_are_several(count: int, thing: str, said: str) -> None:
    """The last word alone changes."""
    assert counted(count, thing) == said


def test_the_article_goes_with_the_word() -> None:
    """By its first letter."""
    assert [one(thing) for thing in ("record", "event", "identifier kind")] == [
        "a record",
        "an event",
        "an identifier kind",
    ]


def test_the_verb_goes_with_the_number() -> None:
    """None is several."""
    assert [are(number) for number in (0, 1, 2)] == ["are", "is", "are"]


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (34_500, "34.5 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_300_000, "12.3 MB"),
        (5 * 10**15, "5,000.0 TB"),
    ],
)
def test_a_size_has_the_unit_in_which_it_shows(octets: int, said: str) -> None:
    """Nothing but nothing is shown as nothing."""
    assert sized(octets) == said
