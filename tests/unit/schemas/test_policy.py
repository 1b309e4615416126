"""When data go, and when erasure may be refused."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.entries import RetentionRule
from schemas.errors import InputError
from schemas.policy import RetentionAnchors, decide_erasure, delete_after, governing

CATALOGUE = load_catalogue()
RULES = CATALOGUE.retention_rules
NOBODY_TOLD = RetentionAnchors()

moments = st.integers(0, 90 * 365 * 24 * 60).map(
    lambda minutes: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
days = st.dates(date(2000, 1, 1), date(2090, 1, 1))
some_rules = st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=6, unique=True)
some_categories = st.lists(st.sampled_from(sorted(CATALOGUE.categories)), min_size=1, max_size=6, unique=True)
some_anchors = st.builds(
    RetentionAnchors, **{field.name: st.none() | days for field in fields(RetentionAnchors)}
)


def at(year: int, month: int, day: int, hour: int = 12) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def of(*ids: str) -> list[RetentionRule]:
    return [RULES[rule] for rule in ids]


@pytest.mark.parametrize(
    ("rule", "event", "anchors", "expected"),
    [
        ("T01", at(2026, 3, 5), NOBODY_TOLD, date(2031, 12, 31)),
        ("T01", at(2026, 1, 1), NOBODY_TOLD, date(2031, 12, 31)),
        ("T02", at(2026, 3, 5), NOBODY_TOLD, date(2030, 6, 30)),
        ("T06", at(2024, 2, 1), RetentionAnchors(communication_end=date(2024, 2, 29)), date(2025, 2, 28)),
        ("T06", at(2023, 2, 28), NOBODY_TOLD, date(2024, 2, 28)),
        ("T09", at(2026, 3, 5), RetentionAnchors(session_end=date(2026, 3, 10)), date(2026, 3, 31)),
        ("T18", at(2024, 2, 29), NOBODY_TOLD, date(2027, 2, 28)),
        ("T20", at(2020, 1, 1), RetentionAnchors(contract_end=date(2026, 11, 30)), date(2027, 2, 28)),
        ("T20", at(2020, 1, 1), NOBODY_TOLD, None),
        ("T26", at(2020, 1, 1), RetentionAnchors(contract_end=date(2024, 5, 1)), date(2027, 5, 1)),
        ("T26", at(2020, 1, 1), RetentionAnchors(date(2024, 5, 1), withdrawal=date(2023, 5, 1)), date(2026, 5, 1)),
        ("T04", at(2026, 3, 5), RetentionAnchors(need_end=date(2026, 4, 1)), date(2026, 4, 1)),
        ("T04", at(2026, 3, 5), NOBODY_TOLD, None),
        ("T10", at(2026, 3, 5), NOBODY_TOLD, None),
        ("T10", at(2026, 3, 5), RetentionAnchors(order=date(2026, 3, 1)), date(2026, 5, 30)),
        ("T31", at(2026, 3, 5), NOBODY_TOLD, date(2026, 4, 16)),
        ("T07", at(2026, 3, 5), NOBODY_TOLD, None),
    ],
)  # fmt: skip
def test_the_last_day_follows_period_and_clock(
    rule: str, event: datetime, anchors: RetentionAnchors, expected: date | None
) -> None:
    """Calendar arithmetic from the rule's clock; None while the clock has not started."""
    assert delete_after(RULES[rule], event, anchors) == expected


def test_the_financial_year_is_the_norwegian_one() -> None:
    """Half past eleven in the evening of 31 December UTC is the next year in Norway."""
    assert delete_after(RULES["T01"], at(2026, 12, 31, 23), NOBODY_TOLD) == date(2032, 12, 31)
    assert delete_after(RULES["T01"], at(2026, 12, 31, 22), NOBODY_TOLD) == date(2031, 12, 31)


def test_a_time_without_zone_is_refused() -> None:
    """A naive time could be a day off, so it is not guessed."""
    with pytest.raises(InputError, match="no zone"):
        delete_after(RULES["T01"], at(2026, 3, 5).replace(tzinfo=None), NOBODY_TOLD)


@given(st.sampled_from(sorted(RULES)), moments, moments, some_anchors)
def test_a_later_event_never_gives_an_earlier_day(
    rule: str, one: datetime, other: datetime, anchors: RetentionAnchors
) -> None:
    """The last day grows with the event, and whether the clock started does not depend on it."""
    early = delete_after(RULES[rule], min(one, other), anchors)
    late = delete_after(RULES[rule], max(one, other), anchors)
    assert (early is None) == (late is None)
    assert early is None or late is None or early <= late


@pytest.mark.parametrize(
    ("ids", "anchors", "rule", "until"),
    [
        (["T01", "T18"], NOBODY_TOLD, "T01", date(2031, 12, 31)),
        (["T18", "T01", "T16"], NOBODY_TOLD, "T01", date(2031, 12, 31)),
        # Deletion is not forced yet: the rule beside T04 answers, and the other way round once the need has ended.
        (["T04", "T05"], RetentionAnchors(invoice_settled=date(2026, 4, 10)), "T05", date(2026, 9, 10)),
        (["T04", "T05"], RetentionAnchors(need_end=date(2026, 4, 1)), "T04", date(2026, 4, 1)),
        (["T04", "T09"], RetentionAnchors(need_end=date(2027, 1, 1)), "T09", date(2026, 3, 26)),
        (["T04", "T09", "T06"], RetentionAnchors(need_end=date(2026, 4, 1)), "T06", date(2027, 3, 5)),
        (["T04"], NOBODY_TOLD, "T04", None),
        (["T20", "T18"], NOBODY_TOLD, "T20", None),
        (["T20", "T18"], RetentionAnchors(contract_end=date(2026, 6, 1)), "T18", date(2029, 3, 5)),
        (["T10", "T30"], NOBODY_TOLD, "T30", date(2026, 6, 3)),
        (["T10", "T30"], RetentionAnchors(order=date(2026, 6, 1)), "T10", date(2026, 8, 30)),
        (["T29", "T30"], RetentionAnchors(withdrawal=date(2026, 3, 20)), "T29", date(2026, 3, 20)),
    ],
)  # fmt: skip
def test_one_rule_governs(ids: list[str], anchors: RetentionAnchors, rule: str, until: date | None) -> None:
    """The latest hold or purpose end decides; forced deletion cuts the purpose short, not a hold."""
    found, end = governing(of(*ids), at(2026, 3, 5), anchors)
    assert (found.id, end) == (rule, until)


def test_of_two_rules_ending_on_one_day_the_stronger_governs() -> None:
    """The locked T06 outranks another legal obligation and a claim of the same length."""
    books = RULES["T01"].model_copy(update={"period": "P12M", "clock": "event"})
    claim = RULES["T18"].model_copy(update={"period": "P12M", "id": "T00"})
    assert governing([claim, books], at(2026, 3, 5), NOBODY_TOLD)[0].id == "T01"
    for rules in ([claim, books, RULES["T06"]], [RULES["T06"], books, claim]):
        assert governing(rules, at(2026, 3, 5), NOBODY_TOLD)[0].id == "T06"


@pytest.mark.parametrize("ids", [[], ["T16", "T32"], ["T03", "T17"]])
def test_rules_that_never_end_anything_are_refused(ids: list[str]) -> None:
    """Without an active hold or expiry there is no answer, and none is invented."""
    with pytest.raises(InputError, match="no active retention rule"):
        governing(of(*ids), at(2026, 3, 5), NOBODY_TOLD)


@given(some_rules, moments, some_anchors)
def test_no_running_hold_outlives_the_governing_day(
    ids: list[str], event: datetime, anchors: RetentionAnchors
) -> None:
    """Nothing goes before the last legal or claims hold has ended, in whatever order the rules are given."""
    holds = [r for r in of(*ids) if r.active and r.effect in ("hold_legal_obligation", "hold_legal_claims")]
    if not any(rule.active and rule.effect != "none" for rule in of(*ids)):
        return
    found, end = governing(of(*ids), event, anchors)
    assert governing(of(*reversed(ids)), event, anchors) == (found, end)
    for hold in holds:
        held = delete_after(hold, event, anchors)
        assert end is None or (held is not None and held <= end)


def test_an_invoice_is_held_for_the_books_and_the_rest_goes() -> None:
    """T01 holds payment and invoice data until the fifth year's end, for that purpose only; contact data go."""
    decisions = decide_erasure(
        ["C-01", "C-07"], ["P-BILLING", "P-LEGALREC"], of("T01"),
        at(2026, 3, 5), at(2026, 3, 5), date(2026, 11, 22), RetentionAnchors(contract_end=date(2026, 5, 1)),
    )  # fmt: skip
    contact, invoice = decisions
    assert (contact.category, contact.action, contact.rule) == ("C-01", "erase_now", None)
    assert contact.ended == ("P-BILLING", "P-LEGALREC")
    assert (invoice.category, invoice.action, invoice.until) == ("C-07", "hold_until", date(2031, 12, 31))
    assert invoice.rule == "T01"
    assert invoice.citation is not None
    assert invoice.citation.startswith("bokføringsloven § 13")
    assert (invoice.purposes, invoice.ended) == (("P-LEGALREC",), ("P-BILLING",))


@pytest.mark.parametrize(
    ("as_of", "action"), [(date(2031, 12, 31), "hold_until"), (date(2032, 1, 1), "erase_now")]
)
def test_a_hold_ends_with_its_last_day(as_of: date, action: str) -> None:
    """On the last day the hold stands, the day after it is gone."""
    event = at(2026, 3, 5)
    [decision] = decide_erasure(["C-07"], ["P-BILLING"], of("T01"), event, event, as_of, NOBODY_TOLD)
    assert decision.action == action


@pytest.mark.parametrize(
    ("anchors", "until"),
    [
        (NOBODY_TOLD, None),
        (RetentionAnchors(contract_end=date(2026, 12, 31)), date(2026, 12, 31)),
    ],
)
def test_a_running_contract_holds_the_customer_master(anchors: RetentionAnchors, until: date | None) -> None:
    """While the contract runs, or still has to run out, contact data are needed for it."""
    event, as_of = at(2020, 1, 1), date(2026, 11, 22)
    [decision] = decide_erasure(["C-01"], ["P-ADMIN"], of("T20"), event, event, as_of, anchors)
    assert (decision.action, decision.until, decision.rule) == ("hold_until", until, "T20")


def test_an_ended_contract_holds_nothing() -> None:
    """After the end the three months of T20 are our own routine and no ground to refuse."""
    event, anchors = at(2020, 1, 1), RetentionAnchors(contract_end=date(2026, 11, 21))
    [decision] = decide_erasure(["C-01"], ["P-ADMIN"], of("T20"), event, event, date(2026, 11, 22), anchors)
    assert decision.action == "erase_now"


def test_traffic_data_are_held_until_the_invoice_is_settled_and_no_longer() -> None:
    """A contract that runs for years does not hold the traffic of its first month."""
    event = at(2026, 1, 10)
    for as_of, action in ((date(2026, 6, 10), "hold_until"), (date(2026, 6, 11), "erase_now")):
        [decision] = decide_erasure(
            ["C-16"], ["P-BILLING"], of("T04", "T05"), event, event, as_of, NOBODY_TOLD
        )
        assert decision.action == action


def test_a_preservation_order_freezes_every_category_while_it_runs() -> None:
    """T10 needs an order, then holds what nothing else would hold."""
    event, as_of = at(2026, 11, 1), date(2026, 11, 22)
    ordered = RetentionAnchors(order=date(2026, 11, 20))
    categories = sorted(CATALOGUE.categories)
    frozen = decide_erasure(categories, [], of("T10", "T31"), event, event, as_of, ordered)
    assert {decision.until for decision in frozen} == {date(2027, 2, 18)}
    assert {
        d.action for d in decide_erasure(categories, [], of("T10"), event, event, as_of, NOBODY_TOLD)
    } == {"erase_now"}


@pytest.mark.parametrize(
    ("rule", "category"), [("T16", "C-04"), ("T32", "C-08"), ("T31", "C-19"), ("T04", "C-16")]
)
def test_rules_that_are_off_or_no_holds_never_refuse(rule: str, category: str) -> None:
    """An inactive rule, a mere purpose end and a duty to delete are no grounds to keep data."""
    event = at(2026, 11, 1)
    [decision] = decide_erasure([category], [], of(rule), event, event, date(2026, 11, 2), NOBODY_TOLD)
    assert decision.action == "erase_now"


def test_other_holds_are_named_and_their_purposes_stay_allowed() -> None:
    """The longest hold gives the date; the shorter one is listed while it runs."""
    event = at(2026, 3, 5)
    [decision] = decide_erasure(
        ["C-07"], ["P-BILLING"], of("T18", "T01"), event, event, date(2027, 1, 1), NOBODY_TOLD
    )
    assert (decision.rule, decision.also) == ("T01", ("T18",))
    assert set(decision.purposes) == {"P-LEGALREC", "P-CLAIMS"}


def test_a_group_whose_oldest_events_are_free_says_so() -> None:
    """An invoice of 2019 is not held because one of 2026 is."""
    first, last, as_of = at(2019, 5, 1), at(2026, 3, 5), date(2026, 11, 22)
    [mixed] = decide_erasure(["C-07"], [], of("T01"), first, last, as_of, NOBODY_TOLD)
    [whole] = decide_erasure(["C-07"], [], of("T01"), last, last, as_of, NOBODY_TOLD)
    assert (mixed.action, mixed.oldest_expired) == ("hold_until", True)
    assert (whole.action, whole.oldest_expired) == ("hold_until", False)
    [edge] = decide_erasure(["C-07"], [], of("T18"), at(2023, 11, 22), last, as_of, NOBODY_TOLD)
    assert not edge.oldest_expired


def test_first_and_last_event_in_the_wrong_order_are_refused() -> None:
    """Swapped times would shorten a hold by law."""
    with pytest.raises(InputError, match="earlier time first"):
        decide_erasure(["C-07"], [], of("T01"), at(2026, 2, 2), at(2026, 2, 1), date(2026, 3, 1), NOBODY_TOLD)


@given(some_categories, some_rules, moments, st.timedeltas(timedelta(0), timedelta(3650)), days, some_anchors)
def test_erasure_is_refused_only_by_a_running_hold_that_covers_the_category(
    categories: list[str],
    ids: list[str],
    first: datetime,
    span: timedelta,
    as_of: date,
    anchors: RetentionAnchors,
) -> None:
    """Every refusal names an active hold of that category with an end not yet past; every other category goes."""
    last = first + span
    rules = of(*ids)
    decisions = decide_erasure(categories, ["P-BILLING"], rules, first, last, as_of, anchors)
    assert [decision.category for decision in decisions] == categories
    for decision in decisions:
        may_hold = [
            r for r in rules if r.active and r.is_hold and (not r.covers or decision.category in r.covers)
        ]
        if decision.action == "hold_until":
            assert decision.rule in {rule.id for rule in may_hold}
            assert set(decision.also) <= {rule.id for rule in may_hold}
            assert decision.until is None or decision.until >= as_of
            assert decision.citation == RULES[str(decision.rule)].authority
            assert not set(decision.ended) & set(decision.purposes)
            assert decision.purposes
        else:
            assert (decision.until, decision.rule, decision.purposes) == (None, None, ())
            for rule in may_hold:
                ended = delete_after(rule, last, anchors)
                contract_over = anchors.contract_end is not None and anchors.contract_end < as_of
                never_ordered = rule.clock == "order" and anchors.order is None
                past = ended is not None and ended < as_of
                assert past or never_ordered or (rule.effect == "hold_contract" and contract_over)


@given(some_categories, some_rules, moments, days, days, some_anchors)
def test_what_may_go_today_may_go_tomorrow(
    categories: list[str], ids: list[str], event: datetime, one: date, other: date, anchors: RetentionAnchors
) -> None:
    """Waiting never creates a new ground to refuse."""
    early = decide_erasure(categories, [], of(*ids), event, event, min(one, other), anchors)
    late = decide_erasure(categories, [], of(*ids), event, event, max(one, other), anchors)
    free = {decision.category for decision in early if decision.action == "erase_now"}
    assert free <= {decision.category for decision in late if decision.action == "erase_now"}
