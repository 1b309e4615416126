"""How well `innsyn discover` finds what is personal. `python -m bench.discover`

Two companies with everything said of their topics taken away: the model company, whose simulated events come as JSON,
and the parcel carrier of examples/, whose events come as they are (JSON, changes of Debezium, Avro). What their
annotations and contracts say is the truth. The words were written with the model company in sight, and mended once
against the carrier.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.annotations import FieldAnnotation, RecordSchema
from schemas.company import Company, load_company
from schemas.contract_file import ENVELOPE
from schemas.identifiers import IdentifierKind
from schemas.layers import BASE, read_mapping
from schemas.story import load_story
from streams.discovery.names import Words, words_for
from streams.discovery.topic import Schema, TopicReader
from streams.discovery.weigh import WITHIN, Judged
from streams.simulate.plan import Plan
from streams.simulate.simulate import events
from streams.simulate.story.messages import Bodies
from streams.simulate.story.play import Play

CARRIER = Path(__file__).parents[1] / "examples" / "trillebud"
SEED = 20_320_101
MESSAGES = 200
DAY = date(2026, 3, 1)
NAMES_ALONE = "the same, names alone"
BASE_KINDS = frozenset(read_mapping(BASE / "catalogue" / "identifiers.yaml"))
Message = tuple[bytes, bytes | None]
Hide = Callable[[Any], Any]


@dataclass
class Score:
    """Counts over the fields of a company. `personal`: right, wrongly said, missed; `identifiers`: by kind, likewise.
    `own`, `event`: categories that are right, and all, of fields that are personal on both sides: those that the field
    says itself, and those of the whole event. `roles`: likewise, of identifiers."""

    fields: int = 0
    personal: list[int] = field(default_factory=lambda: [0, 0, 0])
    identifiers: list[int] = field(default_factory=lambda: [0, 0, 0])
    own: list[int] = field(default_factory=lambda: [0, 0])
    event: list[int] = field(default_factory=lambda: [0, 0])
    roles: list[int] = field(default_factory=lambda: [0, 0])
    to_decide: int = 0
    wrong: list[str] = field(default_factory=list)
    alike: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """Of a company's own kind those of the base that name the same, which is all that can be found of it."""

    def add(self, topic: str, found: Judged | None, truth: FieldAnnotation) -> None:
        """One field of the truth, and what was found at its place."""
        self.fields += 1
        said = found is not None and found.personal
        kind = truth.identifier.kind if truth.identifier else ""
        told = found.identifier if found is not None and said else ""
        kind = told if told in self.alike.get(kind, ()) else kind
        _count(self.personal, said, truth.personal, True)
        _count(self.identifiers, bool(told), bool(kind), told == kind)
        if found is None:
            self.wrong.append(f"{topic} {truth.name}: not seen")
            return
        self.to_decide += bool(found.decide)
        if said and truth.personal:
            counts = self.event if WITHIN in found.evidence else self.own
            counts[1] += 1
            counts[0] += found.category == truth.category
        if kind and told == kind and truth.identifier:
            self.roles[1] += 1
            self.roles[0] += found.role == truth.identifier.role
        if (said, told) != (truth.personal, kind) or (said and found.category != truth.category):
            self.wrong.append(
                f"{topic} {truth.name}: {found.category or '-'} {told or '-'}, is {truth.category} {kind or '-'}"
            )

    @property
    def precision(self) -> float:
        return _share(self.personal[0], self.personal[0] + self.personal[1])

    @property
    def recall(self) -> float:
        return _share(self.personal[0], self.personal[0] + self.personal[2])


def _count(counts: list[int], said: bool, is_so: bool, right: bool) -> None:
    """Right, wrongly said, missed; what is said and is another is wrong and missed."""
    hit = said and is_so and right
    counts[0] += hit
    counts[1] += said and not hit
    counts[2] += is_so and not hit


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def of_model(company: Company) -> Iterator[tuple[str, Message]]:
    """Events of the model company as JSON, by topic."""
    for item in events(Plan(customers=60, days=7, seed=SEED)):
        yield item.topic, (json.dumps(item.value, default=_plain).encode(), item.key)


def _plain(value: Any) -> str:
    return str(value.isoformat())


def of_carrier(company: Company, schemas: list[RecordSchema]) -> Iterator[tuple[str, Message]]:
    """Events of the carrier as they travel; `schemas` is filled with those of the registry, by id."""

    def register(_: str, schema: RecordSchema) -> int:
        if schema not in schemas:
            schemas.append(schema)
        return schemas.index(schema) + 1

    story = load_story(CARRIER)
    assert story is not None
    plan = Plan(customers=60, days=10, seed=SEED, start=datetime(2026, 1, 5, tzinfo=UTC))
    for item in Play(company, story, plan, Bodies(company, register)).events():
        if item.body is not None:
            yield item.topic, (item.body, item.key)


def measured(
    company: Company,
    messages: Iterable[tuple[str, Message]],
    words: Words,
    schemas: list[RecordSchema],
    hide: Hide | None = None,
) -> Score:
    """What is found in the newest messages of each topic, against what the company says of it."""
    by_topic: dict[str, list[Message]] = {}
    for topic, message in messages:
        by_topic.setdefault(topic, []).append(message)
    score = Score(alike=own_kinds(company))

    def schema_of(prefix: bytes) -> Schema | None:
        return Schema("AVRO", schemas[int.from_bytes(prefix[1:], "big") - 1])

    for topic, held in sorted(by_topic.items()):
        reader = TopicReader(topic, words, DAY, schema_of)
        for body, key in held[-MESSAGES:]:
            reader.take(json.dumps(hide(json.loads(body))).encode() if hide else body, key)
        event = reader.looked().event
        found = {item.path: item for item in event.fields} if event else {}
        plain = {path.replace("[]", ""): item for path, item in found.items()}
        record = company.every_record[company.topics[topic].record]
        for truth in record.fields:
            if not truth.name.startswith(ENVELOPE) and truth.type != "array":
                score.add(
                    topic, found.get(truth.name) or plain.get(truth.name) or _below(found, truth), truth
                )
    return score


def _below(found: Mapping[str, Judged], truth: FieldAnnotation) -> Judged | None:
    """What lies at the place that a contract speaks of as a whole: the first of it."""
    return next((item for path, item in found.items() if path.startswith(f"{truth.name}.")), None)


def own_kinds(company: Company) -> dict[str, frozenset[str]]:
    """Of each kind that is the company's own those of the base that name the same: a customer, a person, a device."""
    base = {name: kind for name, kind in company.kinds.items() if name in BASE_KINDS}

    def sort(kind: IdentifierKind) -> tuple[str, bool, str | None]:
        return kind.names, kind.stands_for_customer, kind.found_as

    return {
        name: frozenset(other for other, known in base.items() if sort(known) == sort(kind))
        for name, kind in company.kinds.items()
        if name not in base
    }


def without_values(value: Any) -> Any:
    """The same with nulls for every value: names are all there is."""
    if isinstance(value, dict):
        return {key: without_values(item) for key, item in value.items()}
    return [without_values(item) for item in value] if isinstance(value, list) else None


def measured_all() -> Mapping[str, Score]:
    """Both companies; of the model company also by names alone."""
    model, carrier, schemas = load_company(), load_company(CARRIER), list[RecordSchema]()
    words = words_for(model.catalogue)
    return {
        "model company": measured(model, of_model(model), words, []),
        NAMES_ALONE: measured(model, of_model(model), words, [], without_values),
        "parcel carrier": measured(
            carrier, of_carrier(carrier, schemas), words_for(carrier.catalogue), schemas
        ),
    }


def shares(score: Score) -> Mapping[str, float]:
    """What is printed of a company, by column."""
    right, wrong, missed = score.identifiers
    return {
        "personal: precision": score.precision,
        "personal: recall": score.recall,
        "category of a field": _share(*score.own),
        "of the event": _share(*score.event),
        "identifier: precision": _share(right, right + wrong),
        "identifier: recall": _share(right, right + missed),
        "role": _share(*score.roles),
    }


def main() -> None:
    scores = measured_all()
    table = Table(title=f"innsyn discover, newest {MESSAGES} messages of each topic")
    for name in ("company", "fields", *shares(Score()), "to decide"):
        table.add_column(name, justify="left" if name == "company" else "right")
    for name, score in scores.items():
        cells = [f"{share:.1%}" for share in shares(score).values()]
        table.add_row(name, str(score.fields), *cells, str(score.to_decide))
    console = Console(width=160)
    console.print(table)
    for name, score in scores.items():
        for line in score.wrong if name != NAMES_ALONE else ():
            console.print(f"{name}: {line}", highlight=False)


if __name__ == "__main__":
    main()
