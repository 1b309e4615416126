"""What the source deleted is said beside what is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from console.cli.access import report_lines
from console.cli.show.output import screen
from console.cli.show.plan import plan_table
from schemas.catalogue import load_catalogue
from schemas.policy import RetentionAnchors
from schemas.tags import TagSet
from sinks.ports.lineage import Found, Holding
from streams.answers.erasure_plan import make_plan
from streams.answers.plan import plan_json, shown
from streams.answers.report import access_report, answer
from tests.support.by_contract import placed, prepare
from tests.support.contracts import contract, order

CATALOGUE = load_catalogue()
CAME, GONE = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 4, 2, 9, tzinfo=UTC)


def found_of(tags: TagSet) -> Found:
    deleted = replace(tags, operation="source_delete")
    return Found((Holding(tags, 2, CAME, CAME), Holding(deleted, 1, GONE, GONE)), 3)


def tags_of(folder: Path) -> TagSet:
    return prepare(contract(folder, order()), [placed()]).batch.tag_sets[0]


def test_answers_say_that_the_source_deleted_it_and_when(tmp_path: Path) -> None:
    """In every entry and item of its system; where it did not, nothing."""
    tags = tags_of(tmp_path)
    for found, said in (
        (found_of(tags), "2026-04-02T09:00:00Z"),
        (Found((Holding(tags, 2, CAME, CAME),), 2), None),
    ):
        report = access_report(found, CATALOGUE, date(2026, 5, 1))
        assert {entry["source_deleted"] for entry in report["entries"]} == {said}
        assert [item["source_deleted"] for item in answer(found, CATALOGUE, date(2026, 5, 1))["items"]] == [
            said
        ]
        out = screen()
        with out.capture() as capture:
            for part in report_lines({**report, "resolution": "certain"}, "en"):
                out.print(part, width=160)
        assert ("deleted at" in capture.get()) is (said is not None)


def test_a_plan_tells_the_deletion_from_what_was_there_before(tmp_path: Path) -> None:
    """Both are erased, or held, by the same rules."""
    said = contract(tmp_path, order())
    tags = prepare(said, [placed()]).batch.tag_sets[0]
    plan = make_plan(
        found_of(tags),
        CATALOGUE,
        date(2040, 1, 1),
        RetentionAnchors(case_closed=date(2026, 4, 1)),
        topics={},
        records={"ShopOrder": said.record},
    )
    parts = shown(plan_json(plan)["parts"])
    assert {(part["events"], part["source_deleted"]) for part in parts} == {(2, None), (1, "2026-04-02")}
    assert {part["action"] for part in parts} == {"erase_now"}
    assert list(plan.kept.values()) == [None, None]
    out = screen()
    with out.capture() as capture:
        out.print(plan_table(parts, CATALOGUE), width=160)
    assert all(text in capture.get() for text in ("deleted at the source", "2026-04-02"))


def test_of_what_is_kept_for_the_police_alone_no_day_is_told() -> None:
    """Not that of a deletion either."""
    locked = {"locked": True, "events": 1, "until": "2027-01-01", "source_deleted": "2026-04-02"}
    assert shown([locked]) == [{"locked": True, "events": None, "until": None, "source_deleted": None}]
