"""What registers write for "no end", fed in: it is none, in whatever form; no event of the year 9999 comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import DecodeError
from streams.feeds.lines import times
from tests.support.company import model_feed
from tests.support.feeds import outcomes

COLUMNS = "valid_from,valid_to,inside_network,outside_network,first_port,ports_per_user"
CUSTOMERS = "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end"
OPEN = [
    "",
    "9999-12-31",
    "31.12.9999",
    "2999-12-31",
    "31.12.2999",
    "9999-12-31T23:59:59Z",
    "2999-12-30T23:00:00Z",
]


def events(outcome: tuple[object, Any]) -> list[dict[str, Any]]:
    return list(outcome[1])


@pytest.mark.parametrize("text", OPEN)
def test_a_mapping_without_end_releases_nothing(text: str) -> None:
    """Only the blocks it deals out; a real end still ends them."""
    row = f"2026-03-02T09:00:00Z,{text},100.64.0.0/31,203.0.113.8/31,1024,32256"
    (found,) = outcomes(model_feed("nat-map"), COLUMNS, row)
    assert {event["kind"] for event in events(found)} == {"alloc"}
    (ended,) = outcomes(model_feed("nat-map"), COLUMNS, row.replace(f",{text},", ",2026-03-03,", 1))
    assert {event["kind"] for event in events(ended)} == {"alloc", "release"}


@pytest.mark.parametrize("text", OPEN)
def test_a_contract_without_end_is_read(text: str) -> None:
    """The row is a customer's, not refused for a date that nobody means."""
    row = f"700105,nk17,Ola Nordmann,,,,,2024-05-17,{text}"
    (found,) = outcomes(model_feed("customers-csv"), CUSTOMERS, row)
    assert not isinstance(found[1], str), found


@pytest.mark.parametrize("text", ["31.12.2030", "9999", "no", "12.31.9999", "9998-13-01"])
def test_what_is_no_placeholder_is_still_refused(text: str) -> None:
    """A day in a form that several countries read differently is guessed for nobody."""
    with pytest.raises(DecodeError, match="bad_time"):
        times.end(text)
