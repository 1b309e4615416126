"""Schemas and bodies that a generator makes up: whatever they are, each message is an event or one dead letter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.bounds import size_fault, text_fault
from schemas.errors import SchemaError
from schemas.records import read_record
from streams.tagging.decode import isolated
from streams.tagging.decode.isolated import Isolated
from tests.support.poison import Count, Maker, tried

FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module", autouse=True)
def small_child() -> Iterator[None]:
    """A child whose limits are reached soon."""
    with pytest.MonkeyPatch.context() as patch:
        child = Isolated(memory=24 * 1024 * 1024, processor_seconds=0.2)
        patch.setattr(isolated, "ISOLATED", child)
        yield
        child.close()


@FEW
@given(st.integers(0, 2**32))
def test_every_message_is_an_event_or_one_dead_letter(seed: int) -> None:
    """The process lives, no message costs another one, and all roads of the decoder agree."""
    tried(Maker(random.Random(seed)).made(most_bodies=8), Count())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "items", "values", "symbols", "size", "namespace", "innsyn"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@FEW
@given(JSON)
def test_the_bounds_are_asked_of_anything(value: object) -> None:
    """Before anybody knows that it is a schema."""
    size_fault(value)


@FEW
@given(JSON, JSON)
def test_what_is_no_schema_is_refused_in_a_sentence(fields: object, said: object) -> None:
    schema: dict[str, object] = {"type": "record", "name": "Sample", "fields": fields, "innsyn": said}
    with suppress(SchemaError):
        read_record(schema, "a file")


@FEW
@given(st.text(alphabet='[]{}"\\a,:', max_size=200))
def test_nesting_is_counted_as_json_counts_it(text: str) -> None:
    """Brackets inside of strings do not count."""
    assert text_fault(text) is None or text.count("[") + text.count("{") > 64
    assert text_fault(f'{{"a": "{"[" * 70}"}}') is None
