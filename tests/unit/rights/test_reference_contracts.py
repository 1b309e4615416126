"""The toy system of record on events that somebody else owns: of several people in one, only the person's data go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.company import load_company
from schemas.examples import load_messages
from streams.rights.reference_job.store import SqliteStore
from streams.simulate.story.messages import flat
from tests.support.stories import CARRIER

COMPANY = load_company(CARRIER)
RECORD = COMPANY.every_record["Consignment"]
EVERYTHING = [f"Consignment.{field.name}" for field in RECORD.fields if field.personal]
SENDER, OLA, AASE, COURIER = (
    [("sender_number", "TB-104233")],
    [("phone", "+4740000011")],
    [("phone", "+4740000012")],
    [("courier_number", "bud-017")],
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """One consignment for Ola, with a courier, and one for Ola and Åse."""
    made = SqliteStore(tmp_path / "transport.sqlite", COMPANY.every_record, COMPANY.kinds)
    examples = load_messages(COMPANY)
    for name in ("registered", "registered-for-two"):
        example = examples[f"transport.consignments/{name}"]
        made.put("Consignment", flat(example, example.value or {}))
    yield made
    made.close()


def counts(store: SqliteStore) -> list[int]:
    return [store.count(person) for person in (SENDER, OLA, AASE, COURIER)]


def test_a_person_is_found_in_any_item_of_an_array(store: SqliteStore) -> None:
    """By whatever identifier stands there."""
    assert counts(store) == [2, 2, 1, 1]
    assert store.count([("email", "kari.nordmann@example.no")]) == 2


def test_of_two_consignees_one_goes_and_the_other_stays(store: SqliteStore, tmp_path: Path) -> None:
    """With name, address and parcel; of the sender and the courier nothing goes."""
    assert store.erase(OLA, ["C-01", "C-50"], EVERYTHING).erased == 2
    assert counts(store) == [2, 0, 1, 1]
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for value in ("Åse Vik", "Bryggen 7", "+4740000012", "370400000000000024", "Kari Nordmann"):
        assert value.encode() in content, value
    for value in ("Ola Nordmann", "Storgata 1", "+4740000011", "370400000000000017"):
        assert value.encode() not in content, value


def test_nothing_is_left_to_go_the_second_time(store: SqliteStore) -> None:
    """Of either: what another's erasure left is whole."""
    store.erase(OLA, ["C-01", "C-50"], EVERYTHING)
    assert store.erase(OLA, ["C-01", "C-50"], EVERYTHING).erased == 0
    assert store.erase(AASE, ["C-01", "C-50"], EVERYTHING).erased == 1
    assert counts(store) == [2, 0, 0, 1]


def test_with_its_owner_a_record_goes_whole(store: SqliteStore) -> None:
    """Who sends has the right to it, as the owner of any record."""
    assert store.erase(SENDER, [*RECORD.categories], EVERYTHING).erased == 2
    assert counts(store) == [0, 0, 0, 0]
