"""What to say where an identifier may mean several people. Pure; imports little, the command line says it too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.tokens import IdentifierKind


def needs_more(kinds: Sequence[str], timeless_address: bool) -> str:
    """What to give where identifiers of these kinds may mean several people; `timeless_address`: see `timeless`."""
    named = ", ".join(sorted(set(kinds)))
    way = (
        "give the time at which the address was used, and the source port where it is shared"
        if timeless_address
        else "give another identifier of the person, such as the customer number, or the port of a shared address"
    )
    return f"the {named} given may mean several people, so nothing is taken from it; {way}"


def timeless(kinds_and_times: Iterable[tuple[str, object]]) -> bool:
    """Whether one of the identifiers is an address without the time (None) at which it was used."""
    return any(kind == IdentifierKind.IP and at is None for kind, at in kinds_and_times)
