"""The demo of a company that is files alone: its story, played from its examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.demo.tale import Asker
from schemas.company import STORY, Company
from schemas.counted import counted
from schemas.errors import InputError
from schemas.story import Story, load_story
from streams.simulate.plan import Plan
from streams.simulate.story.cast import Person
from streams.simulate.story.messages import Bodies, Register
from streams.simulate.story.play import Play, Played, StoryTruth


def story_of(company: Company) -> Story:
    """Errors: CatalogueError, InputError where there is none."""
    story = load_story(company.folder)
    if story is None:
        raise InputError(
            f"{company.folder} has no {STORY}, so nothing of it can be played; write one as docs/company.md has it"
        )
    return story


class StoryTale:
    """The story of a company's folder. `register` gives the ids of schemas that belong into a registry."""

    def __init__(self, company: Company, plan: Plan, register: Register) -> None:
        self.company = company
        self._plan = plan
        self._story = story_of(company)
        self._play = Play(company, self._story, plan, Bodies(company, register))
        self._truth = StoryTruth(company.kinds)

    @property
    def acts(self) -> tuple[str, str]:
        people = counted(len(self._play.cast.everybody), "person")
        return (
            f"{self._story.title} and {people}, {counted(self._plan.days, 'day')} of its events",
            f"One of them, a {self._story.asks}, asks: what do you hold about me?",
        )

    @property
    def next_steps(self) -> Sequence[tuple[str, str]]:
        folder = self.company.folder
        return (
            ("keep it running, on a real Kafka", f"innsyn up --company {folder}"),
            ("check the folder after a change", f"innsyn company check {folder}"),
            ("see what a change does to existing rows", f"innsyn company diff {folder} changed"),
            ("read how a topic is described", f"{folder}/contracts/"),
            ("read the rules it went by", f"{folder}/catalogue/retention.yaml"),
        )

    def events(self) -> Iterator[Played]:
        return (self._truth.add(item) for item in self._play.events())

    def asker(self) -> Asker:
        """Of the group that asks the one with the most events, of those who left if some did."""

        def known(person: Person) -> tuple[bool, int]:
            return person.gone is not None, self._truth.answer(person.identifiers).total()

        person = max(self._play.cast.groups[self._story.asks], key=known)
        kinds = ", ".join(dict.fromkeys(kind.replace("_", " ") for kind, _ in person.identifiers))
        return Asker(
            asked_by=person.identifiers,
            own=person.identifiers,
            contract_end=person.gone.date() if person.gone else None,
            sure=self._truth.answer(person.identifiers).total(),
            maybe=0,
            how_asked=f"asked by {kinds}",
            how_erased="each system is told those of them that its own records know",
        )
