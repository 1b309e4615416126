"""The register of promises: each bound to checks, and kept only where all of them say so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.wiring.company import whole_company
from schemas.company import load_company
from schemas.errors import CatalogueError
from schemas.layers import MINIMAL, MODEL
from schemas.promises import Promise
from sinks.ports.findings import ControlRun, ControlStands
from streams.duties.check import Verdict
from streams.duties.findings import finding_of
from streams.duties.promises import promises_stand
from streams.duties.registry import CHECKS
from tests.support.company import copy_of_model, model, write
from tests.support.duties import Duties
from tests.support.index import NOW

HOUR = timedelta(hours=1)


def test_the_model_company_promises_what_its_policy_says_line_by_line() -> None:
    """R1 to R47, with the four exemptions of R17; each line is one of the policy's text."""
    numbers = [f"R{number}" for number in range(1, 48)]
    exemptions = ["R17a", "R17b", "R17c", "R17d"]
    assert sorted(model().promises) == sorted([*numbers, *exemptions])
    assert all(3 <= item.line <= 78 for item in model().promises.values())


def test_every_promise_has_a_check_that_there_is() -> None:
    for promise in model().promises.values():
        assert promise.checks
        assert {*promise.checks} <= {*CHECKS}


def test_every_check_proves_a_promise() -> None:
    """None is there for nothing, but for news, which breaks no promise."""
    bound = {name for item in model().promises.values() for name in item.checks}
    assert {*CHECKS} - bound == {"new_combinations"}


def test_a_company_brings_its_own_promises_or_none(tmp_path: Path) -> None:
    """Its file takes the place of that of the company it extends."""
    assert load_company(MINIMAL).promises == {}
    folder = copy_of_model(tmp_path / "ours")
    text = (folder / "company.yaml").read_text("utf-8").replace("extends: base", "extends: model")
    ours = tmp_path / "shop"
    write(ours, "company.yaml", text.replace("name: Modellnett", "name: Ours"))
    assert set(load_company(ours).promises) == set(model().promises)
    one = {
        "name": {"nb": "Alt slettes.", "en": "All goes."},
        "line": 1,
        "checks": ["past_term"],
        "certainty": ["D"],
    }
    write(ours, "catalogue/promises.yaml", yaml.safe_dump({"S1": one}))
    company = load_company(ours)
    assert list(company.promises) == ["S1"]
    assert company.catalogue.version == model().catalogue.version


def change(**said: Any) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw["R8"].update(said)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            change(checks=["acess_overdue"]),
            "R8.checks.0: 'acess_overdue' is no check; did you mean access_overdue?",
        ),
        (change(checks=["zzz"]), "R8.checks.0: 'zzz' is no check; `innsyn controls` lists"),
        (change(checks=[]), "R8.checks: "),
        (lambda raw: raw["R8"].pop("checks"), "R8.checks: is missing; add it"),
        (change(checks=["one_clock", "one_clock"]), "R8.checks: names a check twice; keep one"),
        (change(line=0), "R8.line: "),
        (change(chekcs=["one_clock"]), "R8.chekcs: is not a field; did you mean checks?"),
        (lambda raw: raw.update({"8": raw["R8"]}), "8: is not an id of this list; write one like R1"),
    ],
)
def test_what_is_wrong_is_refused_with_file_key_and_mend(
    tmp_path: Path, said: Callable[[dict[str, Any]], object], line: str
) -> None:
    folder = copy_of_model(tmp_path / "ours")
    file = folder / "catalogue" / "promises.yaml"
    raw = yaml.safe_load(file.read_text("utf-8"))
    said(raw)
    file.write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    with pytest.raises(CatalogueError) as caught:
        whole_company(folder)
    assert str(caught.value).startswith(f"{file}: {line}")


def stands(check: str, verdict: str, hours: int, why: str = "") -> ControlStands:
    """That it has said so for so many hours."""
    begun = NOW - hours * HOUR
    return ControlStands(ControlRun(check, begun, begun, verdict, why=why), begun, None)


PROMISE = Promise.model_validate(
    {
        "id": "R1",
        "name": {"nb": "Alt slettes.", "en": "All goes."},
        "line": 1,
        "checks": ["first", "second"],
        "certainty": ["D"],
    }
)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "hours"),
    [
        ("kept", "kept", Verdict.KEPT, 2),
        ("broken", "kept", Verdict.BROKEN, 5),
        ("broken", "not_observable", Verdict.BROKEN, 5),
        ("broken", "broken", Verdict.BROKEN, 5),
        ("kept", "not_observable", Verdict.NOT_OBSERVABLE, 2),
        ("kept", "failed", Verdict.NOT_OBSERVABLE, 2),
    ],
)
def test_a_promise_is_kept_where_all_of_its_checks_say_so(
    first: str, second: str, verdict: Verdict, hours: int
) -> None:
    """Kept since the last of them does, else since the first that says otherwise."""
    of = {"first": stands("first", first, 5), "second": stands("second", second, 2, "down")}
    (found,) = promises_stand({"R1": PROMISE}, of, [], NOW.date(), NOW)
    assert (found.verdict, found.since) == (verdict, NOW - hours * HOUR)


def test_what_never_ran_is_not_kept() -> None:
    (found,) = promises_stand({"R1": PROMISE}, {"first": stands("first", "kept", 1)}, [], NOW.date(), NOW)
    assert (found.verdict, found.since) == (Verdict.NOT_OBSERVABLE, None)
    assert [item.why for item in found.checks] == ["", "The check has not run yet."]


def test_what_ran_too_long_ago_keeps_no_promise() -> None:
    """Nor does what ran by a clock that was ahead; a day and an hour is what a check may wait."""
    for hours, verdict in (
        (25, Verdict.KEPT),
        (26, Verdict.NOT_OBSERVABLE),
        (900 * 24, Verdict.NOT_OBSERVABLE),
    ):
        of = {name: stands(name, "kept", hours) for name in ("first", "second")}
        (found,) = promises_stand({"R1": PROMISE}, of, [], NOW.date(), NOW)
        assert (found.verdict, found.checks[0].last) == (verdict, NOW - hours * HOUR)
    assert found.checks[0].why == "The check has not run since 2023-12-14 08:00 UTC."
    of = {name: stands(name, "kept", -1) for name in ("first", "second")}
    (found,) = promises_stand({"R1": PROMISE}, of, [], NOW.date(), NOW)
    assert found.verdict is Verdict.NOT_OBSERVABLE
    assert "clock that was ahead" in found.checks[0].why


def test_a_promise_shows_what_its_checks_found_and_how_much_of_it_is_open() -> None:
    duties = Duties(promises={"R1": PROMISE})
    duties.breaks("first", "a", "b")
    duties.breaks("second", "c")
    duties.desk.run()
    (one, *_) = duties.desk.findings()
    duties.desk.explain(one.id, "a trial", "dpo")
    (found,) = duties.desk.promises()
    assert found.verdict is Verdict.BROKEN
    assert (len(found.findings), found.open) == (3, 2)
    duties.says["first"] = duties.says["second"] = Duties().says["first"]
    duties.desk.run()
    (found,) = duties.desk.promises()
    assert (found.verdict, found.findings) == (Verdict.KEPT, ())
    assert finding_of(duties.findings.entries("second")).check == "second"


def test_the_register_of_the_model_company_is_that_of_its_folder() -> None:
    assert model().promises_file == MODEL / "catalogue" / "promises.yaml"
