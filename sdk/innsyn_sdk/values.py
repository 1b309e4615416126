"""Whether a value of a column is what an identifier says, and when a row was: spellings, addresses, times. Pure."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from innsyn_sdk.mapping import UNITS, Column, RecordMapping
from innsyn_sdk.protocol import Identifier

BLANKS = " \t\n\r\f\v"
"""What `lower` takes from both ends."""
LETTERS = {
    letter: letter.lower()
    for letter in map(chr, range(0x180))
    if letter.lower() != letter and len(letter.lower()) == 1
}
"""What `lower` makes small: the Latin letters of Europe, each one letter. A list, because databases differ."""
_LOWER = str.maketrans(LETTERS)
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""innsyn's index takes no event of an earlier time, nor of the later one or after: such a time stands for none."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def same(column: Column, value: Any, item: Identifier) -> bool:
    """Whether a column's value is what the identifier says, whenever that was. A list: whether any of it is."""
    if isinstance(value, list | tuple | set):
        return any(same(column, one, item) for one in value)
    if column.form == "address":
        return _same_address(value, item)
    if item.prefix:
        return False
    if column.form == "digits":
        return normal(column, value) in digits(column, item.value)
    return normal(column, value) == normal(column, item.value)


def normal(column: Column, value: Any) -> str:
    """The spelling by which values of the column are compared."""
    text = str(whole(value))
    if column.form == "lower":
        return text.strip(BLANKS).translate(_LOWER)
    if column.form == "digits":
        return re.sub(r"\D", "", text, flags=re.ASCII)
    return text


def whole(value: Any) -> Any:
    """A number without a fraction as a whole one: 700101.0 and 700101.00 are 700101, as many formats keep numbers in a
    column with gaps. Anything else as it is."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value


def digits(column: Column, value: str) -> frozenset[str]:
    """What the digits of a number may be in a column: with the calling code, with 00 before it, without it."""
    plain = normal(column, value)
    code = column.country.lstrip("+")
    if not code or not plain.startswith(code):
        return frozenset({plain})
    return frozenset({plain, f"00{plain}", plain.removeprefix(code)})


def _same_address(value: Any, item: Identifier) -> bool:
    found, wanted = address_of(value), network(item.value)
    return found is not None and wanted is not None and found.version == wanted.version and found in wanted


def address_of(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a column holds; of one of IPv4 within IPv6 that of IPv4; None for what is none."""
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        value = value.ip
    try:
        found = ipaddress.ip_address(
            value if isinstance(value, int) else str(value).partition("/")[0].strip()
        )
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An address or a prefix; None for what is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def port_of(value: Any) -> int:
    """A port; 0 for none, and for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def moment(value: Any, mapping: RecordMapping) -> datetime | None:
    """The time of a row; None if it has none that can be read, or one that stands for none: it is in no interval then.

    Stores write 0001-01-01, 1900-01-01 or the zero of a clock where they know no time.
    """
    found = written(value, mapping)
    return found if found is not None and EARLIEST <= found < LATEST else None


def written(value: Any, mapping: RecordMapping) -> datetime | None:
    """The time that a value says, whatever it stands for; None for what cannot be read."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return value
        return value.replace(tzinfo=mapping.zone) if mapping.zone is not None else None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and mapping.unit is not None:
        try:
            return _EPOCH + timedelta(microseconds=int(value * UNITS[mapping.unit]))
        except (OverflowError, ValueError):
            return None
    return None
