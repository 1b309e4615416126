"""The people of a story: invented, each with the identifiers that its examples ask for."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from faker import Faker

from schemas.errors import InputError, InvalidIdentifier
from schemas.story import Story
from schemas.tokens import IdentifierKinds, canonical
from streams.simulate.identities import Identities, foreign_address, plain

Named = tuple[str, str]
"""Kind and value of an identifier."""
_TRIES = 1_000
_OTHER_DIGITS = 8


@dataclass(eq=False)
class Person:
    """Somebody of a group. `things`: identifiers of what was theirs in a scene, in the order in which they had it.

    `gone`: when the contract ended.
    """

    group: str
    name: str = field(repr=False)
    own: dict[str, str] = field(default_factory=dict, repr=False)
    things: list[Named] = field(default_factory=list, repr=False)
    gone: datetime | None = None

    @property
    def identifiers(self) -> list[Named]:
        """All by which the person is known."""
        return [*self.own.items(), *self.things]


class Cast:
    """Everybody of a story of so many people. `samples`: a value of each identifier kind, from the examples, to make
    others of: its digits become other digits. The same arguments give the same people."""

    def __init__(
        self, story: Story, people: int, seed: int, samples: Mapping[str, str], kinds: IdentifierKinds
    ) -> None:
        self._kinds = kinds
        self._rng = random.Random(f"{seed}:cast")
        names = Faker("no_NO")
        names.seed_instance(self._rng.getrandbits(32))
        whole = sum(story.groups.values())
        self.groups: Mapping[str, Sequence[Person]] = {
            group: [Person(group, names.name()) for _ in range(max(1, round(people * part / whole)))]
            for group, part in story.groups.items()
        }
        self._samples = samples
        self._drawn = Identities(self._rng)
        self._used: set[Named] = set()

    @property
    def everybody(self) -> list[Person]:
        return [person for group in self.groups.values() for person in group]

    def own(self, person: Person, kind: str) -> str:
        """The person's identifier of the kind, which they always have."""
        if kind not in person.own:
            person.own[kind] = self._new(kind, person)
        return person.own[kind]

    def thing(self, person: Person, kind: str) -> str:
        """An identifier that nobody had before, of something that is the person's from now on."""
        value = self._new(kind, person)
        person.things.append((kind, value))
        return value

    def _new(self, kind: str, person: Person) -> str:
        """A value of the kind that is one, and nobody's yet. Check digits are found by trying."""
        made = self._maker(kind, person)
        for _ in range(_TRIES):
            value = made()
            try:
                known = (kind, canonical(self._kinds.parse(kind), value))
            except InvalidIdentifier:
                continue
            if known not in self._used:
                self._used.add(known)
                return value
        there = sum(1 for used, _ in self._used if used == kind)
        if not there:
            raise InputError(
                f"nothing that looks like the {kind} of the examples is one by its kind; mend it in the examples, which"
                " `innsyn company check` names, or its steps and pattern in catalogue/identifiers.yaml"
            )
        raise InputError(
            f"{kind}: only {there:,} of that kind can be invented from the examples; play fewer people, or write an"
            " example with more digits"
        )

    def _maker(self, kind: str, person: Person) -> Callable[[], str]:
        rng = self._rng
        match kind:
            case "email":
                return lambda: (
                    f"{'.'.join(map(plain, person.name.split()))}{rng.randrange(10_000)}@example.no"
                )
            case "phone":
                return self._drawn.phone
            case "fodselsnummer":
                born = date(1940, 1, 1).toordinal() + rng.randrange(23_000)
                return lambda: self._drawn.fodselsnummer(
                    date.fromordinal(born), rng.choice(("kvinne", "mann"))
                )
            case "account_number":
                return self._drawn.account_number
            case "ip":
                return lambda: foreign_address(rng)
            case "mac":
                return self._drawn.mac
        return lambda: digits_like(self._samples[kind], rng)


def digits_like(sample: str, rng: random.Random) -> str:
    """The text with other digits, of a long number the last ones: what is before them says whose series it is. One
    without digits gets some behind it."""
    places = [place for place, sign in enumerate(sample) if sign.isdigit()][-_OTHER_DIGITS:]
    if not places:
        return f"{sample}{rng.randrange(1_000_000)}"
    signs = [*sample]
    for place in places:
        # A number does not begin with nothing: as one it would lose it.
        signs[place] = str(rng.randrange(0 if place or sample[0] == "0" else 1, 10))
    return "".join(signs)
