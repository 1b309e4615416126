"""What several formats write alike: addresses, numbers, seconds."""

from __future__ import annotations

import re
from functools import lru_cache

from schemas.errors import DecodeError, InvalidIdentifier
from schemas.identifiers import spelled

_PORT = re.compile(r"\d{1,5}", re.ASCII)
_LAST_PORT = 65_535
_SECONDS = re.compile(r"(\d{1,12})(?:\.(\d{1,18}))?", re.ASCII)


@lru_cache(maxsize=100_000)
def address(text: str) -> str:
    """The one spelling of an IP address. Raises DecodeError bad_address, also for a host name."""
    try:
        return spelled("ip", text)
    except InvalidIdentifier:
        raise DecodeError("bad_address") from None


def port(text: str) -> int:
    """0 to 65535. Raises DecodeError bad_number."""
    if not _PORT.fullmatch(text) or int(text) > _LAST_PORT:
        raise DecodeError("bad_number")
    return int(text)


def milliseconds(text: str, reason: str) -> int:
    """Decimal seconds as whole milliseconds, the rest cut off. Raises DecodeError with that reason."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise DecodeError(reason)
    whole, fraction = found.groups("")
    return int(whole + fraction[:3].ljust(3, "0"))
