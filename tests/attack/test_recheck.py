"""Answered requests beyond counting: only those are looked at again that something new touches, and none is missed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from console.wiring.rights import _recheck
from schemas.catalogue import load_catalogue
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.marks import ClickHouseMarks
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.requests import MemoryRequests
from sinks.ports.identity import OpenClaims
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from streams.identity.identities import Identities
from streams.rights.protocol.events import content_of
from streams.rights.protocol.states import State
from streams.rights.service import RightsService
from streams.rights.touched import NotingClaims, NotingReader
from streams.waits import Waits
from tests.support.company import copies_by_hand
from tests.support.index import (
    NOW,
    SQL_KINDS,
    Claim,
    Row,
    batch,
    claim_table,
    empty,
    prefix_table,
    running,
    tags,
    token,
)
from tests.support.telling import advance_and_tell
from tests.support.town import KARI, MOVED, OLA, SHARED, STRANGE, Town, moment, town

BY_NUMBER = {name: [("customer_number", name)] for name in (KARI, OLA)}


class Office:
    """A rights service that counts whom it looks at again; `targeted`: only those that something touches."""

    def __init__(self, there: Town, *, targeted: bool) -> None:
        self.town, self.now, self.made, self.looks = there, moment(16), 0, 0
        index = there.index
        self.service = RightsService(
            MemoryRequests(),
            NotingReader(index),
            index,
            Identities(NotingClaims(index), load_catalogue().identity_sources),
            there.keyring,
            copies_by_hand(),
            lambda *_: None,
            lambda: self.now,
            self.random,
            changed=lambda: (len(index.ranges), len(index)),
            marks=index if targeted else None,
        )
        late: Any = self.service._late
        look: Callable[..., Any] = late._finding

        def counted(*given: Any) -> Any:
            self.looks += 1
            return look(*given)

        late._finding = counted

    def random(self, size: int) -> bytes:
        self.made += 1
        return self.made.to_bytes(size, "big")

    def ask(self, type: str, identifiers: Any) -> str:
        made = self.service.create(type, identifiers, reason=None, channel="email", received_at=self.now)
        for command in advance_and_tell(self.service, made.request_id).commands.values():
            names = {
                "request_id": made.request_id,
                "command_id": command.command_id,
                "system": command.system,
            }
            counts = {"state": "done", "erased": 2, "held": 0, "ground": None, "review_date": None}
            self.service.on_receipt({**names, **counts, "reason": None, "reported_at": self.now})
        return made.request_id

    def findings(self) -> dict[str, list[dict[str, Any]]]:
        return {
            request.request_id: [content_of(item) for item in request.late_findings]
            for request in self.service.requests()
        }


@pytest.mark.parametrize("seed", range(12))
def test_looking_at_those_that_are_touched_finds_what_looking_at_all_finds(seed: int, tmp_path: Path) -> None:
    """The same story twice: visits, invoices, leases, other people's erasures, new requests, in any order."""
    offices = [Office(town(tmp_path / name), targeted=name == "targeted") for name in ("targeted", "whole")]
    chance = random.Random(seed)
    for step in range(14):
        hour = 16 + step // 4
        story = _step(chance, hour)
        for office in offices:
            office.now = moment(hour, 10)
            story(office)
            office.service.recheck(moment(hour, 20))
        assert offices[0].findings() == offices[1].findings(), step
    assert offices[0].looks <= 2 * offices[1].looks


def _step(chance: random.Random, hour: int) -> Callable[[Office], object]:
    who, address = chance.choice([KARI, OLA]), chance.choice([MOVED, SHARED, STRANGE])
    at, learnt = moment(chance.randrange(9, 17)), moment(hour)
    until = moment(chance.randrange(17, 20))
    port = chance.choice([0, 1500, 2500])
    ports = chance.choice([(0, 65_535), (1000, 1999)])
    stories: list[Callable[[Office], object]] = [
        lambda office: office.ask("access", BY_NUMBER[who]),
        lambda office: office.town.visit(address, at, learnt, port=port),
        lambda office: office.town.invoice(who, at, learnt),
        lambda office: office.town.lease(address, who, at, until, learnt, ports=ports),
    ]
    if chance.random() < 0.12:
        return lambda office: office.ask("erasure", BY_NUMBER[who])
    return chance.choice(stories)


def test_what_is_learnt_of_one_person_costs_a_look_at_theirs_alone(tmp_path: Path) -> None:
    """However many requests were answered."""
    office = Office(town(tmp_path), targeted=True)
    for number in range(30):
        office.ask("access", [("customer_number", str(20_000 + number))])
    kari = office.ask("access", BY_NUMBER[KARI])
    for minute in (1, 2):
        office.town.invoice("30000", moment(18), moment(19, minute))
        office.service.recheck(moment(19, minute))
    office.looks = 0
    office.town.invoice("30001", moment(18), moment(19, 3))
    assert office.service.recheck(moment(19, 3)) == []
    assert office.looks == 0
    office.town.visit(MOVED, moment(10, 15), moment(19, 4))
    (opened,) = office.service.recheck(moment(19, 4))
    assert (opened.request_id, opened.state) == (kari, State.REOPENED)
    assert office.looks == 1


@pytest.fixture(scope="module", params=SQL_KINDS)
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """An index of each kind."""
    with running(request.param, tmp_path_factory.mktemp("marks")) as (database, _):
        yield empty(database)


def test_the_index_tells_under_which_keys_something_came_and_under_no_others(index: ClickHouse) -> None:
    """Rows, claims under each of their keys, prefixes; what is written again changes nothing."""
    keys = {
        kind: [token(number) for number in range(1, 12)] for kind in ("row", "claim", "prefix", "address")
    }
    marks, writer = ClickHouseMarks(index), ClickHouseWriter(index)
    before = marks.marks(keys)
    rows = batch([Row(4, 1, tags())])
    claims = LineageBatch(
        ROW_SCHEMA.empty_table(),
        claims=OpenClaims(claim_table([Claim(1, token=5, subject=6, group=7, line=8, server=9)])),
        prefixes=prefix_table([(10, 56, 11)]),
    )
    for written in (rows, claims):
        writer.write(written, lambda: NOW)
    after = marks.marks(keys)
    changed = {key for key in after if after[key] != before.get(key, 0)}
    assert changed == {
        ("row", token(4)),
        *(("claim", token(number)) for number in (5, 6, 7, 8)),
        ("prefix", token(10)),
        ("address", token(11)),
    }
    for written in (rows, claims):
        writer.write(written, lambda: NOW)
    assert marks.marks(keys) == after
    assert ClickHouseClaims(index).claims([token(5)], of="token").num_rows == 1


def test_late_events_that_keep_coming_are_said_when_they_have_doubled(tmp_path: Path) -> None:
    """A feed that catches up: each look counted more, and each was logged and kept."""
    office = Office(town(tmp_path), targeted=True)
    made = office.ask("access", BY_NUMBER[KARI])
    said = []
    for minute in range(1, 41):
        office.town.invoice(KARI, moment(9, minute), moment(17, minute))
        said += [item.late_findings[-1].events for item in office.service.recheck(moment(17, minute))]
    assert said == [1, 2, 4, 8, 16, 32]
    (line,) = office.service.get(made).problems
    assert "at least 32 events came to light" in line


def test_the_log_says_once_that_a_request_was_opened(tmp_path: Path) -> None:
    """It said so at each look, every ten seconds."""
    office = Office(town(tmp_path), targeted=True)
    office.ask("access", BY_NUMBER[KARI])
    with structlog.testing.capture_logs() as said:
        for minute in range(1, 6):
            office.town.invoice(KARI, moment(9, minute), moment(17, minute))
            _recheck(office.service, Waits())
    assert [(item["event"], item["found"]["events"]) for item in said] == [
        ("request opened again", 1),
        ("more came to light for a request that is open", 2),
        ("more came to light for a request that is open", 4),
    ]


def test_late_events_of_another_kind_are_said_at_once(tmp_path: Path) -> None:
    """Five invoices more tell nobody that there are visits too."""
    office = Office(town(tmp_path), targeted=True)
    office.ask("access", BY_NUMBER[KARI])
    for minute in range(5):
        office.town.invoice(KARI, moment(9, minute), moment(17))
    assert len(office.service.recheck(moment(17, 10))) == 1
    office.town.visit(MOVED, moment(10, 15), moment(17, 20))
    (found,) = office.service.recheck(moment(17, 20))
    assert [item.systems for item in found.late_findings] == [("billing",), ("billing", "web")]


@pytest.mark.parametrize("targeted", [True, False])
def test_somebody_who_goes_on_is_not_opened_again_after_each_answer(tmp_path: Path, targeted: bool) -> None:
    """What they do later is no finding, nor what was on its way while the answer was made."""
    office = Office(town(tmp_path), targeted=targeted)
    answered = moment(16)
    office.ask("access", BY_NUMBER[KARI])
    for second in range(-30, 300, 30):
        at = answered + timedelta(seconds=second)
        office.town.invoice(KARI, at, max(at, answered) + timedelta(seconds=5))
        assert office.service.recheck(at + timedelta(seconds=60)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(timedelta(seconds=90), timedelta(seconds=5)), (timedelta(seconds=5), timedelta(hours=2))],
)
def test_what_was_late_and_not_on_its_way_is_found(
    tmp_path: Path, before: timedelta, after: timedelta
) -> None:
    """Older than a minute, or in the index later than a minute."""
    office = Office(town(tmp_path), targeted=True)
    office.ask("access", BY_NUMBER[KARI])
    office.town.invoice(KARI, moment(16) - timedelta(seconds=5), moment(16) + timedelta(seconds=5))
    office.town.invoice(KARI, moment(16) - before, moment(16) + after)
    (found,) = office.service.recheck(moment(19))
    assert [item.events for item in found.late_findings] == [1]
