"""A story as it is played: its events in time order, each with the truth about who is in it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from schemas.company import STORY, Company
from schemas.counted import counted
from schemas.errors import CatalogueError, InputError
from schemas.examples import Example, load_messages
from schemas.story import Happening, Scene, Story, check_story
from schemas.tokens import IdentifierKinds, canonical
from schemas.vocabulary import Role
from streams.simulate.plan import Plan
from streams.simulate.story.cast import Cast, Named, Person
from streams.simulate.story.links import Links, Said, said_by
from streams.simulate.story.messages import Bodies, filled, flat, key_of, other_keys

_SAID = re.compile(r"\{([a-z0-9_.]+):([a-z0-9_]+)\}")
Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Played:
    """One event. `value`: the message, None for a tombstone; `kept`: what a system of record keeps of it. `named`: each
    identifier that stands in it, with the role of whom it names; `said`: what it says of whose identifiers are."""

    at: datetime
    topic: str
    record: str
    operation: str
    key: bytes | None = field(repr=False)
    body: bytes | None = field(repr=False)
    value: Mapping[str, Any] | None = field(repr=False)
    kept: Mapping[str, Any] | None = field(repr=False)
    named: tuple[tuple[Named, str], ...] = field(repr=False)
    said: tuple[Said, ...] = field(default=(), repr=False)


Row = tuple[int, datetime, str, str, str]
"""Number and time of an event, its topic, the role of somebody in it, and its operation."""


@dataclass
class StoryTruth:
    """What an index fed with the events, which come in time order, has to find."""

    _kinds: IdentifierKinds
    _events: dict[Named, set[Row]] = field(default_factory=dict, repr=False)
    _links: Links = field(default_factory=Links, repr=False)
    total: int = 0

    def add(self, item: Played) -> Played:
        """Count an event and hand it on."""
        for named, role in item.named:
            row = (self.total, item.at, item.topic, role, item.operation)
            self._events.setdefault(self._known(named), set()).add(row)
        for said in item.said:
            token = None if said.token is None else self._known(said.token)
            self._links.add(replace(said, token=token, subject=self._known(said.subject)), item.at)
        self.total += 1
        return item

    def of(self, identifiers: Iterable[Named]) -> Counter[tuple[str, str, str]]:
        """Events in which any of the identifiers stands, by topic, role and operation."""
        return _counted(row for named in identifiers for row in self._events.get(self._known(named), ()))

    def answer(self, identifiers: Iterable[Named]) -> Counter[tuple[str, str, str]]:
        """Events of whom the identifiers mean now, by whatever was theirs at the time: what an answer has to find.

        They are one person's. One whose links have ended names nobody now; one of which no link speaks counts as given.
        """
        asked = {self._known(named) for named in identifiers}
        links = list(self._links.all())
        meant = {link.subject for link in links if link.token in asked and link.until is None}
        meant |= asked - {link.token for link in links}
        rows = {row for named in meant for row in self._events.get(named, ())}
        for link in links:
            if link.subject in meant:
                rows |= {row for row in self._events.get(link.token, ()) if link.holds(row[1])}
        return _counted(rows)

    def _known(self, named: Named) -> Named:
        kind, value = named
        return kind, canonical(self._kinds.parse(kind), value)


def _counted(rows: Iterable[Row]) -> Counter[tuple[str, str, str]]:
    return Counter((topic, role, operation) for _, _, topic, role, operation in set(rows))


class Play:
    """A company's story with `plan.customers` people over `plan.days`. The same plan gives the same events.

    Errors: CatalogueError where the story names an example that is not there, or says not who is in it.
    """

    def __init__(self, company: Company, story: Story, plan: Plan, bodies: Bodies) -> None:
        self.company, self.story, self._plan, self._bodies = company, story, plan, bodies
        self._examples = load_messages(company)
        self._rng = random.Random(f"{plan.seed}:story")
        samples = {
            kind: str(place.value)
            for example in self._examples.values()
            for place, kind, _ in example.identifiers
        }
        self.cast = Cast(story, plan.customers, plan.seed, samples, company.kinds)
        self._check()

    def events(self, topics: Collection[str] = ()) -> Iterator[Played]:
        """All of them in time order, or those of some topics alone, which are the same then.

        Errors: InputError for a topic of which there is no example.
        """
        there = {example.topic.name for example in self._examples.values()}
        for name in topics:
            if name not in there:
                raise InputError(f"the story has no topic {name}; name one of {', '.join(sorted(there))}")
        self._wanted = frozenset(topics) or there
        return self._in_order()

    def _in_order(self) -> Iterator[Played]:
        played = [item for scene in self.story.scenes for item in self._scenes(scene)]
        yield from sorted((item for item in played if item.topic in self._wanted), key=lambda item: item.at)

    def _check(self) -> None:
        check_story(self.story, self._examples)
        for number, scene in enumerate(self.story.scenes):
            if scene.span >= self._plan.end - self._plan.start:
                mend = f"lasts longer than {counted(self._plan.days, 'day')}; play more days"
                raise CatalogueError(STORY, f"scenes.{number}", mend)

    def _scenes(self, scene: Scene) -> Iterator[Played]:
        for person in self.cast.groups[scene.each]:
            if scene.share < 1 and self._rng.random() >= scene.share:
                continue
            for _ in range(scene.times):
                yield from self._scene(scene, person)

    def _scene(self, scene: Scene, person: Person) -> Iterator[Played]:
        actors = {scene.each: person}
        things: dict[tuple[str, str], str] = {}
        room = self._plan.end - self._plan.start - scene.span
        begin = self._plan.start + room * self._rng.uniform(*scene.when)
        begin = begin.replace(microsecond=begin.microsecond // 1_000 * 1_000)
        if scene.ends:
            person.gone = begin
        for event in scene.events:
            yield self._event(event, begin + event.after, actors, things)

    def _event(
        self,
        event: Happening,
        at: datetime,
        actors: dict[str, Person],
        things: dict[tuple[str, str], str],
    ) -> Played:
        """`actors` and `things`: who and what the scene has so far; more are added."""
        example = self._examples[event.example]
        named: dict[tuple[Named, str], None] = {}
        said: dict[Steps, Any] = other_keys(example, self._rng)

        def identifier(actor: str, kind: str, role: str | None) -> str:
            """`role` None: whoever reads the message does not see that it names somebody."""
            person = self._person(actor, actors)
            if kind == "name":
                return person.name
            value = self._identifier(actor, person, kind, things)
            if role is not None:
                named[(kind, value), role] = None
            return value

        def spoken(role: str | None, found: re.Match[str]) -> str:
            return identifier(found[1], found[2], role)

        for place, kind, role in example.identifiers:
            actor = event.actor(role, place.items)
            assert actor is not None
            said[place.steps] = identifier(actor, kind, role)
        for path, text in event.texts.items():
            read = example.record.find(path)
            seen = Role.MENTIONED if read and read.free_text else None
            for place in (place for place in example.places if place.path == path):
                said[place.steps] = _SAID.sub(partial(spoken, seen), text)
        keyed = self._keyed(example, event, identifier)
        value = None if example.value is None else filled(example, said, at)
        played = self._played(example, at, keyed, value, named)
        return replace(played, said=tuple(said_by(example, said, keyed)))

    def _keyed(self, example: Example, event: Happening, identifier: Any) -> str | None:
        """The identifier that is the message's key, where the contract says that it is one."""
        said = example.contract.message_key if example.contract else None
        field = example.record.find(said.field) if said else None
        actor = event.actor(field.identifier.role) if field and field.identifier else None
        if field is None or field.identifier is None or actor is None:
            return None
        return str(identifier(actor, field.identifier.kind, field.identifier.role))

    def _person(self, actor: str, actors: dict[str, Person]) -> Person:
        """Who plays somebody of a scene: the same from its first event to its last, and nobody twice."""
        if actor not in actors:
            group = self.cast.groups[actor.partition(".")[0]]
            free = [person for person in group if person not in actors.values()]
            actors[actor] = self._rng.choice(free or list(group))
        return actors[actor]

    def _identifier(self, actor: str, person: Person, kind: str, things: dict[tuple[str, str], str]) -> str:
        if kind not in self.story.things:
            return self.cast.own(person, kind)
        if (actor, kind) not in things:
            things[actor, kind] = self.cast.thing(person, kind)
        return things[actor, kind]

    def _played(
        self,
        example: Example,
        at: datetime,
        keyed: str | None,
        value: Mapping[str, Any] | None,
        named: Mapping[tuple[Named, str], None],
    ) -> Played:
        return Played(
            at,
            example.topic.name,
            example.record.name,
            example.operation,
            key_of(example, value or {}, keyed),
            None
            if value is None or example.topic.name not in self._wanted
            else self._bodies.body(example, value),
            value,
            None if value is None else flat(example, value),
            tuple(named),
        )
