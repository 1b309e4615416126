"""How far a personal data breach reaches: how many people, which categories, whom of them the company can tell.

What GDPR Art. 33(3)(a) wants within 72 hours of the notice to the supervisory authority, and Art. 34 of who is to be
told. Whose an event is, the same rules say that answer a person's own question. What is not known is said beside: an
identifier that leads to nobody, or to several people, may stand for one person more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.company import Company
from schemas.errors import InputError
from schemas.records import RecordSchema
from schemas.tags import TagSet
from schemas.times import iso, iso_or_none
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Resolution, Role
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.exposed import MOST_EVENTS, Exposed, ExposedReader, Reach
from sinks.ports.identity import NOTHING, PREFIX_SCHEMA, ClaimReader
from sinks.ports.lineage import Found, Holding
from streams.answers.unread import unread
from streams.identity.identities import Identities
from streams.identity.values import Value

_NOTHING = pa.scalar(NOTHING, pa.binary(TOKEN_BYTES))
_AT_ONCE = 10_000
Place = tuple[int, int]
"""Tag set, and code of a role."""


class Values(Protocol):
    """What stands behind tokens, as `streams.identity.values.SealedValues` says it."""

    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]: ...


@dataclass
class Affected:
    """Who stands in events, by token: `people_in` of each tag set. `several`: identifiers that lead to several people,
    `nobody`: to none who is known, by tag set."""

    people_in: defaultdict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    several: set[bytes] = field(default_factory=set)
    nobody_in: defaultdict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    @property
    def people(self) -> set[bytes]:
        return set[bytes]().union(*self.people_in.values())

    @property
    def nobody(self) -> set[bytes]:
        return set[bytes]().union(*self.nobody_in.values())

    def settle(self) -> None:
        """Once all is read: whoever is a person in one event is the same in another that alone would not say so."""
        people = self.people
        for tag_set, tokens in self.nobody_in.items():
            self.people_in[tag_set] |= tokens & people
            tokens -= people


class BreachFinder:
    """Finds how far a breach reaches. Safe from several threads.

    `exposed` and `claims` name everybody by one token, whatever keys made the rows.
    """

    def __init__(
        self,
        exposed: ExposedReader,
        claims: ClaimReader,
        identities: Identities,
        values: Values,
        company: Company,
        open_letters: Callable[[], Iterable[OpenLetters]],
    ) -> None:
        self._exposed = exposed
        self._claims = claims
        self._identities = identities
        self._values = values
        self._company = company
        self._open_letters = open_letters

    def radius(self, reach: Reach, now: datetime, *, named: bool = False) -> dict[str, Any]:
        """The answer as JSON. `named`: with the customer numbers of those who can be told, as `notify`.

        Raises InputError for a topic or system that neither the company has nor an event found, IndexUnavailable.
        """
        exposed, affected = self.who(reach)
        holdings = exposed.found.holdings
        numbers = self._numbers(affected.people)
        answer = {
            "as_of": iso(now),
            **_asked(reach),
            "events": exposed.found.total_events,
            "first_seen": iso_or_none(min((item.first_seen for item in holdings), default=None)),
            "last_seen": iso_or_none(max((item.last_seen for item in holdings), default=None)),
            "people": len(affected.people),
            "can_be_told": len(numbers),
            "cannot_be_told": len(affected.people) - len(numbers),
            "identifiers_of_several": len(affected.several),
            "identifiers_of_nobody": len(affected.nobody),
            "categories": self._categories(holdings, affected),
            "topics_reached": _topics(exposed, affected),
            "unread": self._unread(reach),
        }
        return answer | ({"notify": sorted(numbers.values())} if named else {})

    def who(self, reach: Reach) -> tuple[Exposed, Affected]:
        """The events, and who stands in them. Raises as `radius`."""
        exposed, affected, parts = Exposed(), Affected(), list(_parts(reach))
        for part in parts:
            exposed = _joined(exposed, self._exposed.exposed_events(part))
        self._check(reach, exposed.found.holdings)
        by_number = self._by_number(item.tags for item in exposed.found.holdings)
        for part in parts:
            for table in self._exposed.exposed(part):
                self._add(table, affected, by_number)
        affected.settle()
        return exposed, affected

    def _check(self, reach: Reach, holdings: Iterable[Holding]) -> None:
        """What the company has no more may have had a breach too: the index still holds its events."""
        tags = [item.tags for item in holdings]
        for what, names, known, held in (
            ("topic", reach.topics, self._company.topics, {item.topic for item in tags}),
            ("system", reach.limits.systems, self._company.catalogue.systems, {item.system for item in tags}),
        ):
            for name in names:
                if name not in known and name not in held:
                    raise InputError(f"{what}: one that is named is unknown; use one of {', '.join(known)}")

    def _add(self, table: pa.Table, affected: Affected, by_number: Set[Place]) -> None:
        """Put with them whose the rows of the table are."""
        with_customer = pc.not_equal(table["customer"], _NOTHING)
        named, alone = table.filter(with_customer), table.filter(pc.invert(with_customer))
        if named.num_rows:
            self._add_named(named, affected)
        if alone.num_rows:
            self._add_alone(alone, affected, by_number)

    def _add_named(self, table: pa.Table, affected: Affected) -> None:
        """Of rows that name a customer: that one, or the one whose duplicate the record of this one is."""
        seen = table["customer"].combine_chunks().dictionary_encode()
        tokens, which = seen.dictionary, np.asarray(seen.indices, np.int64)
        # A duplicate is one for all time: any event of a customer will do.
        each, first = np.unique(which, return_index=True)
        at = np.asarray(table["event_time"].cast(pa.int64()))[first]
        no_port = np.zeros(len(each), np.int64)
        resolved, names = self._identities.resolve(tokens, PREFIX_SCHEMA.empty_table(), each, at, no_port)
        people = [
            names[subject].as_py() if subject >= 0 else token
            for token, subject in zip(tokens.to_pylist(), resolved.subject, strict=True)
        ]
        for customer, tag_set in _distinct(seen.indices, table["tag_set"]):
            affected.people_in[tag_set].add(people[customer])

    def _add_alone(self, table: pa.Table, affected: Affected, by_number: Set[Place]) -> None:
        """The same of rows that name no customer beside."""
        seen = table["token"].combine_chunks().dictionary_encode()
        tokens, which = seen.dictionary, np.asarray(seen.indices, np.int64)
        at, port = np.asarray(table["event_time"].cast(pa.int64())), np.asarray(table["port"], np.int64)
        prefixes = self._claims.prefixes(tokens.to_pylist())
        resolved, names = self._identities.resolve(tokens, prefixes, which, at, port)
        unlinked = {
            tokens[place].as_py() for place in set(which[resolved.resolution == Resolution.NONE.code])
        }
        # Whom claims name as a person needs no link to be one, nor does a customer.
        themselves = set(self._claims.claims(sorted(unlinked), of="subject")["subject"].to_pylist())
        outcomes = _distinct(
            seen.indices, table["tag_set"], table["role"], resolved.resolution, resolved.subject
        )
        for number, tag_set, role, resolution, subject in outcomes:
            token = tokens[number].as_py()
            if subject >= 0:
                affected.people_in[tag_set].add(names[subject].as_py())
            elif resolution == Resolution.AMBIGUOUS.code:
                affected.several.add(token)
            elif token in themselves or (tag_set, role) in by_number:
                affected.people_in[tag_set].add(token)
            else:
                affected.nobody_in[tag_set].add(token)

    def _by_number(self, tag_sets: Iterable[TagSet]) -> set[Place]:
        """Where every event names one customer, so that a row which names none beside is that customer's own."""
        written = {(record.name, record.fingerprint.hex()): record for record in self._company.writers}
        places = set[Place]()
        for tags in tag_sets:
            record = written.get((tags.record, tags.schema)) or self._company.every_record.get(tags.record)
            places |= {(tags.id, role.code) for role in Role if record and self._names_one(record, role)}
        return places

    def _names_one(self, record: RecordSchema, role: Role) -> bool:
        """Whether each event of the record gives, in that role, one customer number, and never more."""
        own = [item for item in record.identifiers if item.role == role]
        numbers = [
            record.find(item.field) for item in own if self._company.kinds[item.kind].stands_for_customer
        ]
        return (
            len(numbers) == 1
            and numbers[0] is not None
            and not numbers[0].nullable
            and "." not in numbers[0].name
        )

    def _numbers(self, people: Iterable[bytes]) -> dict[bytes, str]:
        """The customer numbers of those of whom one was kept and opens."""
        customer, wanted = self._company.kinds.customer.name, sorted(people)
        found: dict[bytes, str] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            values = self._values.of(wanted[start : start + _AT_ONCE])
            found |= {token: value.text for token, value in values.items() if value.kind == customer}
        return found

    def _categories(self, holdings: Sequence[Holding], affected: Affected) -> list[dict[str, Any]]:
        """The most sensitive first."""
        people: defaultdict[str, set[bytes]] = defaultdict(set)
        declared: set[str] = set()
        for item in holdings:
            declared.update(item.tags.categories)
            for name in item.tags.every_category:
                people[name] |= affected.people_in.get(item.tags.id, set())
        shown = []
        for name, theirs in people.items():
            entry = self._company.catalogue.categories.get(name)
            shown.append(
                {
                    "category": name,
                    "name": {"nb": entry.name.nb, "en": entry.name.en} if entry else {"nb": name, "en": name},
                    "sensitivity": entry.sensitivity if entry else None,
                    "national_id": bool(entry and entry.national_id),
                    "telecom_secrecy": bool(entry and entry.telecom_secrecy),
                    "in_texts_alone": name not in declared,
                    "people": len(theirs),
                }
            )
        # Of a category of an older catalogue nobody knows how sensitive it is: it comes first.
        return sorted(shown, key=lambda item: (-(item["sensitivity"] or 9), item["category"]))

    def _unread(self, reach: Reach) -> dict[str, int]:
        """Messages of these topics that could not be read, whenever they came: more people may stand in them."""
        topics = {item[0] for item in reach.events} or set(reach.topics)
        waiting = unread(self._open_letters(), self._company, reach.limits.systems)
        return {topic: count for topic, count in waiting.items() if not topics or topic in topics}


def _distinct(*columns: Any) -> Iterator[tuple[int, ...]]:
    """The rows of columns of numbers, each once."""
    names = [str(place) for place in range(len(columns))]
    rows = pa.table(list(columns), names).group_by(names).aggregate([])
    return zip(*(rows[name].to_pylist() for name in names), strict=True)


def _parts(reach: Reach) -> Iterator[Reach]:
    """The reach, with no more events in each part than are asked for at once."""
    events = list(dict.fromkeys(reach.events))
    if not events:
        yield reach
    for start in range(0, len(events), MOST_EVENTS):
        yield replace(reach, events=events[start : start + MOST_EVENTS])


def _joined(one: Exposed, other: Exposed) -> Exposed:
    """Of two that have no event in common."""
    held = {item.tags.id: item for item in one.found.holdings}
    for item in other.found.holdings:
        known = held.get(item.tags.id, item)
        held[item.tags.id] = replace(
            item,
            events=item.events + (known.events if known is not item else 0),
            first_seen=min(known.first_seen, item.first_seen),
            last_seen=max(known.last_seen, item.last_seen),
        )
    total = one.found.total_events + other.found.total_events
    return Exposed(Found(tuple(held.values()), total), Counter(one.by_topic) + Counter(other.by_topic))


def _asked(reach: Reach) -> dict[str, Any]:
    return {
        "from": iso_or_none(reach.limits.since),
        "to": iso_or_none(reach.limits.until),
        "topics": list(reach.topics),
        "systems": list(reach.limits.systems),
        "events_named": len(set(reach.events)),
    }


def _topics(exposed: Exposed, affected: Affected) -> list[dict[str, Any]]:
    """Each with the systems and records whose events lie on it."""
    shown = []
    for topic, events in sorted(exposed.by_topic.items()):
        tags = [item.tags for item in exposed.found.holdings if item.tags.topic == topic]
        people = set[bytes]().union(*(affected.people_in.get(item.id, ()) for item in tags))
        shown.append(
            {
                "topic": topic,
                "systems": sorted({item.system for item in tags}),
                "records": sorted({item.record for item in tags}),
                "events": events,
                "people": len(people),
            }
        )
    return shown
