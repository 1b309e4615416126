"""What to say where an identifier may mean several people. Pure; imports little, the command line says it too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def needs_more(kinds: Sequence[str], timeless_address: bool, customer: str, *, place: bool) -> str:
    """What to give where identifiers of these kinds may mean several people; `timeless_address`: see `timeless`.

    `customer`: the kind that stands for the customer; `place`: one of the given is a place in the network.
    """
    named = ", ".join(map(spoken, sorted(set(kinds))))
    if timeless_address:
        way = "give the time at which the address was used, and the source port where it is shared"
    else:
        other = (
            "the port of a shared address"
            if place
            else f"the time at which it was theirs (`at`, or `--at {min(kinds)}=TIME`)"
        )
        way = f"give another identifier of the person, such as the {spoken(customer)}, or {other}"
    return (
        f"the {named} given may mean several people, or meant somebody only at another time, so nothing is taken from"
        f" it; {way}"
    )


def spoken(kind: str) -> str:
    """The name of a kind in a sentence."""
    return kind.replace("_", " ")


def timeless(places_and_times: Iterable[tuple[bool, object]]) -> bool:
    """Whether one of the identifiers is a place in the network without the time (None) at which it was used."""
    return any(is_place and at is None for is_place, at in places_and_times)


def disagreement(groups: Sequence[Sequence[str]]) -> str:
    """That identifiers lead to different people; `groups`: kinds of those that lead to one person together."""
    together = [" and ".join(map(spoken, kinds)) for kinds in groups]
    people = "; ".join(f"the {kinds} to one" for kinds in together)
    return f"the identifiers given lead to different people ({people}), so nothing is taken from any of them"


def unproven(kinds: Sequence[str]) -> str:
    """That only who asked says whose identifiers of these kinds are."""
    given = " and ".join(map(spoken, kinds))
    return f"No link says whose the {given} given is: what is under it counts because it was given."


def unclear(
    kinds: Sequence[str],
    timeless_address: bool,
    customer: str,
    *,
    place: bool,
    disagree: Sequence[Sequence[str]] = (),
    problems: Sequence[str] = (),
) -> str:
    """Why a request cannot be carried out whose identifiers may mean several people, and what somebody has to give.

    `problems`: why the chains of links were not followed to their ends. The rest as above.
    """
    if disagree:
        return (
            f"{disagreement(disagree)}; make a request by the identifiers of one person alone, each with the"
            " time (`at`, or `--at KIND=TIME`) at which it was theirs if it no longer is, and cancel this one"
        )
    return "; ".join([needs_more(kinds, timeless_address, customer, place=place), *problems])
