"""Which fields that no contract names are told of, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from console.health.health import Health
from console.health.untagged import untagged_lines, watch_untagged
from schemas.contracts import Contract
from schemas.errors import IndexUnavailable
from sinks.memory.untagged import MemoryUntaggedFields
from sinks.ports.untagged import UntaggedField
from tests.support.contracts import TOPIC, contract, order

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def said(tmp_path: Path) -> dict[str, Contract]:
    return {TOPIC: contract(tmp_path, order())}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nick", True),
        ("customer.nick", True),
        ("consignees[].nick", True),
        ("customer", True),
        ("*", True),
        ("(more)", True),
        ("customer.(more)", True),
        ("note", False),
        ("lines[].sku", False),
        ("consignees[].name.first", False),
    ],
)
def test_a_field_is_told_of_until_the_contract_names_it(
    said: dict[str, Contract], path: str, told: bool
) -> None:
    """What a path of the contract covers by now is settled, whatever a tagger saw before."""
    fields = MemoryUntaggedFields()
    fields.note({TOPIC: [path]}, NOW)
    lines = untagged_lines(fields, said, NOW + timedelta(hours=1))
    assert [f"field {path} on {TOPIC} is in no contract" in line for line in lines] == [True] * told


def test_a_field_that_no_longer_comes_and_a_topic_without_a_contract_are_not_told_of(
    said: dict[str, Contract],
) -> None:
    """A week after its last sight; at once where the topic has no contract any more."""
    fields = MemoryUntaggedFields()
    fields.note({TOPIC: ["nick"], "other": ["nick"]}, NOW)
    assert len(untagged_lines(fields, said, NOW + timedelta(days=6))) == 1
    assert not untagged_lines(fields, said, NOW + timedelta(days=8))


def test_it_is_a_notice_and_not_unreadiness(said: dict[str, Contract]) -> None:
    """Whoever may write to a topic must not turn everybody away; an index that is away is told by itself."""

    class Away(MemoryUntaggedFields):
        away = False

        def seen(self) -> Sequence[UntaggedField]:
            if self.away:
                raise IndexUnavailable("no answer")
            return super().seen()

    fields = Away()
    fields.note({TOPIC: ["nick"]}, NOW)
    health = Health(lambda: NOW, CollectorRegistry())
    watch_untagged(health, fields, said)
    health.look("untagged fields")
    assert len(health.notices()) == 1
    assert all(part.well for part in health.parts())
    fields.away = True
    health.look("untagged fields")
    assert health.notices() == []
