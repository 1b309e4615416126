"""What is one company's own stands in its folder: the code is handed it, and knows none of its ids."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from schemas.catalogue import load_catalogue
from schemas.company import load_company
from schemas.layers import BASE, COMPANIES, MINIMAL
from streams.tagging.scan.finding import CATEGORIES, SOLE_PROPRIETOR
from tests.support.company import model
from tests.support.pages import ROOT
from tests.support.stories import CARRIER

LOADING = {"load_catalogue", "load_records", "load_topics", "load_company", "known_writers"}
# Where a company is loaded: the edge, and the story of the model company.
EDGE = {
    "console/wiring/company.py",
    "console/cli/init.py",
    "console/cli/catalogue.py",
    "console/operations/new_company.py",
    "console/demo/model.py",
    "streams/simulate/model.py",
}
# The simulator and the demo tell the model company's story.
STORIES = ("streams/simulate/", "console/demo/")


def modules(*tops: str) -> Iterator[tuple[str, ast.Module]]:
    for top in tops:
        for file in sorted((ROOT / top).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text("utf-8"))


def test_nothing_below_the_edge_loads_a_company() -> None:
    """Rooms are handed what they need; `schemas` alone knows how it is read."""
    loading = {
        name
        for name, tree in modules("sinks", "streams", "console")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOADING
    }
    assert loading == EDGE


def test_no_code_names_a_record_or_topic_of_the_model_company() -> None:
    """Only innsyn's own are known by name, since every company has them."""
    own = {path.stem for path in (BASE / "avro").glob("*.avsc")}
    theirs = {record.name for record in model().records.values() if Path(record.file).stem not in own}
    theirs |= set(model().tagged)
    named = {
        (name, node.value)
        for name, tree in modules("schemas", "sinks", "streams", "console")
        if not name.startswith(STORIES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in theirs
    }
    assert named == set()


def test_no_code_names_anything_of_the_second_company() -> None:
    """Not even the simulator or the demo, which play whatever a folder says."""
    company = load_company(CARRIER)
    shipped = load_company(MINIMAL)
    theirs = {item.record.name for item in company.contracts.values()} | set(company.tagged)
    theirs |= set(company.catalogue.retention_rules) - set(model().catalogue.retention_rules)
    theirs |= set(company.catalogue.purposes) - set(model().catalogue.purposes)
    theirs -= set(shipped.catalogue.retention_rules)
    assert len(theirs) > 15
    named = {
        (name, node.value)
        for name, tree in modules("schemas", "sinks", "streams", "console")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in theirs
    }
    assert named == set()


def test_what_the_scanner_finds_every_company_has_a_category_for() -> None:
    """Else what a text reveals could be decided on by nobody."""
    shared = load_catalogue(BASE / "catalogue")
    assert {*CATEGORIES.values(), SOLE_PROPRIETOR} - {"none"} <= set(shared.categories)


def test_companies_hold_no_code() -> None:
    """A company is files alone."""
    assert not [path for folder in (COMPANIES, CARRIER.parent) for path in folder.rglob("*.py")]


def test_days_are_counted_by_the_calendar_of_the_company() -> None:
    """Whoever reckons a date is handed the calendar: the Norwegian one is what tests have without a company."""
    reckoning = {"due_at": 2, "delete_after": 4, "governing": 4, "decide_erasure": 8, "CaseFile": 4}
    without = {
        f"{name}:{node.lineno}"
        for name, tree in modules("streams", "console")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in reckoning
        if len(node.args) + len(node.keywords) < reckoning[node.func.id]
    }
    assert without == set()
