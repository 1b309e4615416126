"""Of how many people something runs out in the months ahead, by what is said of their contracts and consents."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from schemas.catalogue import load_catalogue
from streams.answers.expiry import Awaiting, Expiry
from streams.answers.people_ahead import with_people

CATALOGUE = load_catalogue()
MONTHS = (date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1))
REGISTER = Awaiting("crm", ("C-03",), ("T20",), ("contract_end",), 10)


def people(item: Awaiting, **ended: dict[date, int]) -> tuple[int, ...] | None:
    found = Expiry(date(2026, 6, 10), "v1", MONTHS, (), (item,), ())
    (waiting,) = with_people(found, ended, CATALOGUE).waiting
    return waiting.people


def test_people_are_counted_in_the_month_in_which_it_runs_out() -> None:
    """Three months after the end of the contract, on the day after: those of before with the first month."""
    days = {
        date(2020, 1, 1): 5,
        date(2026, 3, 30): 1,
        date(2026, 3, 31): 2,
        date(2026, 4, 30): 4,
        date(2026, 5, 30): 8,
        date(2026, 5, 31): 16,
    }
    # 31 March and three months is 30 June, and goes on 1 July.
    assert people(REGISTER, contract_end=days) == (5, 7, 8)


def test_the_longest_of_several_rules_counts() -> None:
    both = replace(REGISTER, rules=("T12", "T20"))
    assert people(both, contract_end={date(2026, 4, 10): 3}) == (0, 3, 0)


def test_nobody_is_counted_where_more_has_to_be_known() -> None:
    """The day of the event, the close of a case, or nothing at all."""
    ended = {date(2026, 4, 10): 3}
    assert people(replace(REGISTER, rules=("T18", "T20")), contract_end=ended) is None
    assert people(replace(REGISTER, rules=("T27",), clocks=("case_closed",)), contract_end=ended) is None
    assert people(replace(REGISTER, rules=(), clocks=()), contract_end=ended) is None
