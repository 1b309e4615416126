"""What has run out by its rule and what will, counted for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.expiry import last_day
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from sinks.ports.expiry import DayCount
from streams.answers.expiry import Awaiting, Expiry, RunningOut, expiry

CATALOGUE = load_catalogue()
TODAY = date(2026, 6, 10)
DAY = timedelta(days=1)
INVOICES = frozenset({"invoice_settled"})


def tags(record: str, topic: str, detected: tuple[str, ...] = ()) -> TagSet:
    version = CATALOGUE.version
    return tag_set(
        load_records()[record], topic, "owner", catalogue_version=version, key_id="k1", detected=detected
    )


VISIT = tags("WebVisit", "web.visits")
LOGIN = tags("Login", "web.logins")
INVOICE = tags("Invoice", "billing.invoices")


def counted(
    days: Iterable[DayCount], told: Iterable[str] = (), months: int = 3, as_of: date = TODAY
) -> Expiry:
    return expiry(list(days), CATALOGUE, as_of, frozenset(told), months)


def by_rule(found: Expiry) -> dict[tuple[str, str], RunningOut]:
    return {(item.rule, "+".join(item.categories)): item for item in found.items}


def test_events_run_out_in_the_month_of_their_last_day() -> None:
    """T30: 90 days. 12 March may be kept until 10 June; 2 April is of July, 20 May of August."""
    days = [
        DayCount(VISIT, date(2026, 3, 11), 5, 2),
        DayCount(VISIT, date(2026, 3, 12), 7),
        DayCount(VISIT, date(2026, 4, 1), 1),
        DayCount(VISIT, date(2026, 4, 2), 10),
        DayCount(VISIT, date(2026, 5, 20), 100),
        DayCount(VISIT, date(2026, 6, 10), 1000),
    ]
    found = counted(days)
    assert found.months == (date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1))
    (item,) = found.items
    assert (item.system, item.rule, item.means) == ("web", "T30", "delete")
    assert (item.overdue, item.kept, item.months, item.later) == (5, 2, (8, 10, 100), 1000)
    assert found.waiting == ()


def test_nothing_is_left_where_all_that_is_held_was_counted() -> None:
    assert counted([]) == Expiry(TODAY, CATALOGUE.version, counted([]).months, (), (), ())


def test_what_turns_on_the_person_is_counted_apart() -> None:
    """Of a log-in the cookie runs out after 90 days; the user name stays until the contract has ended."""
    found = counted([DayCount(LOGIN, date(2026, 1, 1), 4)])
    assert by_rule(found)["T30", "C-23"].means == "narrow"
    assert by_rule(found)["T30", "C-23"].overdue == 4
    assert found.waiting == (Awaiting("web", ("C-10",), ("T20",), ("contract_end",), 4),)


def test_a_moment_that_no_event_tells_is_that_of_the_event() -> None:
    """The contact data of an invoice go five months after it, unless settlements are told: then with each of them."""
    days = [DayCount(INVOICE, date(2025, 12, 1), 3), DayCount(INVOICE, date(2020, 12, 31), 2)]
    untold = by_rule(counted(days))
    assert (untold["T05", "C-01"].overdue, untold["T05", "C-01"].means) == (5, "narrow")
    assert (untold["T01", "C-06+C-07"].overdue, untold["T01", "C-06+C-07"].means) == (2, "delete")
    told = counted(days, INVOICES)
    assert set(by_rule(told)) == {("T01", "C-06+C-07")}
    # As long as the contact data may stay for somebody, the invoice is not gone for everybody.
    assert by_rule(told)["T01", "C-06+C-07"].means == "narrow"
    assert told.waiting == (Awaiting("billing", ("C-01",), ("T05",), ("invoice_settled",), 5),)


def test_systems_that_delete_by_themselves_are_told_apart() -> None:
    """Of them nobody has to delete anything."""
    found = counted([DayCount(replace(VISIT, system="kafka"), date(2026, 1, 1), 4)])
    assert [(item.system, item.means, item.overdue) for item in found.items] == [("kafka", "expires", 4)]


def test_what_only_a_text_reveals_goes_with_the_text_or_before() -> None:
    """A special category in a web form of 90 days goes after 90 days; its own rule gives it a year."""
    revealing = replace(VISIT, detected=("C-31",))
    (item,) = counted([DayCount(revealing, date(2026, 1, 1), 4)]).items
    assert (item.rule, item.categories, item.overdue) == ("T30", ("C-21", "C-22", "C-23", "C-31"), 4)
    # And after a year where the text may stay for five.
    kept = replace(tags("NoticeSent", "crm.notices"), retention=("T33",), categories=("C-26",))
    days = [DayCount(replace(kept, detected=("C-31",)), date(2025, 1, 1), 4)]
    assert {key: (item.overdue, item.means) for key, item in by_rule(counted(days)).items()} == {
        ("T27", "C-31"): (4, "narrow"),
        ("T33", "C-26"): (0, "delete"),
    }


def test_what_is_dated_ahead_happened_at_the_latest_today() -> None:
    """Else it would be kept longer than anything."""
    (item,) = counted([DayCount(VISIT, date(2099, 1, 1), 4)], months=6).items
    assert item.months == (0, 0, 0, 4, 0, 0)


def test_tags_that_nobody_can_judge_are_named() -> None:
    """A rule that the catalogue lacks: nothing of it has run out, and it says so."""
    lost = replace(VISIT, retention=("T30", "T99"))
    found = counted([DayCount(lost, date(2020, 1, 1), 4)])
    assert not found.items
    assert not found.waiting
    (line,) = found.unjudged
    assert line.startswith("web.visits of web cannot be judged: it names the retention rule T99")


def test_data_that_no_rule_speaks_of_are_named() -> None:
    """Where a rule speaks of another category of the event, they go with that one."""
    silent = replace(VISIT, retention=("T03",))
    found = counted([DayCount(silent, date(2020, 1, 1), 4)])
    assert found.items == ()
    assert found.waiting == (Awaiting("web", ("C-21", "C-22", "C-23"), (), (), 4),)
    beside = replace(VISIT, categories=("C-21", "C-28"))
    (item,) = counted([DayCount(beside, date(2020, 1, 1), 4)]).items
    assert (item.categories, item.means) == (("C-21",), "delete")


def test_versions_of_a_schema_are_one_line() -> None:
    """And so are its topics and keys; other systems and rules are lines of their own."""
    other = replace(VISIT, schema="f" * 16, catalogue_version="f" * 12)
    days = [DayCount(VISIT, date(2026, 1, 1), 4, 1), DayCount(other, date(2026, 1, 2), 3, 2)]
    (item,) = counted(days).items
    assert (item.overdue, item.kept) == (7, 3)


some_counts = st.lists(
    st.builds(
        DayCount,
        st.sampled_from([VISIT, LOGIN, INVOICE]),
        st.dates(date(2015, 1, 1), date(2026, 6, 12)),
        st.integers(1, 9),
    ),
    max_size=30,
    unique_by=lambda item: (item.tags.id, item.day),
)


@given(some_counts, st.integers(1, 24))
def test_every_event_is_counted_once_in_a_line(days: list[DayCount], months: int) -> None:
    """In the month of its own last day, as the rules give it, wherever that lies."""
    found = counted(days, months=months)
    held = {item.id: [each for each in days if each.tags.id == item.id] for item in (VISIT, LOGIN, INVOICE)}
    for tag_set_id, rule, categories in (
        (VISIT.id, "T30", "C-21+C-22+C-23"),
        (LOGIN.id, "T30", "C-23"),
        (INVOICE.id, "T01", "C-06+C-07"),
    ):
        expected = dict.fromkeys(["overdue", *found.months, "later"], 0)
        for each in held[tag_set_id]:
            chosen = [CATALOGUE.retention_rules[rule]]
            _, until = last_day(chosen, min(each.day, TODAY), CATALOGUE.calendar)
            assert until is not None
            month = until.replace(day=1)
            place = "overdue" if until < TODAY else month if month in found.months else "later"
            expected[place] += each.events
        if held[tag_set_id]:
            item = by_rule(found)[rule, categories]
            assert [item.overdue, *item.months, item.later] == list(expected.values())
