"""Numbers as people read them, beside what they count."""

from __future__ import annotations

_HISSING = ("s", "x", "z", "ch", "sh")
_IRREGULAR = {"person": "people"}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def counted(count: int, thing: str) -> str:
    """`1 record`, `1,200 records`, `2 addresses`, `3 copies`, `4 people`. `thing`: one of them, the noun last."""
    return f"{count:,} {thing if count == 1 else _several(thing)}"


def one(thing: str) -> str:
    """`a record`, `an event`."""
    return f"{'an' if thing.startswith(tuple('aeiou')) else 'a'} {thing}"


def are(count: int) -> str:
    """The verb behind a count: `1 migration is`, `2 migrations are`."""
    return "is" if count == 1 else "are"


def sized(octets: int) -> str:
    """`812 B`, `4.1 kB`, `12.3 MB`: in steps of a thousand (SI)."""
    size, unit = float(octets), 0
    while round(size, 1) >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{octets} B" if unit == 0 else f"{size:,.1f} {_UNITS[unit]}"


def _several(thing: str) -> str:
    if thing in _IRREGULAR:
        return _IRREGULAR[thing]
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return f"{thing[:-1]}ies"
    return f"{thing}{'es' if thing.endswith(_HISSING) else 's'}"
