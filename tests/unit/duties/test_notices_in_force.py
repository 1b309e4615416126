"""Which notice an event falls under, and whether it says what the event is for; agreements that cover what is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.agreements import Agreement, load_agreements
from schemas.errors import CatalogueError
from schemas.notices import ELEMENTS, Notice, load_notices
from sinks.ports.lineage import Span
from streams.duties.check import Verdict
from streams.duties.checks.notices_in_force import in_force
from tests.support.company import model
from tests.support.index import NOW, Row, moment, tags, token
from tests.support.looking import Watched

WEB = replace(tags("C-21"), purposes=("P-WEB",), recipients=("cloud_provider",))
ENTRY = {"name": {"nb": "x", "en": "x"}, "certainty": ["D"]}
DAY = timedelta(days=1)
TODAY = NOW.date()


def notice(name: str, first: date, last: date | None = None, **other: Any) -> Notice:
    said = {"kind": "notice", "purposes": ["P-WEB"], "elements": ELEMENTS, **other}
    return Notice.model_validate({"id": name, **ENTRY, "valid_from": first, "valid_until": last, **said})


def watched(*notices: Notice, agreements: tuple[Agreement, ...] = ()) -> Watched:
    company = replace(
        model(),
        notices={item.id: item for item in notices},
        agreements={item.id: item for item in agreements},
    )
    made = Watched(company=company)
    made.write(Row(1, 4, WEB))
    return made


def test_events_a_second_apart_around_a_switch_fall_under_different_notices() -> None:
    """At midnight of the company, which is not that of UTC."""
    old, new = notice("old", date(2020, 1, 1), date(2026, 3, 31)), notice("new", date(2026, 4, 1))
    notices = {
        item.id: item for item in (old, new, notice("text", date(2020, 1, 1), kind="consent", elements=[]))
    }
    midnight = datetime(2026, 3, 31, 22, tzinfo=UTC)
    calendar = model().catalogue.calendar
    assert in_force(notices, midnight - timedelta(seconds=1), calendar) == (old,)
    assert in_force(notices, midnight, calendar) == (new,)
    assert in_force(notices, datetime(2019, 1, 1, tzinfo=UTC), calendar) == ()


def test_an_event_before_the_first_notice_breaks_it_until_it_is_erased() -> None:
    made = watched(notice("new", TODAY + DAY))
    (found,) = made.run("notice_in_force")
    assert (found.key, found.since, found.evidence[0].offset) == ("web.visits", moment(0), 4)
    made.sinks.eraser.forget([Span(token(1))], {WEB.id: None})
    assert made.check("notice_in_force").verdict is Verdict.KEPT


def test_only_events_of_a_gap_between_two_notices_break_it() -> None:
    """Where no event lies in the gap nothing is wrong."""
    first, second = notice("a", TODAY - 90 * DAY, TODAY), notice("b", TODAY + 3 * DAY)
    made = watched(first, second)
    made.write(Row(1, 8, WEB, at=9 * 86_400_000))
    assert made.check("notice_in_force").verdict is Verdict.KEPT
    made.write(Row(1, 6, WEB, at=2 * 86_400_000))
    (found,) = made.run("notice_in_force")
    assert [item.offset for item in found.evidence] == [6]


def test_a_purpose_that_the_notice_of_the_time_does_not_name_breaks_it() -> None:
    """And the next version mends it for what comes then."""
    old = notice("old", TODAY - 90 * DAY, TODAY, purposes=["P-CONTRACT"])
    made = watched(old, notice("new", TODAY + DAY))
    made.write(Row(1, 8, WEB, at=9 * 86_400_000))
    (found,) = made.run("notice_names_purpose")
    assert (found.key, [item.offset for item in found.evidence]) == ("web.visits/P-WEB", [4])
    named = watched(notice("old", TODAY - 90 * DAY))
    assert named.check("notice_names_purpose").verdict is Verdict.KEPT


def test_voluntary_data_need_a_notice_that_says_so() -> None:
    company = model()
    record = company.every_record["WebVisit"]
    voluntary = [item.model_copy(update={"necessity": "voluntary"}) for item in record.fields]
    silent, said = notice("a", TODAY - DAY), notice("a", TODAY - DAY, voluntary=True)
    for version, verdict in ((silent, Verdict.BROKEN), (said, Verdict.KEPT)):
        made = watched(version)
        records = {**made.company.records, "WebVisit": replace(record, fields=tuple(voluntary))}
        made.company = replace(made.company, records=records)
        assert made.check("voluntary_notice").verdict is verdict


def test_what_a_notice_leaves_out_is_named() -> None:
    made = watched(notice("a", TODAY - DAY, elements=[item for item in ELEMENTS if item != "complaint"]))
    (found,) = made.run("notice_complete", NOW)
    assert found.key == "a/complaint"
    assert watched(notice("a", TODAY - DAY)).check("notice_complete").verdict is Verdict.KEPT


def test_that_no_notice_is_in_force_is_a_finding() -> None:
    """Since the last one ended; texts of consent are none."""
    made = watched(
        notice("a", TODAY - 9 * DAY, TODAY - 5 * DAY), notice("t", TODAY, kind="consent", elements=[])
    )
    (found,) = made.run("notice_complete")
    assert (found.key, found.since.date()) == ("none", TODAY - 5 * DAY)


@pytest.mark.parametrize(
    "name",
    ["notice_in_force", "notice_names_purpose", "voluntary_notice", "notice_complete", "consents_provable"],
)
def test_without_notices_nobody_can_say(name: str) -> None:
    assert watched().check(name).verdict is Verdict.NOT_OBSERVABLE


def agreement(first: date, last: date | None = None, **other: Any) -> Agreement:
    said = {
        "recipient": "cloud_provider",
        "instrument": "dpa",
        "categories": ["C-21"],
        "purposes": ["P-WEB"],
        **other,
    }
    return Agreement.model_validate(
        {"id": "A-1", **ENTRY, "reference": "x", "valid_from": first, "valid_until": last, **said}
    )


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        (agreement(TODAY - DAY), []),
        (agreement(TODAY - 9 * DAY, TODAY - DAY), ["cloud_provider/C-21", "cloud_provider/P-WEB"]),
        (agreement(TODAY + DAY), ["cloud_provider/C-21", "cloud_provider/P-WEB"]),
        (agreement(TODAY - DAY, categories=["C-22"]), ["cloud_provider/C-21"]),
        (agreement(TODAY - DAY, purposes=["P-ADMIN"]), ["cloud_provider/P-WEB"]),
        (agreement(TODAY - DAY, recipient="installer"), ["cloud_provider/C-21", "cloud_provider/P-WEB"]),
    ],
)
def test_data_go_to_a_processor_under_an_agreement_that_covers_them(
    said: Agreement, broken: list[str]
) -> None:
    """In force at the time of the event, for its category and its purpose."""
    made = watched(agreements=(said,))
    found = made.run("agreement_in_force")
    assert sorted(item.key for item in found) == broken
    assert all(item.evidence[0].offset == 4 for item in found)


def test_without_agreements_nobody_can_say() -> None:
    assert watched().check("agreement_in_force").verdict is Verdict.NOT_OBSERVABLE


@pytest.mark.parametrize(
    ("file", "said", "key"),
    [
        ("notices.yaml", {"purposes": ["P-NONE"]}, "purposes.0"),
        ("notices.yaml", {"valid_until": date(2026, 1, 1)}, "valid_until"),
        ("agreements.yaml", {"recipient": "police"}, "instrument"),
        ("agreements.yaml", {"recipient": "nobody"}, "recipient"),
        ("agreements.yaml", {"valid_until": date(2026, 1, 1)}, "valid_until"),
    ],
)
def test_a_register_that_cannot_be_is_refused_by_file_and_key(
    tmp_path: Path, file: str, said: dict[str, Any], key: str
) -> None:
    common = {**ENTRY, "valid_from": date(2026, 1, 2), "purposes": ["P-WEB"]}
    other = {"recipient": "installer", "instrument": "dpa", "categories": ["C-01"], "reference": "x"}
    entry = {**common, **({"kind": "notice"} if file == "notices.yaml" else other), **said}
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / file).write_text(yaml.safe_dump({"A-1": entry}), "utf-8")
    load: Any = load_notices if file == "notices.yaml" else load_agreements
    with pytest.raises(CatalogueError) as refused:
        load([tmp_path], model().catalogue)
    assert (refused.value.file, refused.value.key) == (file, f"A-1.{key}")


def test_a_consent_is_proven_by_a_text_of_its_time_that_names_the_purpose() -> None:
    """Art. 7(1): by a known text, in force, for that purpose."""
    text = notice("t-1", TODAY - 20 * DAY, TODAY, kind="consent", elements=[], purposes=["P-PERSONAL"])
    made = watched(text)

    def consent(version: str, at: datetime, purpose: str = "P-PERSONAL") -> None:
        said = {"customer_number": "100007", "decision": "given", "channel": "tv"}
        made.put("privacy.consents", {**said, "purpose": purpose, "text_version": version, "decided_at": at})

    consent("t-1", NOW - DAY)
    assert made.check("consents_provable").verdict is Verdict.KEPT
    consent("a text", NOW - DAY)
    consent("t-1", NOW - DAY, "P-MARKETING")
    consent("t-1", NOW - 30 * DAY)
    found = made.run("consents_provable")
    assert sorted((item.key, item.evidence[0].offset) for item in found) == [
        ("t-1/P-MARKETING", 2),
        ("t-1/out_of_force", 3),
        ("unknown/P-PERSONAL", 1),
    ]
