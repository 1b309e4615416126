"""Two customers behind one address, their reports of two token keys: one leaves, and nothing becomes the other's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.operations.rotation import Rotation
from schemas.codec import encode
from schemas.records import load_records
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.memory.sinks import memory_sinks
from sinks.ports.expiry import RunOut
from sinks.ports.lineage import Span
from sinks.ports.sinks import Sinks
from streams.identity.rekeyed import RekeyedExpirer
from tests.attack.test_rotation import nobody, rotated
from tests.support.desk import event
from tests.support.kinds import KINDS
from tests.support.rotation import NOW, Rotated

KARI, OLA = ("customer_number", "100200"), ("customer_number", "100201")
REPORTS, VISITS = "network.assignments", "web.visits"
BEGIN = NOW - timedelta(days=3)
ADDRESS = "192.0.2.9"


def report(person: tuple[str, str], low: int, kind: str, hours: int) -> bytes:
    said = event(
        "AddressAssignment", kind=kind, address=ADDRESS, port_from=low, port_to=low + 1_023,
        customer_number=person[1], username=person[1], session_id=person[1], nas="cgn-1", source="cgnat",
        purpose="operations", occurred_at=BEGIN + timedelta(hours=hours),
    )  # fmt: skip
    return encode(load_records()["AddressAssignment"], said)


def visit() -> bytes:
    said = event(
        "WebVisit", client_address=ADDRESS, page="/", cookie_consent="all", method="GET",
        occurred_at=BEGIN + timedelta(hours=6),
    )  # fmt: skip
    return encode(load_records()["WebVisit"], said)


HERS = {0: report(KARI, 1_024, "start", 0), 1: report(KARI, 1_024, "stop", 12)}
HIS = {2: report(OLA, 2_048, "start", 3), 3: report(OLA, 2_048, "stop", 15)}
SEEN = {VISITS: {0: visit()}}


class World:
    """The reports of the one are written under the old key, those of the other and a visit without its port under the
    new one."""

    def __init__(self, sinks: Sinks, folder: Path, older: dict[int, bytes], newer: dict[int, bytes]) -> None:
        self.sinks, self.older = sinks, older
        self.company: Rotated = rotated(sinks, folder)
        self.company.write({REPORTS: older}, self.company.taggers[0])
        self.company.rotate()
        self.company.write({REPORTS: newer}, self.company.taggers[1])
        self.company.write(SEEN, self.company.taggers[1])

    def visits(self, person: tuple[str, str]) -> tuple[int, int]:
        """How many are this one's, and how many may be another's as well."""
        found = self.company.person([person])
        return self._visits(found.spans), self._visits(found.shared)

    def _visits(self, spans: Any) -> int:
        holdings = self.company.reader.find(spans).holdings
        return sum(item.events for item in holdings if item.tags.topic == VISITS)

    def erase(self, person: tuple[str, str]) -> None:
        spans = self.company.person([person]).spans
        kept = {item.tags.id: None for item in self.company.reader.find(spans).holdings}
        assert self.company.eraser.forget(spans, kept).rows_removed

    def expire(self, person: tuple[str, str]) -> None:
        """What is told of everybody until the end of that session runs out, but of those who are kept."""
        others = [OLA] if person == KARI else []
        kept = [span for other in others for span in self.company.person([other]).spans]
        ways = {
            item.tags.id: RunOut(item.tags.id, BEGIN + timedelta(hours=16))
            for item in self.company.reader.find(self._every()).holdings
            if item.tags.topic == REPORTS
        }
        expirer = RekeyedExpirer(self.sinks.expirer, self.company.same)
        assert expirer.expire(list(ways.values()), kept).rows_removed

    def _every(self) -> list[Span]:
        newest = self.company.keys.tagging()
        return [
            Span(tokenizer.token(KINDS[kind], value))
            for kind, value in (KARI, OLA)
            for tokenizer in (newest, *newest.older)
        ]

    def move_all(self) -> None:
        """To the end of the rotation, with the pairs of what topics still hold."""
        rotation = Rotation(self.company.keyring, self.sinks, lambda: NOW)
        self.company.write({REPORTS: self.older}, self.company.tagger(), pairs_only=True)
        old = self.company.key_ids[0]
        assert rotation.move(threading.Event())
        assert rotation.states()[0].resting.nothing
        assert rotation.retire(old, nobody)

    def claims_on_the_address(self) -> int:
        newest = self.company.keys.tagging()
        tokens = [item.token(KINDS["ip"], ADDRESS) for item in (newest, *newest.older)]
        return int(self.sinks.claims.claims(tokens, of="token").num_rows)


@pytest.fixture(params=["memory", "chdb"])
def sinks(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield memory_sinks()
        return
    database = ClickHouse(f"chdb://{tmp_path / 'index'}")
    migrate(database, NOW)
    yield clickhouse_sinks(database)
    database.close()


@pytest.mark.parametrize("leave", [World.erase, World.expire])
@pytest.mark.parametrize("order", ["hers first", "his first"])
def test_a_visit_that_may_be_of_both_is_nobodys_when_one_has_left(
    sinks: Sinks, tmp_path: Path, leave: Callable[[World, tuple[str, str]], None], order: str
) -> None:
    """Before, while and after the keys are changed; and when the other one leaves, nothing stands for either."""
    world = World(sinks, tmp_path, *((HERS, HIS) if order == "hers first" else (HIS, HERS)))
    assert world.visits(KARI) == world.visits(OLA) == (0, 1)
    leave(world, KARI)
    assert world.visits(OLA) == (0, 1)
    world.move_all()
    assert world.visits(OLA) == (0, 1)
    assert world.claims_on_the_address() == 4
    leave(world, OLA)
    assert world.claims_on_the_address() == 0
    assert world.visits(OLA) == (0, 0)
