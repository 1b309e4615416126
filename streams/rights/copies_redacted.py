"""What of a copied record the person may be given: fields about others are blanked, texts are looked through. Pure.

GDPR Art. 15(4), 20(4): a copy shall not adversely affect the rights of others. What is whose is said by the schema of
the record (`role`, `about`), not by its system. A record that by the identifiers of the command is not the person's is
left out: a job that searched too widely must not hand out somebody else's data.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from schemas.annotations import FieldAnnotation, RecordSchema, SubjectReference
from schemas.errors import InvalidIdentifier
from schemas.identifiers import IdentifierKinds, canonical
from schemas.vocabulary import Role
from sinks.ports.identity import ALL_PORTS
from streams.identity.values import RecordKey
from streams.rights.protocol.messages import Named

Place = tuple[str | int, ...]
"""Keys, and positions in arrays, from the record to a value."""
Mentions = Callable[[str], Sequence[tuple[str, str | None]]]
"""What a text names: words for what it is, and the identifier in its one spelling where it is one."""

BLANKED = None
"""What stands in place of a value about somebody else."""
TO_REVIEW = "[withheld: may speak of somebody else]"
"""What stands in place of a text until somebody has read it."""
STRANGER, NOBODY, UNKNOWN = (
    "names nobody that the command named",
    "names nobody at all",
    "is of a kind that the company has no schema of",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ARRAYS = re.compile(r"\[\]")


@dataclass(frozen=True)
class Flag:
    """A text that may speak of others, to be read before it is given. `digest` stands for it, 16 hex digits."""

    digest: str
    record: str
    path: str
    names: tuple[str, ...]
    text: str = field(repr=False)


@dataclass(frozen=True)
class Given:
    """A record as the person is given it. `blanked`: fields about others that it had; `unknown`: fields that its
    schema lacks, which are left out."""

    record: str
    values: Mapping[str, Any] = field(repr=False)
    blanked: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class _Leaf:
    place: Place
    annotation: FieldAnnotation | None
    value: Any = field(repr=False)

    @property
    def item(self) -> Place:
        """The item of an array that it lies in; () outside of arrays."""
        last = max((at for at, step in enumerate(self.place) if isinstance(step, int)), default=-1)
        return self.place[: last + 1]


def given(
    record: RecordSchema,
    values: Mapping[str, Any],
    named: Sequence[Named | RecordKey],
    kinds: IdentifierKinds,
    mentions: Mentions,
    keep: frozenset[str] = frozenset(),
) -> Given | str:
    """The record as the person whom `named` names is given it; text: why it is left out whole. A record that was told
    by its own key is theirs, as far as it names no other owner.

    `keep`: digests of texts that somebody has read and found to be given.
    """
    leaves = list(_leaves(record, values))
    at = _event_time(record, leaves)
    identifiers = [item for item in named if not isinstance(item, RecordKey)]
    person = _Person(record, leaves, identifiers, kinds, at)
    if any(isinstance(item, RecordKey) and _by_key(item, record, leaves) for item in named):
        person.take()
    if (why := person.left_out()) is not None:
        return why
    made: dict[str, Any] = {}
    blanked, unknown, flags = set[str](), set[str](), list[Flag]()
    for leaf in leaves:
        if leaf.annotation is None:
            unknown.add(_path(leaf.place))
            continue
        value = leaf.value
        if value is not None and not person.may_have(leaf):
            blanked.add(leaf.annotation.name)
            value = BLANKED
        elif leaf.annotation.free_text and isinstance(value, str) and value:
            flag = _flag(record, leaf.annotation.name, value, person, mentions)
            if flag is not None and flag.digest not in keep:
                value = TO_REVIEW
            flags += [flag] if flag is not None else []
        _put(made, leaf.place, value)
    return Given(record.name, _listed(made), tuple(sorted(blanked)), tuple(sorted(unknown)), tuple(flags))


class _Person:
    """Where in a record the person is named, and in which roles."""

    def __init__(
        self,
        record: RecordSchema,
        leaves: Sequence[_Leaf],
        named: Sequence[Named],
        kinds: IdentifierKinds,
        at: datetime | None,
    ) -> None:
        self._record = record
        self._named = named
        self._kinds = kinds
        self._own: dict[Place, set[str]] = {}
        self._others: dict[Place, set[str]] = {}
        self._surely: dict[Place, set[str]] = {}
        references = {item.field: item for item in record.identifiers}
        customers: dict[bool, set[tuple[Place, str]]] = {True: set(), False: set()}
        self._mine: set[Place] = set()
        for leaf in leaves:
            reference = references.get(leaf.annotation.name) if leaf.annotation else None
            if reference is None or leaf.value in (None, ""):
                continue
            port = _port(reference, leaf, leaves)
            mine = any(_is(item, reference, leaf.value, at, port, kinds) for item in named)
            people = kinds[reference.kind].names == "person"
            if kinds[reference.kind].stands_for_customer:
                customers[mine].add((leaf.item, reference.role))
            if mine:
                self._mine.add(leaf.place)
                self._own.setdefault(leaf.item, set()).add(reference.role)
                if people:
                    self._surely.setdefault(leaf.item, set()).add(reference.role)
            elif people:
                self._others.setdefault(leaf.item, set()).add(reference.role)
            else:
                self._others.setdefault(leaf.item, set())
        # Whatever else of the person stands beside another customer is that one's.
        for item, role in customers[False] - customers[True]:
            self._surely.get(item, set()).discard(role)
            self._others.setdefault(item, set()).add(role)
        # A guest who is named at the person's address, or on their device, is not the person.
        for item, roles in list(self._own.items()):
            theirs = self._others.get(item, set()) - self._surely.get(item, set())
            left = roles - theirs
            if left:
                self._own[item] = left
            else:
                del self._own[item]
                self._mine = {place for place in self._mine if place[: len(item)] != item}
        self._anybody = bool(self._mine or self._others)

    def take(self) -> None:
        """The record was told by its own key: its owner is the person, unless it names another one there."""
        if not any(Role.OWNER in roles for roles in self._others.values()):
            self._own.setdefault((), set()).add(Role.OWNER)

    def left_out(self) -> str | None:
        """Why the record is not the person's, None if it is."""
        if self._own or not self._record.identifiers:
            return None
        return STRANGER if self._anybody else NOBODY

    def may_have(self, leaf: _Leaf) -> bool:
        """Whether a value is about the person, or about nobody."""
        annotation = leaf.annotation
        assert annotation is not None
        if leaf.place in self._mine or not annotation.personal:
            return True
        roles = self._roles(leaf.item)
        return any(annotation.concerns(role) for role in roles)

    def knows(self, kind: str, value: str) -> bool:
        """Whether an identifier in its one spelling is the person's."""
        return any(item.kind == kind and item.value == value for item in self._named)

    def _roles(self, item: Place) -> set[str]:
        """The person's roles where a value stands: in its item of an array, else in the record around it.

        In an item that names somebody else alone the person has none.
        """
        while item:
            if item in self._own:
                return self._own[item]
            if self._others.get(item):
                return set()
            item = _around(item)
        if () in self._own:
            return self._own[()]
        if not self._record.identifiers:
            # Nobody is named in it, so it is of whom its system took it for.
            return {Role.OWNER}
        # Only items name the person; the fields around them may be somebody else's.
        return set[str]().union(*self._own.values()) - self._others.get((), set())


def _by_key(key: RecordKey, record: RecordSchema, leaves: Sequence[_Leaf]) -> bool:
    """Whether the key names the record."""
    said = next(
        (leaf.value for leaf in leaves if leaf.annotation and leaf.annotation.name == key.field), None
    )
    return key.record == record.name and said is not None and str(said) == key.value


def _around(item: Place) -> Place:
    """The item of an array in which an item lies, () outside."""
    item = item[:-1]
    while item and not isinstance(item[-1], int):
        item = item[:-1]
    return item


def _is(
    item: Named,
    reference: SubjectReference,
    value: Any,
    at: datetime | None,
    port: int,
    kinds: IdentifierKinds,
) -> bool:
    """Whether an identifier of the command names the person by this value, at that time and port."""
    if item.kind != reference.kind:
        return False
    kind = kinds[item.kind]
    try:
        text = canonical(kind, str(value), reference.form)
    except InvalidIdentifier:
        return False
    if item.prefix:
        if not _within(text, item.value):
            return False
    elif text != item.value:
        return False
    if item.at is not None and kind.is_place and not _same_second(item.at, at):
        return False
    if item.port is not None and port != item.port:
        return False
    if item.since is not None or item.until is not None:
        inside = (
            at is not None
            and (item.since is None or at >= item.since)
            and (item.until is None or at < item.until)
        )
        if not inside:
            return False
    low, high = item.ports
    return low <= (port if 0 < port <= ALL_PORTS[1] else 0) <= high


def _same_second(one: datetime, other: datetime | None) -> bool:
    return other is not None and one.replace(microsecond=0) == other.replace(microsecond=0)


def _within(address: str, prefix: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)
    except ValueError:
        return False


def _flag(record: RecordSchema, name: str, text: str, person: _Person, mentions: Mentions) -> Flag | None:
    words = sorted({word for word, value in mentions(text) if value is None or not person.knows(word, value)})
    if not words:
        return None
    digest = hashlib.sha256(f"{record.name}.{name}\n{text}".encode()).hexdigest()[:16]
    return Flag(digest, record.name, name, tuple(words), text)


def _leaves(record: RecordSchema, values: Mapping[str, Any]) -> Iterator[_Leaf]:
    """Every value of a record that holds no other ones, with what the schema says of it."""
    names = {_ARRAYS.sub("", item.name): item for item in record.fields}
    for place, value in _walk(values, ()):
        yield _Leaf(place, _annotation(names, _path(place)), value)


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _walk(below, (*place, str(key)))
    elif isinstance(value, list | tuple) and value:
        for at, below in enumerate(value):
            yield from _walk(below, (*place, at))
    elif place:
        yield place, value


def _path(place: Place) -> str:
    """Without positions in arrays: as fields are named, but for `[]`."""
    return ".".join(step for step in place if isinstance(step, str))


def _annotation(names: Mapping[str, FieldAnnotation], path: str) -> FieldAnnotation | None:
    """What the schema says of a path: of itself, or of a field with `*` for whatever is in it. A field that merely lies
    in one of the schema is one that nobody declared."""
    if (exact := names.get(path)) is not None:
        return exact
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        for name, found in names.items():
            said = name.split(".")
            reaches = length == len(steps) or said[-1] == "*"
            if (
                reaches
                and len(said) == length
                and all(known in ("*", step) for known, step in zip(said, steps, strict=False))
            ):
                return found
    return None


def _event_time(record: RecordSchema, leaves: Sequence[_Leaf]) -> datetime | None:
    for leaf in leaves:
        if leaf.annotation is not None and leaf.annotation.name == record.event_time:
            return moment(leaf.value)
    return None


def moment(value: Any) -> datetime | None:
    """A time as JSON has it, ISO 8601 or milliseconds since 1970; without a zone it is UTC. None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return _EPOCH + timedelta(milliseconds=value)
        except OverflowError:
            return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _port(reference: SubjectReference, leaf: _Leaf, leaves: Sequence[_Leaf]) -> int:
    """The source port beside an address, 0 where there is none."""
    if reference.port_field is None:
        return 0
    for other in leaves:
        if (
            other.annotation is not None
            and other.annotation.name == reference.port_field
            and other.item == leaf.item
        ):
            try:
                return int(other.value)
            except (TypeError, ValueError):
                return 0
    return 0


def _put(made: dict[Any, Any], place: Place, value: Any) -> None:
    """Arrays as mappings by position at first, since what is left out leaves gaps."""
    for step, after in zip(place, (*place[1:], None), strict=True):
        if after is None:
            made[step] = _plain(value)
        else:
            made = made.setdefault(step, {})


def _listed(made: Any) -> Any:
    if not isinstance(made, dict) or not made:
        return made
    if all(isinstance(key, int) for key in made):
        return [_listed(made[key]) for key in sorted(made)]
    return {key: _listed(value) for key, value in made.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
