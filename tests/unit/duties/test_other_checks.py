"""Checks over fields, time, people, the company and the checks themselves: broken by one thing, and mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.company import load_company
from sinks.ports.findings import ControlRun
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from streams.duties.check import Evidence, Verdict
from streams.duties.checks.controls import NAME
from streams.duties.checks.unseen import CHECKS as UNSEEN
from streams.duties.findings import Standing
from streams.duties.registry import CHECKS
from tests.support.company import model
from tests.support.index import NOW, Row, Said, clock_table, moment, token
from tests.support.looking import Watched
from tests.support.stories import CARRIER
from tests.unit.duties.test_tag_checks import of

DAY = 86_400_000
"""In milliseconds."""


def test_a_field_that_no_contract_names_breaks_it_until_it_is_named_or_comes_no_more() -> None:
    watched = Watched(company=load_company(CARRIER))
    topic = next(iter(watched.company.contracts))
    assert watched.check("untagged_fields").verdict is Verdict.KEPT
    watched.sinks.untagged.note({topic: ["neighbour.phone"]}, NOW)
    (found,) = watched.run("untagged_fields")
    assert (found.key, found.since) == (f"{topic}/neighbour.phone", NOW)
    assert found.evidence == (Evidence(note=f"contracts/{topic}.yaml"),)
    named = next(path for path in watched.company.contracts[topic].tree.below)
    watched.sinks.untagged.note({topic: [named]}, NOW)
    assert len(watched.run("untagged_fields")) == 1
    watched.sinks.untagged.forget(topic, ["neighbour.phone"])
    assert [item.standing for item in watched.run("untagged_fields")] == [Standing.MENDED]
    watched.sinks.untagged.note({topic: ["neighbour.phone"]}, NOW)
    assert watched.run("untagged_fields")[0].standing is Standing.OPEN
    later = NOW + timedelta(days=7)
    assert [item.standing for item in watched.run("untagged_fields", later)] == [Standing.MENDED]


def test_what_stands_a_week_past_its_term_breaks_it_until_it_is_gone() -> None:
    """Ninety days of a web visit (T30), and a week in which a run of retention may take it."""
    watched, web = Watched(), of("web.visits")
    watched.write(Row(1, 1, web, at=-96 * DAY), Row(2, 2, web))
    assert watched.check("past_term").verdict is Verdict.KEPT
    watched.write(Row(3, 3, web, at=-98 * DAY))
    (found,) = watched.run("past_term")
    assert found.key == "web/T30/C-21+C-22+C-23"
    assert found.evidence[0] == Evidence("web.visits", 0, 3, token(3).hex(), moment(-98 * DAY))
    assert found.since.date() == (moment(-98 * DAY) + timedelta(days=90)).date()
    watched.sinks.eraser.forget([Span(token(3))], {web.id: None})
    assert [item.standing for item in watched.run("past_term")] == [Standing.MENDED]


def test_what_is_kept_by_a_request_or_an_order_is_not_past_its_term() -> None:
    watched, web = Watched(), of("web.visits")
    watched.write(Row(3, 3, web, at=-98 * DAY))
    watched.kept = (Span(token(3)),)
    assert watched.check("past_term").verdict is Verdict.KEPT


@pytest.mark.parametrize("kept", [False, True])
def test_what_stands_past_the_end_of_the_last_contract_breaks_it_until_it_is_gone(kept: bool) -> None:
    """The national id at the end of the contract (T12), and a week; somebody who is a customer again has a contract."""
    watched, register = Watched(), of("crm.customers")
    rows = [Row(number, number, register, at=-400 * DAY) for number in (1, 2, 3)]
    watched.write(*rows)
    said = [
        Said(1, 11, started=-120 * DAY, at=-120 * DAY),
        Said(2, 12, started=-120 * DAY, at=-120 * DAY),
        Said(2, 13, started=None, at=-10 * DAY, thing=8),
        Said(3, 14, started=-6 * DAY, at=-6 * DAY),
    ]
    batch = LineageBatch(ROW_SCHEMA.empty_table(), clocks=clock_table(said), key_id="k1")
    watched.sinks.writer().write(batch, lambda: NOW)
    watched.kept = (Span(token(1)),) if kept else ()
    found = watched.run("past_term_after_contract")
    if kept:
        assert found == []
        return
    assert [item.key for item in found] == ["crm"]
    assert found[0].says == "Data in crm of 1 person whose contracts ended are held past their term."
    assert found[0].evidence == (Evidence("crm.customers", 0, 1, token(1).hex(), moment(-400 * DAY)),)
    ended = model().catalogue.calendar.day(moment(-120 * DAY))
    assert model().catalogue.calendar.day(found[0].since) - ended == timedelta(days=1)
    watched.sinks.eraser.forget([Span(token(1))], {register.id: None})
    assert [item.standing for item in watched.run("past_term_after_contract")] == [Standing.MENDED]


def after_contract(numbers: range) -> Watched:
    """These people were customers until 120 days ago, and stand in the register yet: the later the higher."""
    watched, register = Watched(), of("crm.customers")
    watched.write(*(Row(number, number, register, at=-400 * DAY + number) for number in numbers))
    ended = -120 * DAY
    said = [Said(number, 1_000 + number, started=ended, at=ended) for number in numbers]
    batch = LineageBatch(ROW_SCHEMA.empty_table(), clocks=clock_table(said), key_id="k1")
    watched.sinks.writer().write(batch, lambda: NOW)
    return watched


def test_however_many_stand_past_their_contract_they_are_one_finding_of_their_system() -> None:
    """Which counts them all, shows the oldest three and has nobody's token in its key; one more mends nothing."""
    watched, crm = after_contract(range(1, 121)), of("crm.customers")
    (found,) = watched.run("past_term_after_contract")
    assert (found.key, found.standing, len(found.evidence)) == ("crm", Standing.OPEN, 3)
    assert " of 120 people " in found.says
    watched.sinks.eraser.forget([Span(token(7))], {crm.id: None})
    (again,) = watched.run("past_term_after_contract")
    assert (again.id, again.standing) == (found.id, Standing.OPEN)
    assert " of 119 people " in again.says


def test_of_more_people_than_a_run_looks_at_it_says_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.duties.checks.people.AT_ONCE", 2)
    monkeypatch.setattr("streams.duties.checks.people.MOST", 4)
    assert " of 4 people " in after_contract(range(1, 5)).check("past_term_after_contract").violations[0].says
    watched = after_contract(range(1, 8))
    checked = watched.check("past_term_after_contract")
    assert (checked.looked_at, len(checked.violations)) == (4, 1)
    assert " of at least 4 people " in checked.violations[0].says
    watched.kept = tuple(Span(token(number)) for number in range(1, 8))
    assert watched.check("past_term_after_contract").verdict is Verdict.NOT_OBSERVABLE


def test_no_name_of_a_field_ends_the_check() -> None:
    """Nor what stands for more of them than are kept apart, a leading `_`, or a long topic and path."""
    watched = Watched(company=load_company(CARRIER))
    long = "t" * 249
    watched.sinks.untagged.note(
        {"web.new": ["(more)", "_id", "a b@c"], "_own": ["x"], long: [".".join(["field"] * 20)]}, NOW
    )
    found = {item.key for item in watched.run("untagged_fields")}
    assert {"web.new/(more)", "web.new/_id", "_own/x"} < found
    assert len(found) == 5
    assert all(len(key) <= 300 and "@" not in key for key in found)


def test_a_contact_that_nobody_can_use_breaks_it() -> None:
    watched = Watched()
    assert watched.check("dpo_reachable").verdict is Verdict.KEPT
    profile = watched.company.profile.model_copy(update={"dpo_contact": "ask at the desk"})
    watched.company = replace(watched.company, profile=profile)
    (found,) = watched.run("dpo_reachable")
    assert (found.key, found.evidence) == ("dpo_contact", (Evidence(note="company.yaml"),))
    watched.company = model()
    assert [item.standing for item in watched.run("dpo_reachable")] == [Standing.MENDED]


def test_checks_that_fail_or_do_not_run_break_it_until_they_run() -> None:
    watched = Watched()

    def ran(name: str, verdict: str = "kept", hours: int = 0) -> None:
        begun = NOW - timedelta(hours=hours)
        watched.sinks.controls.store(ControlRun(name, begun, begun, verdict))

    for name in CHECKS:
        ran(name, hours=25)
    assert watched.check(NAME).verdict is Verdict.KEPT
    ran("past_term", "failed", hours=1)
    late = NOW + timedelta(hours=1)
    assert {item.key for item in watched.check(NAME).violations} == {"past_term"}
    assert {item.key for item in watched.run(NAME, late)} == {*CHECKS} - {NAME}
    for name in CHECKS:
        ran(name)
    assert {item.standing for item in watched.run(NAME, late)} == {Standing.MENDED}


def test_a_check_that_ran_by_a_clock_that_was_ahead_breaks_it_until_it_runs() -> None:
    watched, ahead = Watched(), NOW + timedelta(days=3)
    for name in CHECKS:
        watched.sinks.controls.store(ControlRun(name, ahead, ahead, "kept"))
    found = watched.run(NAME)
    assert {item.key for item in found} == {*CHECKS} - {NAME}
    assert "clock that was ahead" in found[0].says
    for name in CHECKS:
        watched.sinks.controls.store(ControlRun(name, NOW, NOW, "kept"))
    assert {item.standing for item in watched.run(NAME)} == {Standing.MENDED}


def test_a_check_that_never_ran_breaks_it() -> None:
    assert {item.key for item in Watched().check(NAME).violations} == {*CHECKS} - {NAME}


@pytest.mark.parametrize("name", [item.name for item in UNSEEN] + ["necessity_said"])
def test_what_nothing_shows_is_never_kept(name: str) -> None:
    """Whatever is held; and what is missing is said."""
    watched = Watched()
    watched.write(Row(1, 1, of("web.visits")), Row(2, 2, of("crm.customers")))
    checked = watched.check(name)
    assert checked.verdict is Verdict.NOT_OBSERVABLE
    assert checked.why.endswith(".")


def test_a_check_has_a_name_a_title_and_a_citation() -> None:
    for name, check in CHECKS.items():
        assert name == check.name
        assert name.isidentifier()
        assert name == name.lower()
        assert check.title.endswith(".")
        assert check.citation
