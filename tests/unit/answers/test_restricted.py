"""An answer about a person names the restrictions that stand, and none that was lifted or is another person's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from console.cli.show.output import about_identity
from schemas.vocabulary import ToldBy
from sinks.ports.lineage import Holding
from streams.answers.restricted import Restricted, restricted_line, stored_alone
from streams.rights.protocol.scope import Scope
from tests.support.api import NOW
from tests.support.desk import Desk
from tests.support.index import tags
from tests.unit.answers.test_erased_before import KARI, MAIL, STRANGER, desk

__all__ = ["desk"]


@pytest.mark.parametrize("path", ["access", "lineage/query", "requests/plan"])
def test_a_restriction_that_stands_is_named_by_every_identifier_until_it_is_lifted(
    desk: Desk, path: str
) -> None:
    assert desk.ask(path, KARI)["restricted"] == []
    made = desk.rights.create("restriction", [KARI], reason=None, channel="email", received_at=NOW)
    told = desk.rights.advance(made.request_id)
    by_hand = [item.system for item in told.commands.values() if item.by_hand]
    for system in by_hand:
        desk.rights.accept(made.request_id, system, "done there")
    for who in (KARI, MAIL):
        (said,) = desk.ask(path, who)["restricted"]
        assert (said["request_id"], said["since"]) == (made.request_id, "2026-06-01T12:00:00Z")
        assert "crm" in said["systems"]
        assert said["systems"]["crm"]
    assert desk.ask(path, STRANGER)["restricted"] == []
    desk.rights.lift(made.request_id, ToldBy.LETTER, "it was right")
    assert desk.ask(path, KARI)["restricted"] == []


def carried_out(desk: Desk, right: str, *purposes: str) -> str:
    """A request of Kari's that is about these purposes, as far as it comes by itself; its id."""
    scope = Scope(purposes=purposes)
    made = desk.rights.create(right, [KARI], reason=None, channel="email", received_at=NOW, scope=scope)
    for item in desk.rights.advance(made.request_id).commands.values():
        if item.by_hand:
            desk.rights.accept(made.request_id, item.system, "done there")
    return made.request_id


def totals(desk: Desk, who: tuple[str, str]) -> list[int]:
    """Events of somebody: all, those that are restricted, and the rest."""
    return [
        desk.ask("lineage/query", who, restricted=wanted)["total_events"] for wanted in (None, True, False)
    ]


def test_each_item_says_for_what_it_may_only_be_stored(desk: Desk) -> None:
    """And a question may be about one or the other alone."""
    everything, nothing, rest = totals(desk, KARI)
    assert (nothing, rest) == (0, everything)
    limited = carried_out(desk, "restriction", "P-WEB")
    items = desk.ask("lineage/query", KARI)["items"]
    under = {item["topic"]: item["restricted"] for item in items if item["restricted"]}
    said = {"request_id": limited, "type": "restriction", "purposes": ["P-WEB"]}
    assert under == {"web.visits": [said]}
    assert totals(desk, KARI) == [everything, 3, everything - 3]
    only = desk.ask("lineage/query", KARI, restricted=True)["items"]
    assert [item["topic"] for item in only] == ["web.visits"]
    assert totals(desk, STRANGER) == [0, 0, 0]
    desk.rights.lift(limited, ToldBy.LETTER, "it was right")
    assert totals(desk, KARI) == [everything, 0, everything]


def test_an_objection_reaches_what_one_may_object_to(desk: Desk) -> None:
    """What a contract or the law asks for is not stored alone by it."""
    objected = carried_out(desk, "objection")
    items = desk.ask("lineage/query", KARI)["items"]
    assert any(item["restricted"] for item in items)
    for item in items:
        bases = {item["legal_basis"][name] for one in item["restricted"] for name in one["purposes"]}
        assert bases <= {"e", "f"}
        assert {one["request_id"] for one in item["restricted"]} <= {objected}
        assert {one["type"] for one in item["restricted"]} <= {"objection"}


def test_another_kind_of_record_of_the_same_system_is_not_meant() -> None:
    """A system is told of kinds of records; what it was not told of it goes on using."""
    standing = [Restricted("r-1", NOW, {"web": ["P-WEB"]}, "objection", {"web": frozenset(["Login"])})]
    visits = tags()
    assert stored_alone([Holding(visits, 1, NOW, NOW)], standing) == []
    logins = Holding(replace(visits, record="Login"), 1, NOW, NOW)
    assert stored_alone([logins], standing)[0]["purposes"] == ["P-WEB"]


def test_it_is_told_in_words() -> None:
    said: dict[str, Any] = {
        "request_id": "r-1",
        "type": "restriction",
        "since": "2026-06-01T12:00:00Z",
        "systems": {"crm": ["P-A", "P-B"]},
    }
    line = "processing is restricted to storage since 2026-06-01 by r-1 (crm: P-A, P-B)"
    assert restricted_line(**said) == line
    assert "no system uses such data yet" in restricted_line(**{**said, "systems": {}})
    blank = {"disagree": [], "ambiguous_events": 0, "unlinked": [], "identity": [], "candidates": 1}
    told = about_identity({**blank, "resolution": "unique", "restricted": [said]}, [], [])
    assert any(line in str(item) for item in told)
