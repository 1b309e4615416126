"""Fields that no contract names: shown by path, with nothing in it that may be somebody's, and not without end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from schemas.errors import IndexUnavailable
from sinks.memory.untagged import MemoryUntaggedFields
from streams.metrics import TagMetrics
from streams.tagging.untagged import MORE, Untagged, shown

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


class Tagger:
    """What a tagger keeps of such fields, with its clock and its figures."""

    def __init__(self, ledger: MemoryUntaggedFields) -> None:
        self.now = NOW
        self.registry = CollectorRegistry()
        self.untagged = Untagged({}, TagMetrics(self.registry), ledger, lambda: self.now)

    def counted(self) -> Mapping[str, float]:
        (family,) = (item for item in self.registry.collect() if item.name == "innsyn_untagged_values")
        return {
            sample.labels["path"]: sample.value for sample in family.samples if sample.name.endswith("_total")
        }


def kept(ledger: MemoryUntaggedFields) -> set[str]:
    return {item.path for item in ledger.seen()}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("customer.nick", "customer.nick"),
        ("customers[].homePhone", "customers[].homePhone"),
        ("religion", "religion"),
        ("people[].kari@example", "people[].*"),
        ("by_number.4700000001.name", "by_number.*.name"),
        ("by_day.2026-06-01", "by_day.*"),
        ("by_device.aa-bb-cc-dd-ee-ff", "by_device.*"),
        ("spouses.Kari", "spouses.*"),
        ("spouses.Kari-Anne", "spouses.*"),
        ("spouses.Kåre", "spouses.*"),
        ("*", "*"),
    ],
)
def test_a_key_that_may_be_a_value_is_not_shown(path: str, said: str) -> None:
    """A number, an address, a day, a device, a name; what is written as a field is, is one."""
    assert shown(path) == said


def test_capitals_are_no_names_where_fields_have_them() -> None:
    """A producer whose fields are written so, by its contract."""
    assert shown("Customer.Nick", capitals=True) == "Customer.Nick"
    assert shown("Customer.Nick") == "*.*"


def test_a_field_is_kept_at_once_and_again_while_it_comes() -> None:
    """First at its first sight; then its time moves on, twice a minute at most."""
    ledger = MemoryUntaggedFields()
    tagger = Tagger(ledger)
    for seconds in (0, 10, 40):
        tagger.now = NOW + timedelta(seconds=seconds)
        tagger.untagged.add({"orders": {"nick": 2}})
    (found,) = ledger.seen()
    assert (found.topic, found.path) == ("orders", "nick")
    assert (found.first_seen, found.last_seen) == (NOW, NOW + timedelta(seconds=40))
    assert tagger.counted() == {"nick": 6}


def test_keys_of_a_map_are_one_path_and_are_forgotten() -> None:
    """What looked like fields and are very many side by side are somebody's names: none is shown any longer."""
    ledger = MemoryUntaggedFields()
    tagger = Tagger(ledger)
    people = [f"{first}{last}" for first in "abcde" for last in "vwxyz"]
    for name in people:
        tagger.untagged.add({"orders": {f"spouses.{name}": 1, "nick": 1}})
    assert kept(ledger) == {f"spouses.{MORE}", "nick"}
    assert set(tagger.counted()) == {f"spouses.{MORE}", "nick"}


def test_a_key_that_is_a_value_hides_no_field_beside_it() -> None:
    """A number among the keys makes no map of the object."""
    ledger = MemoryUntaggedFields()
    tagger = Tagger(ledger)
    tagger.untagged.add({"orders": {"4700000001": 1}})
    tagger.untagged.add({"orders": {"nick": 1}})
    assert kept(ledger) == {"*", "nick"}


def test_all_at_once_are_one_path_too() -> None:
    """Keys that were taken for fields earlier in the same batch are counted with the rest."""
    ledger = MemoryUntaggedFields()
    tagger = Tagger(ledger)
    tagger.untagged.add({"orders": {f"spouses.k{number}": 1 for number in range(30)}})
    assert tagger.counted() == {f"spouses.{MORE}": 30}
    assert kept(ledger) == {f"spouses.{MORE}"}


@given(st.lists(st.dictionaries(st.text("abcdef.", min_size=1, max_size=8), st.integers(1, 9)), max_size=40))
def test_there_is_an_end_to_what_is_kept(batches: list[dict[str, int]]) -> None:
    """Whatever a producer sends, and however often the tagger is started: and nothing that came is left uncounted."""
    ledger = MemoryUntaggedFields()
    for start in range(3):
        tagger = Tagger(ledger)
        for number, paths in enumerate(batches):
            tagger.untagged.add(
                {"orders": {f"{path}.x{start}{number}": count for path, count in paths.items()}}
            )
        assert len(tagger.counted()) <= 51
    assert len(kept(ledger)) <= 51


def test_many_beside_many_are_told_of_together() -> None:
    """Paths that are no map, beyond those that are kept apart."""
    ledger = MemoryUntaggedFields()
    tagger = Tagger(ledger)
    for group in range(10):
        tagger.untagged.add({"orders": {f"g{group}.f{number}": 1 for number in range(10)}})
    assert len(kept(ledger)) == 51
    assert MORE in kept(ledger)
    assert sum(tagger.counted().values()) == 100


def test_an_index_that_is_away_delays_the_note_alone() -> None:
    """Nothing is raised; it is noted with what comes next."""

    class Away(MemoryUntaggedFields):
        away = True

        def note(self, *given: object) -> None:
            if self.away:
                raise IndexUnavailable("no answer")
            super().note(*given)  # type: ignore[arg-type]

    ledger = Away()
    tagger = Tagger(ledger)
    tagger.untagged.add({"orders": {"nick": 1}})
    assert not kept(ledger)
    ledger.away = False
    tagger.untagged.add({"orders": {"nick": 1}})
    assert kept(ledger) == {"nick"}
    assert tagger.counted() == {"nick": 2}
