"""The parcel carrier of `examples/`: what its story says of whom, the answers say too."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from schemas.entries import IdentifierKindEntry
from schemas.errors import InputError
from schemas.identifiers import identifier_kinds
from schemas.story import Story
from schemas.vocabulary import Role
from streams.simulate.story.cast import Cast, Named
from tests.support.stories import CARRIER, Told, tell

ROLES = {role.code: str(role) for role in Role}
SHORT = IdentifierKindEntry.model_validate(
    {
        "id": "sender_number", "name": {"nb": "n", "en": "n"}, "certainty": ["D"], "names": "person",
        "stands_for": "customer", "steps": ["trim"],
    }
)  # fmt: skip
SCENE = {"name": "s", "each": "one", "events": [{"example": "a/b", "people": {"owner": "one"}}]}


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
    """By all they are known by, and by each identifier alone: no event less, none more, in the right role.

    A customer's e-mail address, phone number or login leads to all that is theirs, and their number to what names these
    alone.
    """
    assert told.truth.total > 350
    assert not told.prepared.dead
    assert not told.prepared.untagged
    for person in told.play.cast.everybody:
        assert found(told, person.identifiers) == told.truth.of(person.identifiers)
        assert told.events(*person.identifiers) == told.truth.answer(person.identifiers).total()
        for identifier in person.identifiers:
            assert told.events(identifier) == told.truth.answer([identifier]).total()
    led = [
        identifier
        for person in told.play.cast.groups["customer"]
        for identifier in person.identifiers
        if told.truth.answer([identifier]) != told.truth.of([identifier])
    ]
    assert len(led) > 60


def changed(folder: Path, file: str, before: str, after: str) -> None:
    """In a file of the folder, wherever it stands."""
    text = (folder / file).read_text("utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CARRIER, tmp_path / "ours"))


def test_a_number_of_an_example_stays_a_number(folder: Path) -> None:
    """What a contract reads as an integer is one in every event, and names the same parcel."""
    changed(
        folder,
        "contracts/transport.scans.yaml",
        "  parcel.number:\n",
        "  parcel.number:\n    type: integer\n",
    )
    for name in ("handed-over", "on-the-van"):
        changed(folder, f"examples/transport.scans/{name}.json", '"370400000000000017"', "370400000000000017")
    told = tell(folder)
    assert not told.prepared.dead
    people = [person for person in told.play.cast.groups["consignee"] if person.things]
    assert len(people) > 10
    for person in people:
        assert told.events(*person.identifiers) == told.truth.of(person.identifiers).total()


@pytest.mark.parametrize(("kind", "example"), [("integer", "1767690000"), ("number", "1767690000.25")])
def test_seconds_are_written_as_the_contract_has_them(folder: Path, kind: str, example: str) -> None:
    """A field that is an integer gets no fraction of a second: such an event would be a dead letter."""
    file = "contracts/shop.orders.yaml"
    changed(folder, file, "unit: millis", "unit: seconds")
    changed(
        folder,
        file,
        "placedAt: {category: none, type: integer}",
        f"placedAt: {{category: none, type: {kind}}}",
    )
    for path in (folder / "examples" / "shop.orders").glob("*.json"):
        path.write_text(re.sub(r'("placedAt": )\d+', rf"\g<1>{example}", path.read_text("utf-8")), "utf-8")
    assert not tell(folder).prepared.dead


def test_a_time_that_nobody_could_read_is_not_read_in_a_story_either(folder: Path) -> None:
    """An example without offset, and no zone in the contract: what is invented has no offset, as what will come."""
    changed(folder, "contracts/transport.scans.yaml", ", zone: Europe/Oslo", "")
    dead = tell(folder).prepared.dead
    assert {letter.row.reason for letter in dead} == {"malformed_body"}


def test_a_kind_of_which_nobody_else_can_be_invented_is_named(folder: Path) -> None:
    """That is an example which is none of it, or one with too few digits for so many people."""
    for name in ("handed-over", "on-the-van"):
        changed(folder, f"examples/transport.scans/{name}.json", '"bud-017"', '"17"')
    changed(folder, "examples/transport.consignments/registered.json", '"bud-017"', '"17"')
    with pytest.raises(InputError, match="nothing that looks like the courier_number of the examples is one"):
        tell(folder)
    short = {"sender_number": "9"}
    kinds = identifier_kinds({"sender_number": SHORT}, "NO")
    story = Story.model_validate(
        {"title": "t", "asks": "one", "groups": {"one": 20}, "scenes": [SCENE], "things": []}
    )
    cast = Cast(story, 20, 1, short, kinds)
    with pytest.raises(InputError, match="sender_number: only 9 of that kind can be invented"):
        [cast.own(person, "sender_number") for person in cast.everybody]
