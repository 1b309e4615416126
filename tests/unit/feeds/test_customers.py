"""Lists of customers: what a row says, and what is no row."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from streams.feeds.lines.record import each_line, quoted_lines
from tests.support.company import model_feed
from tests.support.feeds import only, outcomes, reasons

FEED = model_feed("customers-csv")
COLUMNS = "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end"
START = datetime(2024, 5, 17, tzinfo=UTC)


def row(number: str = "700105", user: str = "nk17", **other: str) -> str:
    """A row; fields by name, quoted where they hold a comma."""
    values = {
        "customer_number": number, "username": user, "name": "Kari Nordmann", "fodselsnummer": "17856712345",
        "phone": "+47 40 00 00 01", "email": "kari@example.no", "address": '"Storgata 1, 0001 Oslo"',
        "contract_start": "2024-05-17", "contract_end": "",
    } | other  # fmt: skip
    return ",".join(values.values())


def test_a_row_says_who_the_customer_is_since_the_contract() -> None:
    """Without a column of its own the details were entered when the contract began."""
    assert only(FEED, COLUMNS, row()) == {
        "customer_number": "700105",
        "username": "nk17",
        "name": "Kari Nordmann",
        "fodselsnummer": "17856712345",
        "phone": "+4740000001",
        "email": "kari@example.no",
        "address": "Storgata 1, 0001 Oslo",
        "valid_from": START,
        "updated_at": START,
    }


def test_optional_columns_may_stand_anywhere() -> None:
    """Columns are found by name; unknown ones are nobody's business."""
    found = only(
        FEED,
        f"{COLUMNS},updated_at,line_id,birth_date,gender,merged_into,note",
        f"{row()},2026-01-02T03:04:05+01:00,bgo-olt3-1/2/17,1967-05-17,kvinne,700100,x",
    )
    assert found["updated_at"] == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert (found["valid_from"], found["line_id"]) == (START, "bgo-olt3-1/2/17")
    assert (found["birth_date"], found["gender"], found["merged_into"]) == (
        date(1967, 5, 17),
        "kvinne",
        "700100",
    )


def test_a_quoted_field_may_hold_line_breaks_and_quotes() -> None:
    """The record is named by its first line."""
    quoted = row(address='"c/o ""Kiosken""\nStorgata 1"').split("\n")
    found = outcomes(FEED, COLUMNS, *quoted, row("700106", "nk18"))
    assert [line for line, _ in found] == [2, 4]
    assert not isinstance(found[0][1], str)
    assert found[0][1][0]["address"] == 'c/o "Kiosken"\nStorgata 1'


def test_a_quote_that_is_never_closed_spoils_its_own_line_alone() -> None:
    """However many lines follow."""
    rows = [row(str(number), f"u{number}") for number in range(60)]
    rows[20] = rows[20].replace('Oslo"', "Oslo")
    assert reasons(FEED, COLUMNS, *rows) == [(22, "bad_quotes")]
    assert len(outcomes(FEED, COLUMNS, *rows)) == 60


def test_lines_without_quotes_are_records() -> None:
    """A line that is too long is one too, and ends what was open."""
    lines = [(1, "a"), (2, None), (3, 'x"'), (4, None), (5, "b")]
    plain = [(item.first, item.last, item.text) for item in each_line(lines[:2])]
    assert [(item.first, item.last, item.text) for item in quoted_lines(lines[:2])] == plain
    found = [(item.first, item.last, item.lines) for item in quoted_lines(lines)]
    assert found == [(1, 1, ["a"]), (2, 2, None), (3, 4, None), (5, 5, ["b"])]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row() + ",x", "column_count"),
        (row(contract_start="2024-02-30"), "bad_time"),
        (row(contract_start="20240517"), "bad_time"),
        (row(contract_end="soon"), "bad_time"),
        (row(contract_end="2024-05-16"), "end_before_start"),
        (row(contract_start=""), "missing_value"),
        (row(number=""), "missing_value"),
        (row(name=" "), "missing_value"),
        (row(fodselsnummer="1785671234"), "bad_fodselsnummer"),
        (row(fodselsnummer="1785671234x"), "bad_fodselsnummer"),
        (row(phone="call me"), "bad_phone"),
        (row(email="kari at example.no"), "bad_email"),
        (row(email=r"bj\xf8rn@example.no"), "bad_email"),
        (row(address='"Storgata'), "bad_quotes"),
    ],
)
def test_a_row_that_cannot_be_read_has_a_reason_and_a_line(bad: str, reason: str) -> None:
    """The rows around it are read."""
    assert reasons(FEED, COLUMNS, row("1", "a"), bad, row("2", "b")) == [(3, reason)]
    assert len(outcomes(FEED, COLUMNS, row("1", "a"), bad, row("2", "b"))) == 3


@pytest.mark.parametrize(
    "bad",
    [row(user=r"bj\xf8rn"), row(user=r"bj\XF8rn"), row(user=r"bj\370rn"), row(user=r"p\303\245l"),
     row(user=r"bj\u00f8rn"), row(number=r"\xc5-17")],
)  # fmt: skip
def test_no_backslash_form_becomes_an_identifier(bad: str) -> None:
    """Somebody could not decode those letters before; the person would not be found under them."""
    assert reasons(FEED, COLUMNS, row(), bad) == [(3, "not_utf8")]


@pytest.mark.parametrize("user", [r"ISP\nk17", r"ISP\xander", r"ISP\20145678", r"ISP\ulf"])
def test_a_windows_domain_is_no_backslash_form(user: str) -> None:
    """Its names stay as they are."""
    assert only(FEED, COLUMNS, row(user=user))["username"] == user


def test_an_impossible_date_of_birth_is_refused() -> None:
    """In its own column."""
    assert reasons(FEED, f"{COLUMNS},birth_date", row() + ",1967-02-30") == [(2, "bad_birth_date")]


def test_without_a_header_nothing_is_guessed() -> None:
    """Nor with one that lacks a column."""
    assert reasons(FEED, row()) == [(1, "no_header")]
    assert reasons(FEED, COLUMNS.replace(",email", ""), row()) == [(1, "no_header"), (2, "no_header")]


def test_a_column_that_is_named_twice_is_refused() -> None:
    """The second would win in silence. Columns without a name may be any number."""
    assert reasons(FEED, f"{COLUMNS},phone", f"{row()},+4740000002") == [
        (1, "column_twice"),
        (2, "no_header"),
    ]
    assert len(outcomes(FEED, f"{COLUMNS},,", f"{row()},,")) == 1


def test_empty_fields_are_unknown() -> None:
    """All but number, name and a date may be."""
    found = only(FEED, COLUMNS, row(user="", fodselsnummer="", phone="", email="", address=""))
    assert set(found) == {"customer_number", "name", "valid_from", "updated_at"}


def test_a_user_name_of_two_customers_at_once_is_reported_and_sent() -> None:
    """And a customer with two user names; not the same row again, nor one after the other's contract."""
    first = row(contract_end="2025-01-01")
    assert reasons(FEED, COLUMNS, row(), row("700106")) == [(3, "two_holders")]
    assert reasons(FEED, COLUMNS, row(), row(user="nk18")) == [(3, "two_holders")]
    assert len(outcomes(FEED, COLUMNS, row(), row("700106"))) == 2
    assert reasons(FEED, COLUMNS, row(), row()) == []
    assert reasons(FEED, COLUMNS, first, row("700106", contract_start="2025-01-01")) == []
    assert reasons(FEED, COLUMNS, row(user=""), row("700106", user="")) == []
