"""What a sample of messages shows: fields by path, and no value."""

from __future__ import annotations

import json
import random
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.discovery.sample import DEEPEST, MOST_PATHS, MOST_VALUES, Sample

TODAY = date(2026, 3, 1)


def sampled(*messages: dict[str, Any], times: int = 1) -> Sample:
    sample = Sample(TODAY)
    for _ in range(times):
        for message in messages:
            sample.add(message)
    return sample


def test_every_place_is_a_path() -> None:
    """Keys with dots, [] for the items of an array; a null has no value but a place."""
    fields = sampled({"a": {"b": 1}, "c": [{"d": "x"}, {"d": "y"}], "e": ["z"], "f": None}, times=3).fields()
    assert list(fields) == ["a.b", "c[].d", "e[]", "f"]
    assert [(seen.messages, seen.values) for seen in fields.values()] == [(3, 3), (3, 6), (3, 3), (3, 0)]


def test_keys_that_are_values_are_a_map() -> None:
    """Addresses, numbers and names that each stand in one message are `*`."""
    dice = random.Random(1)
    names = [
        f"{a}{b}" for a in ("Kari", "Ola", "Siv", "Geir") for b in ("anne", "mund", "lin", "bert", "rid")
    ]
    sample = Sample(TODAY)
    for name in names:
        sample.add(
            {"by_mail": {f"{name}@example.no": 1}, "by_name": {name: 2}, "by_id": {str(dice.random()): 3}}
        )
    assert list(sample.fields()) == ["by_mail.*", "by_name.*", "by_id.*"]


def test_a_seldom_key_among_fields_is_not_told() -> None:
    """It may be a name of somebody: it is counted."""
    sample = sampled({"status": "a", "note": "b", "total": 1}, times=100)
    sample.add({"status": "a", "Kari": 1})
    assert list(sample.fields()) == ["status", "note", "total"]
    assert sample.left_out == 1
    alone = sampled({"total": 1, "Kari": 2, "status": 1, "note": 1})
    assert "Kari" not in alone.fields()


def test_what_a_schema_names_stays() -> None:
    """Also where no message has it; its maps are maps."""
    sample = Sample(TODAY)
    sample.name([("Kari",), ("rare", "field"), ("attributes", "*")])
    sample.add({"Kari": 1, "attributes": {"colour": "red"}})
    assert list(sample.fields()) == ["Kari", "rare.field", "attributes.*"]


def test_hostile_messages_cost_little() -> None:
    """Nesting and the number of keys are bounded."""
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    sample = sampled(deep)
    assert all(path.count(".") <= DEEPEST for path in sample.fields())
    many = sampled({"a": [{"b": ["x"] * 100, "c": ["y"] * 100}] * 100})
    assert sum(seen.values for seen in many.fields().values()) <= MOST_VALUES
    wide = Sample(TODAY)
    for number in range(100):
        wide.add({f"k{at}-{number}": at for at in range(1_000)})
    assert len(wide.fields()) <= MOST_PATHS + 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=5), min_size=1, max_size=6), st.randoms())
def test_the_order_of_messages_does_not_matter(messages: list[dict[str, Any]], dice: random.Random) -> None:
    """The same fields with the same counts."""
    shuffled = list(messages)
    dice.shuffle(shuffled)
    one, other = sampled(*messages).fields(), sampled(*shuffled).fields()
    assert {name: (seen.values, dict(seen.counts)) for name, seen in one.items()} == {
        name: (seen.values, dict(seen.counts)) for name, seen in other.items()
    }


def test_what_is_kept_holds_no_value() -> None:
    """Of a message with values that stand nowhere else, nothing in the sample is any of them."""
    message = {
        "mail": "kari.nordmann@example.no",
        "text": "en hemmelig beskjed om noe annet",
        "list": ["Gulnebb"],
    }
    sample = sampled(message, times=20)
    kept = json.dumps([vars(seen) for seen in sample.fields().values()], default=repr)
    assert not [
        text for text in ("kari.nordmann", "hemmelig", "Gulnebb") if text in kept + repr(vars(sample))
    ]
