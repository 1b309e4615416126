"""An answer about a person names the restrictions that stand, and none that was lifted or is another person's."""

from __future__ import annotations

from typing import Any

import pytest

from console.cli.show.output import about_identity
from schemas.vocabulary import ToldBy
from streams.answers.restricted import restricted_line
from tests.support.api import NOW
from tests.support.desk import Desk
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


def test_it_is_told_in_words() -> None:
    said: dict[str, Any] = {
        "request_id": "r-1",
        "since": "2026-06-01T12:00:00Z",
        "systems": {"crm": ["P-A", "P-B"]},
    }
    line = "processing is restricted to storage since 2026-06-01 by r-1 (crm: P-A, P-B)"
    assert restricted_line(**said) == line
    assert "no system uses such data yet" in restricted_line(**{**said, "systems": {}})
    blank = {"disagree": [], "ambiguous_events": 0, "unlinked": [], "identity": [], "candidates": 1}
    told = about_identity({**blank, "resolution": "unique", "restricted": [said]}, [], [])
    assert any(line in str(item) for item in told)
