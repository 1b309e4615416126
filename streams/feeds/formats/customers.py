"""A list of customers, as the customer register exports it.

    customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end

and optionally gender, birth_date, line_id, merged_into, updated_at. The details hold from the start of the contract.
A line_id is a name of the whole network, or `server|port` as the server's reports name both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from schemas.errors import DecodeError, InvalidIdentifier
from schemas.tokens import IdentifierKind, IdentifierKinds, canonical
from streams.feeds.format import (
    DATE_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    LogFormat,
    Make,
    Setting,
)
from streams.feeds.formats.assignment import line_id
from streams.feeds.lines import times
from streams.feeds.lines.holders import FOREVER
from streams.feeds.lines.names import Names, demand_letters
from streams.feeds.lines.reader import Read, RememberingReader, no_event
from streams.feeds.lines.reasons import END_BEFORE_START, TWO_HOLDERS
from streams.feeds.lines.record import Record, quoted_lines
from streams.feeds.lines.table import Table, quoted

COLUMNS = (
    "customer_number", "username", "name", "fodselsnummer", "phone", "email", "address",
    "contract_start", "contract_end",
)  # fmt: skip
# A backslash is no letter of an address (RFC 5322, 3.2.3); it stands where letters were lost on the way (\xf8 for ø).
_EMAIL = re.compile(r"[^@\s\\]+@[^@\s\\]+\.[^@\s.\\]+")

_Period = tuple[str, int, int]


class CustomersReader(RememberingReader):
    """Reads the rows of one list."""

    def __init__(self, names: Names, kinds: IdentifierKinds) -> None:
        self._names = names
        self._kinds = kinds
        self._table = Table(COLUMNS, quoted)
        self._customers: dict[str, list[_Period]] = {}
        self._users: dict[str, list[_Period]] = {}

    def read(self, record: Record) -> Read:
        """Raises DecodeError: no_header, column_count, bad_quotes, missing_value, bad_time, end_before_start,
        bad_fodselsnummer, bad_phone, bad_email, bad_birth_date, not_utf8."""
        found = self._table.row(record)
        if found is None:
            return no_event(record)
        row = {name: value.strip() for name, value in found.items()}
        name, said = self._names.read(row["username"])
        event = _details(row, self._kinds) | {"username": name}
        second = self._second_holder(event, row["contract_end"])
        return Read((event,), TWO_HOLDERS if second else None, counted=[said] if said else [])

    def _second_holder(self, event: Mapping[str, Any], contract_end: str) -> bool:
        """One user name of two customers, or one customer with two user names, at the same time."""
        if event["username"] is None:
            return False
        customer, user = event["customer_number"].casefold(), event["username"].casefold()
        since = event["updated_at"] if event["valid_from"] is None else event["valid_from"]
        until = times.end(contract_end)
        until = FOREVER if until is None else until
        return any(
            [
                _contradicts(self._customers, user, (customer, since, until)),
                _contradicts(self._users, customer, (user, since, until)),
            ]
        )


def _contradicts(known: dict[str, list[_Period]], key: str, mine: _Period) -> bool:
    periods = known.setdefault(key, [])
    found = any(other != mine[0] and since < mine[2] and mine[1] < until for other, since, until in periods)
    periods.append(mine)
    return found


def _details(row: Mapping[str, str], kinds: IdentifierKinds) -> dict[str, Any]:
    if not row["customer_number"] or not row["name"]:
        raise DecodeError("missing_value")
    demand_letters(row["customer_number"])
    start = times.day_or_time(row["contract_start"]) if row["contract_start"] else None
    end = times.end(row["contract_end"])
    if end is not None and end < (start or -FOREVER):
        raise DecodeError(END_BEFORE_START)
    updated = times.day_or_time(row["updated_at"]) if row.get("updated_at") else start
    if updated is None:
        raise DecodeError("missing_value")
    if row["email"] and not _EMAIL.fullmatch(row["email"]):
        raise DecodeError("bad_email")
    return {
        "customer_number": row["customer_number"],
        "name": row["name"],
        "fodselsnummer": _identifier(kinds["fodselsnummer"], row["fodselsnummer"]),
        "birth_date": _birth_date(row.get("birth_date", "")),
        "gender": row.get("gender") or None,
        "email": row["email"] or None,
        "phone": _identifier(kinds["phone"], row["phone"]),
        "address": row["address"] or None,
        "line_id": line_id(row.get("line_id") or "") or None,
        "merged_into": row.get("merged_into") or None,
        "valid_from": start,
        "updated_at": updated,
    }


def _identifier(kind: IdentifierKind, text: str) -> str | None:
    try:
        return canonical(kind, text) if text else None
    except InvalidIdentifier:
        raise DecodeError(f"bad_{kind}") from None


def _birth_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise DecodeError("bad_birth_date") from None


def _make(setting: Setting) -> Make:
    names, kinds = setting.names("register"), setting.company.kinds
    return lambda: CustomersReader(names, kinds), ()


FORMATS = (
    LogFormat(
        "customers-csv",
        f"CSV with at least the columns {','.join(COLUMNS)}",
        {
            "customer_number": TEXT,
            "name": TEXT,
            "fodselsnummer": TEXT_OR_NULL,
            "birth_date": DATE_OR_NULL,
            "gender": TEXT_OR_NULL,
            "email": TEXT_OR_NULL,
            "phone": TEXT_OR_NULL,
            "username": TEXT_OR_NULL,
            "address": TEXT_OR_NULL,
            "line_id": TEXT_OR_NULL,
            "merged_into": TEXT_OR_NULL,
            "valid_from": TIME_OR_NULL,
            "updated_at": TIME,
        },
        _make,
        quoted_lines,
    ),
)
