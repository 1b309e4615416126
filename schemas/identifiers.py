"""Identifiers: which kinds a company has, and the one spelling of each that stands for all others.

Kinds are data (`catalogue/identifiers.yaml`); this makes of an entry what brings values into form. A canonical form
that changes would leave what is stored behind, under tokens that nobody asks for any more. So the forms of before are
kept (`former`), and whoever asks for an identifier asks for their tokens as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from schemas.entries import IdentifierKindEntry, Names
from schemas.errors import InvalidIdentifier
from schemas.patterns import LONGEST_VALUE, matcher
from schemas.steps import STEPS, Said, composed, composed_before, said
from schemas.vocabulary import ADDRESS

Change = Callable[[str], str]


@dataclass(frozen=True)
class IdentifierKind:
    """One kind of identifiers, as data: see `schemas.entries.IdentifierKindEntry`. Two are equal that say the same.

    `forms`: how a field may hold identifiers of the kind, apart from the usual spellings, each with its steps.
    `country`: in which numbers are dialled that say none.
    """

    name: str
    names: Names
    steps: tuple[Said, ...]
    forms: tuple[tuple[str, tuple[Said, ...]], ...] = ()
    pattern: str | None = None
    example: str | None = None
    stands_for_customer: bool = False
    one_per_person: bool = False
    found_as: str | None = None
    country: str = "NO"

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"IdentifierKind({self.name!r})"

    def __lt__(self, other: IdentifierKind) -> bool:
        return self.name < other.name

    def __hash__(self) -> int:
        # Of all fields it would be reckoned with each look into a cache.
        return hash(self.name)

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address: one has prefixes, and ports behind it."""
        return self.steps == (Said("ip"),)

    @property
    def is_place(self) -> bool:
        """Whether it says where somebody was in the network: one has it after the other."""
        return self.names == "network_place"

    @property
    def has_realms(self) -> bool:
        """Whether the operator's own realms are no part of it."""
        return any(step.name == "own_realm" for step in self.steps)

    @property
    def was_other(self) -> bool:
        """Whether the canonical form has changed."""
        return _before(self) is not None


class IdentifierKinds(Mapping[str, IdentifierKind]):
    """The kinds of a company, by name."""

    def __init__(self, kinds: Iterable[IdentifierKind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> IdentifierKind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def parse(self, name: str) -> IdentifierKind:
        """Raises InvalidIdentifier naming the kinds there are."""
        try:
            return self._kinds[name]
        except KeyError:
            # The name is not repeated: with kind and value swapped it would be a person's.
            raise InvalidIdentifier(
                f"there is no such identifier kind; use one of {', '.join(self._kinds)}"
            ) from None

    @property
    def country(self) -> str:
        """By whose numbering plan phone numbers are read, ISO 3166 letters."""
        return self.address.country

    @cached_property
    def address(self) -> IdentifierKind:
        """The kind of IP addresses."""
        return self._kinds[ADDRESS]

    @cached_property
    def customer(self) -> IdentifierKind:
        """The first kind that stands for the customer."""
        return next(kind for kind in self._kinds.values() if kind.stands_for_customer)

    @cached_property
    def found(self) -> Mapping[str, IdentifierKind]:
        """By what the scanner finds them as."""
        return {kind.found_as: kind for kind in self._kinds.values() if kind.found_as}

    @cached_property
    def changed(self) -> Mapping[str, IdentifierKind]:
        """The kinds whose canonical form has changed."""
        return {kind.name: kind for kind in self._kinds.values() if kind.was_other}


def identifier_kinds(entries: Mapping[str, IdentifierKindEntry], country: str) -> IdentifierKinds:
    """The kinds of a catalogue, in a country (ISO 3166 letters). The entries were checked (`schemas.kind_check`)."""
    return IdentifierKinds(made_kind(entry, country) for entry in entries.values())


def made_kind(entry: IdentifierKindEntry, country: str) -> IdentifierKind:
    return IdentifierKind(
        name=entry.id,
        names=entry.names,
        steps=tuple(map(said, entry.steps)),
        forms=tuple((name, tuple(map(said, steps))) for name, steps in entry.forms.items()),
        pattern=entry.pattern,
        example=entry.example,
        stands_for_customer=entry.stands_for == "customer",
        one_per_person=entry.one_per_person,
        found_as=entry.found_as,
        country=country,
    )


@lru_cache(maxsize=1024)
def _read(kind: IdentifierKind, form: str | None) -> Change:
    steps = kind.steps if form is None else dict(kind.forms)[form]
    read = composed(steps, kind.country)
    if kind.pattern is None:
        return read
    fits = matcher(kind.pattern)

    def fitting(value: str) -> str:
        # The engine takes time in proportion to the text, whatever the pattern; a long text is no identifier.
        text = read(value) if len(value) <= LONGEST_VALUE else ""
        return text if fits(text) else ""

    return fitting


@lru_cache(maxsize=1024)
def _before(kind: IdentifierKind) -> Change | None:
    return composed_before(kind.steps, kind.country)


def canonical(kind: IdentifierKind, value: str, form: str | None = None) -> str:
    """The one spelling of an identifier, from a field that holds it in that form (`IdentifierKind.forms`).

    Raises InvalidIdentifier if the value cannot be of this kind, or could be several.
    """
    return _checked(kind, _read(kind, form)(value))


def canonical_in(kind: IdentifierKind, form: str | None = None) -> Change:
    """The function from a value to its one spelling, for those who have many values. See `canonical`."""
    read = _read(kind, form)
    return lambda value: _checked(kind, read(value))


def spelled(step: str, value: str) -> str:
    """The one spelling of a value by one step alone (`schemas.steps`). Raises InvalidIdentifier."""
    text = _alone(step)(value)
    if text and text.isprintable():
        return text
    raise InvalidIdentifier(f"the value given for {step} is not one; check the spelling")


@lru_cache(maxsize=64)
def _alone(step: str) -> Change:
    return composed((Said(step),), "NO")


def _checked(kind: IdentifierKind, text: str) -> str:
    # A lone surrogate, possible in JSON, has no bytes; a control character is nobody's name.
    if text and text.isprintable():
        return text
    hint = next((step.hint(kind.country) for item in kind.steps if (step := STEPS[item.name]).hint), "")
    if kind.example:
        hint = f"such as {kind.example}"
    raise InvalidIdentifier(
        f"the value given for {kind} is not one; check the kind and the spelling{': ' if hint else ''}{hint}"
    )


def former(kind: IdentifierKind, value: str) -> tuple[str, ...]:
    """Canonical forms under which the identifier was filed before, in any of its spellings; none in most cases.

    Only forms that are nobody else's now: 4747... was also what the digits 447... were taken for, ß also ss. Raises
    InvalidIdentifier.
    """
    now = canonical(kind, value)
    before = _before(kind)
    if before is None:
        return ()
    found: dict[str, None] = {}
    for spelling in (value, *_spellings(kind, now)):
        was = before(spelling)
        if was and was.isprintable() and was != now and _is_free(kind, was, now):
            found[was] = None
    return tuple(found)


def _spellings(kind: IdentifierKind, now: str) -> Iterator[str]:
    for item in kind.steps:
        if (step := STEPS[item.name]).spellings:
            yield from step.spellings(now)


def renamed(kind: IdentifierKind, value: str) -> bool:
    """Whether this very value was filed under another canonical form before. Raises InvalidIdentifier."""
    before = _before(kind)
    was = before(value) if before else ""
    return bool(was) and was.isprintable() and was != canonical(kind, value)


def _is_free(kind: IdentifierKind, was: str, now: str) -> bool:
    try:
        return canonical(kind, was) == now
    except InvalidIdentifier:
        return True
