"""Sessions near which somebody else had an identifier, held against a look at every pair."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.nearby import Theirs, Wanted, near

_people = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
_identifiers = st.sampled_from([b"1", b"2"])
_moments = st.integers(0, 30)
_wanted = st.builds(
    lambda which, whose, person, first, long: Wanted(which, whose, person, first, first + long),
    _identifiers,
    _people,
    _people,
    _moments,
    st.integers(0, 10),
)
_theirs = st.builds(
    lambda which, people, begun, long: Theirs(which, people, begun, begun + long),
    _identifiers,
    st.frozensets(_people, max_size=3),
    _moments,
    st.integers(0, 10),
)


@given(st.lists(_wanted, max_size=12), st.lists(_theirs, max_size=12), st.integers(0, 4))
def test_the_same_sessions_are_found_as_by_looking_at_each_pair(
    wanted: list[Wanted], theirs: list[Theirs], within: int
) -> None:
    expected = [
        place
        for place, mine in enumerate(wanted)
        if any(
            other.identifier == mine.identifier
            and (not other.people or other.people - {mine.whose, mine.person})
            and other.ended + within >= mine.first
            and mine.last + within >= other.begun
            for other in theirs
        )
    ]
    assert near(wanted, theirs, within) == expected
