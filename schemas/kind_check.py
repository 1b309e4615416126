"""Whether the identifier kinds of a catalogue can be: known steps, a safe pattern, no contradiction, no clash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.entries import IdentifierKindEntry
from schemas.errors import CatalogueError, InvalidIdentifier
from schemas.identifiers import canonical, made_kind
from schemas.patterns import wrong_pattern
from schemas.steps import STEPS, Said, said, wrong
from schemas.vocabulary import ADDRESS

FILE = "identifiers.yaml"


def check_kinds(entries: Mapping[str, IdentifierKindEntry]) -> None:
    """Raises CatalogueError for the first thing that is wrong."""
    for entry in entries.values():
        for key, mend in _wrong(entry):
            raise CatalogueError(FILE, f"{entry.id}.{key}" if key else entry.id, mend)
    for key, mend in _clashes([*entries.values()]):
        raise CatalogueError(FILE, key, mend)


def _wrong(entry: IdentifierKindEntry) -> Iterator[tuple[str, str]]:
    yield from _steps("steps", entry.steps)
    for name, steps in entry.forms.items():
        yield from _steps(f"forms.{name}", steps)
    if entry.is_address != (entry.id == ADDRESS):
        yield (
            "steps",
            f"{ADDRESS} is the one kind of IP addresses; write steps: [ip] there and nowhere else",
        )
    if entry.is_address and entry.names != "network_place":
        yield (
            "names",
            f"'{entry.names}' is wrong of an address that one has after the other; write network_place",
        )
    if entry.stands_for and entry.names != "person":
        yield (
            "stands_for",
            f"'customer' is said of what names a {entry.names}; take it out, or write names: person",
        )
    if entry.one_per_person and entry.names != "person":
        yield "one_per_person", f"is said of what names a {entry.names}; take it out, or write names: person"
    if entry.pattern is not None:
        if mend := wrong_pattern(entry.pattern):
            yield "pattern", mend
        elif entry.example is None:
            yield (
                "example",
                "is missing; add an invented one in its one spelling, to which pattern and steps are held",
            )
    yield from _example(entry)


def _steps(key: str, steps: Sequence[Any]) -> Iterator[tuple[str, str]]:
    taken = [said(step) for step in steps]
    for number, step in enumerate(taken):
        if mend := wrong(step):
            yield f"{key}.{number}", mend
            return
        if step in taken[:number]:
            yield f"{key}.{number}", f"{step.name} stands twice; keep one"
    for number, step in enumerate(taken):
        if STEPS[step.name].whole and len(taken) > 1:
            yield f"{key}.{number}", f"{step.name} says all of the form; take the other steps out"
    if _realm_alone(taken):
        yield key, "own_realm takes the realm off a user name; write user_name behind it"


def _realm_alone(steps: Sequence[Said]) -> bool:
    names = [step.name for step in steps]
    return "own_realm" in names and names[:2] != ["own_realm", "user_name"]


def _example(entry: IdentifierKindEntry) -> Iterator[tuple[str, str]]:
    """The one spelling of a thing is its own, else it would be another one each time it is brought into form."""
    if entry.example is None:
        return
    try:
        found = canonical(made_kind(entry, "NO"), entry.example)
    except InvalidIdentifier:
        yield "example", "is none by its own steps and pattern; mend the one or the other"
        return
    if found != entry.example:
        yield "example", f"is {found} by the steps; write that, or mend the steps"


def _clashes(entries: Sequence[IdentifierKindEntry]) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for entry in entries:
        if entry.found_as is not None and (other := taken.setdefault(entry.found_as, entry.id)) != entry.id:
            mend = f"what is found as {entry.found_as} is {other} already; take it out there (change: true) or here"
            yield f"{entry.id}.found_as", mend
    if not any(entry.stands_for for entry in entries):
        yield "file", "no kind stands for the customer; write `stands_for: customer` in one"
