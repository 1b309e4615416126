"""Whether the identifiers of one question mean one person. Pure.

Each identifier leads to somebody at the moment for which it is asked. Where they lead to different people nothing is
taken from any of them: whoever asks decides which are the person's. What an identifier proved only at another time
names nobody now, but does not contradict an identifier that does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from schemas.tokens import IdentifierKind
from schemas.vocabulary import Resolution

NOWHERE = b""
"""Stands for the end of a chain that could not be followed."""


@dataclass(frozen=True)
class Meaning:
    """Whom an identifier may mean: none, one or several; its own token where no link says whose it is.

    `known`: the one it leads to is somebody of whom more is known than this identifier. `named`: of one that leads
    nowhere, whom the events that it stands in name besides.
    """

    kind: IdentifierKind
    subjects: frozenset[bytes] = field(repr=False)
    known: bool = True
    named: frozenset[bytes] = field(default=frozenset(), repr=False)

    @property
    def certain(self) -> bool:
        """Whether it means one person."""
        return len(self.subjects) == 1 and NOWHERE not in self.subjects


@dataclass(frozen=True)
class Agreement:
    """`subjects`: whom the identifiers mean together, and those that only who asked says to be the person's.

    `disagree`: kinds of the identifiers, those that lead to one person together; empty where they do not contradict
    each other. `unlinked`: kinds of those that no link leads anywhere from.
    """

    resolution: Resolution
    candidates: int
    subjects: frozenset[bytes] = field(default=frozenset(), repr=False)
    disagree: tuple[tuple[str, ...], ...] = ()
    unlinked: tuple[str, ...] = ()


def agreed(meanings: Sequence[Meaning]) -> Agreement:
    """What the identifiers of a question mean together."""
    certain = [item for item in meanings if item.certain]
    known = [item for item in certain if item.known]
    alone = [item for item in certain if not item.known]
    people = _subjects(known)
    several = [item for item in meanings if len(item.subjects) > 1]
    unsettled = [item for item in several if (people or _subjects(alone)).isdisjoint(item.subjects)]
    strange = _strange([item for item in certain if item.kind.one_per_person])
    foreign = _foreign(alone, people)
    if len(people) > 1 or strange or (people and unsettled) or foreign:
        # A person has one national identity number at a time: one that nobody is linked to is not another one's. Nor
        # is a D-number, which may have been theirs before: nothing here says so, and each can be asked about alone.
        groups = _groups([*known, *strange]) + [[item.kind.name] for item in unsettled]
        groups += _named_groups(item for item in foreign if item not in strange)
        named = sorted(tuple(sorted(set(group))) for group in groups)
        return Agreement(Resolution.AMBIGUOUS, max(len(groups), _most(unsettled)), disagree=tuple(named))
    nowhere = any(NOWHERE in item.subjects for item in meanings)
    subjects = people | _subjects(alone)
    if unsettled or (nowhere and not subjects):
        return Agreement(Resolution.AMBIGUOUS, max(_most(unsettled), 1))
    if not subjects:
        return Agreement(Resolution.NONE, 0)
    return Agreement(
        Resolution.UNIQUE, 1, subjects, unlinked=tuple(sorted({item.kind.name for item in alone}))
    )


def _strange(unique: Sequence[Meaning]) -> list[Meaning]:
    """Of identifiers of which nobody has two, those that nobody is linked to while another of the kind is given."""
    return [
        item
        for item in unique
        if not item.known and len(_subjects(one for one in unique if one.kind == item.kind)) > 1
    ]


def _foreign(alone: Sequence[Meaning], people: frozenset[bytes]) -> list[Meaning]:
    """Those that no link leads anywhere from, in events of somebody else than the people, or of several."""
    if people:
        return [item for item in alone if not item.named <= people]
    named = frozenset[bytes]().union(*(item.named for item in alone))
    return [item for item in alone if item.named] if len(named) > 1 else []


def _named_groups(foreign: Iterable[Meaning]) -> list[list[str]]:
    groups: dict[frozenset[bytes], list[str]] = {}
    for item in foreign:
        groups.setdefault(item.named, []).append(item.kind.name)
    return list(groups.values())


def _subjects(meanings: Iterable[Meaning]) -> frozenset[bytes]:
    return frozenset[bytes]().union(*(item.subjects for item in meanings))


def _groups(meanings: Iterable[Meaning]) -> list[list[str]]:
    groups: dict[frozenset[bytes], list[str]] = {}
    for item in meanings:
        groups.setdefault(item.subjects, []).append(item.kind.name)
    return list(groups.values())


def _most(meanings: Collection[Meaning]) -> int:
    return max((len(item.subjects) for item in meanings), default=0)
