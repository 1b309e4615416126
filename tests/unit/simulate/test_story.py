"""The parcel carrier of `examples/`: what its story says of whom, the answers say too."""

from __future__ import annotations

from collections import Counter

import pytest

from schemas.vocabulary import Role
from streams.simulate.story.cast import Named
from tests.support.stories import Told, tell

ROLES = {role.code: str(role) for role in Role}


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


def found(told: Told, identifiers: list[Named]) -> Counter[tuple[str, str, str]]:
    """Events of the identifiers by topic, role and operation, as the index has them."""
    tokens = {told.tokenizer.token(told.company.kinds.parse(kind), value) for kind, value in identifiers}
    operations = {tags.id: (tags.topic, tags.operation) for tags in told.prepared.batch.tag_sets}
    rows = {
        (*operations[row["tag_set"]], ROLES[row["role"]], row["offset"])
        for row in told.prepared.batch.rows.to_pylist()
        if row["token"] in tokens
    }
    return Counter((topic, role, operation) for topic, operation, role, _ in rows)


def test_every_person_finds_what_the_story_says_of_them(told: Told) -> None:
    """By all they are known by, and by each identifier alone: no event less, none more, in the right role."""
    assert told.truth.total > 350
    assert not told.prepared.dead
    assert not told.prepared.untagged
    for person in told.play.cast.everybody:
        assert found(told, person.identifiers) == told.truth.of(person.identifiers)
        assert told.events(*person.identifiers) == told.truth.of(person.identifiers).total()
        for identifier in person.identifiers:
            assert told.events(identifier) == told.truth.of([identifier]).total()
