"""What is held has a rule that says how long: broken by one event without any, mended by its erasure."""

from __future__ import annotations

from dataclasses import replace

from sinks.ports.lineage import Span
from streams.duties.check import Evidence, Verdict
from streams.duties.findings import Standing
from tests.support.index import Row, moment, tags, token
from tests.support.looking import Watched

BARE = replace(tags(), retention=())


def test_an_event_without_a_rule_breaks_it_until_it_is_erased() -> None:
    watched = Watched()
    watched.write(Row(1, 4, tags()))
    kept = watched.check("held_without_a_rule")
    assert (kept.verdict, kept.looked_at) == (Verdict.KEPT, 1)
    watched.write(Row(2, 9, BARE, at=5, partition=100_003))
    (found,) = watched.run("held_without_a_rule")
    assert (found.key, found.standing, found.since) == ("web.visits/WebVisit", Standing.OPEN, moment(5))
    assert found.evidence == (Evidence("web.visits", 3, 9, token(2).hex(), moment(5), history=1),)
    watched.sinks.eraser.forget([Span(token(2))], {BARE.id: None})
    (found,) = watched.run("held_without_a_rule")
    assert found.standing is Standing.MENDED
    assert watched.check("held_without_a_rule").verdict is Verdict.KEPT


def test_a_rule_that_is_not_in_force_is_none() -> None:
    """One that no catalogue knows, and one that is switched off."""
    watched = Watched()
    off = next(rule.id for rule in watched.company.catalogue.retention_rules.values() if not rule.active)
    for offset, rule in enumerate(("T99-nowhere", off)):
        watched.write(Row(offset, offset, replace(tags(topic=f"t.{offset}"), retention=(rule,))))
    assert len(watched.check("held_without_a_rule").violations) == 2
