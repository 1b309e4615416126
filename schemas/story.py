"""A company's story: which of its examples happen to whom, read from `story.yaml`. The demo and the simulator play it.

The file says nothing of how messages look: `examples/` do. It says which of them follow one another, and who stands in
which role of each. Whoever is in it is invented when it is played.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.company import STORY
from schemas.entries import Text
from schemas.errors import CatalogueError
from schemas.examples import Example
from schemas.files import is_named
from schemas.layers import read_mapping

_Group = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Actor = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[0-9]+)?$")]
_Part = Annotated[float, Field(ge=0, le=1)]
_Span = Annotated[timedelta, Field(ge=timedelta(0))]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Happening(_Frozen):
    """An event of a scene. `example`: folder and file of `examples/`, without .json. `after`: the scene's beginning.

    `people`: who stands in which role, for identifiers inside arrays one for each item. `texts`: what a path holds
    instead, with `{consignee:phone}` for an identifier of somebody in the scene and `{consignee:name}` for the name.
    """

    example: Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]
    after: _Span = timedelta(0)
    people: dict[Text, _Actor | Annotated[tuple[_Actor, ...], Field(min_length=1)]]
    texts: dict[Text, str] = {}

    def actors(self, role: str) -> tuple[str, ...]:
        """Who stands in the role, in the order of an array's items."""
        given = self.people.get(role, ())
        return (given,) if isinstance(given, str) else given

    def actor(self, role: str, items: Sequence[int] = ()) -> str | None:
        """Who stands in the role, of an array in that item of it; None for nobody."""
        actors, at = self.actors(role), items[0] if items else 0
        return actors[at] if at < len(actors) else None


class Scene(_Frozen):
    """Events that belong together, for each person of the group `each`, or a `share` of them, some `times`.

    `when`: between which shares of the days it begins. `ends`: the person's contract ends with it.
    """

    name: Text
    each: _Group
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1, le=1_000)] = 1
    when: tuple[_Part, _Part] = (0.0, 1.0)
    ends: bool = False
    events: Annotated[tuple[Happening, ...], Field(min_length=1)]

    @property
    def span(self) -> timedelta:
        """From its first to its last event."""
        return max(event.after for event in self.events)


class Story(_Frozen):
    """The whole file. `groups`: how many people there are of each, in proportion. `asks`: the group of whoever asks.

    `things`: identifier kinds of a thing that somebody has for one scene, such as a parcel.
    """

    title: Text
    asks: _Group
    groups: Annotated[dict[_Group, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    things: tuple[str, ...] = ()
    scenes: Annotated[tuple[Scene, ...], Field(min_length=1)]


def load_story(folder: Path) -> Story | None:
    """The story of a company's folder, None where it has none. Errors: CatalogueError with file, key and mend."""
    path = folder / STORY
    if not is_named(path):
        return None
    try:
        story = Story.model_validate(read_mapping(path))
        _check(story)
    except CatalogueError as error:
        raise CatalogueError(str(path), error.key, error.mend) from None
    except ValidationError as error:
        raise _refused(path, error) from None
    return story


def check_story(story: Story, examples: Mapping[str, Example]) -> None:
    """Whether its examples are there and everybody whom they name is somebody. Errors: CatalogueError."""
    for number, scene in enumerate(story.scenes):
        for at, event in enumerate(scene.events):
            where = f"scenes.{number}.events.{at}"
            example = examples.get(event.example)
            if example is None:
                close = difflib.get_close_matches(event.example, list(examples), n=1)
                mend = f"did you mean {close[0]}?" if close else f"write one of {', '.join(examples)}"
                raise CatalogueError(STORY, f"{where}.example", f"{event.example} is not there; {mend}")
            for place, _, role in example.identifiers:
                if event.actor(role, place.items) is None:
                    mend = f"{place.path} of {event.example} names somebody; say who stands in that role"
                    raise CatalogueError(STORY, f"{where}.people.{role}", mend)
            for path in event.texts.keys() - {place.path for place in example.places}:
                raise CatalogueError(
                    STORY, f"{where}.texts.{path}", f"{event.example} has no such path; mend it"
                )


def _check(story: Story) -> None:
    """Whether everybody is of a group there is."""
    known = ", ".join(story.groups)

    def wanted(key: str, group: str) -> None:
        if group not in story.groups:
            raise CatalogueError(
                STORY, key, f"{group} is no group; write one of {known}, or add it to groups"
            )

    wanted("asks", story.asks)
    for number, scene in enumerate(story.scenes):
        wanted(f"scenes.{number}.each", scene.each)
        for at, event in enumerate(scene.events):
            for role in event.people:
                for actor in event.actors(role):
                    wanted(f"scenes.{number}.events.{at}.people.{role}", actor.partition(".")[0])


def _refused(path: Path, error: ValidationError) -> CatalogueError:
    # A misspelt key is also a missing one: name the spelling.
    found = error.errors(include_url=False, include_input=False)
    first = min(found, key=lambda item: item["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "file"
    mend = {
        "missing": "is missing; add it",
        "extra_forbidden": "is not a key; take it out or mend its spelling",
    }
    text = f"{first['msg'][0].lower()}{first['msg'][1:]}; mend it"
    return CatalogueError(str(path), key, mend.get(first["type"], text))
