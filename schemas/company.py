"""The company that innsyn works for: its profile, catalogue, records and topics, loaded once and handed on.

A company is a folder:

    company.yaml   name, controller, country, languages, time zone, DPO contact; `extends: model` to start from that one
    catalogue/     categories, purposes, systems, retention rules ...: what it adds to, or changes of, what it extends;
                   promises.yaml: what its policy promises; notices.yaml, agreements.yaml: texts it shows, agreements
    avro/          its records, with every committed version in `versions/`
    topics.yaml    its topics
    rights.yaml    how it carries requests of data subjects out
    examples/      events for each record, as JSON
    contracts/     what holds for events that it does not own

Every company extends `base`: the shared vocabulary, and the systems, records and topics of innsyn itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from schemas import catalogue as catalogues
from schemas.agreements import FILE as AGREEMENTS
from schemas.agreements import Agreement, load_agreements
from schemas.annotations import RecordSchema
from schemas.calendars import Calendar
from schemas.catalogue import Catalogue, load_catalogue
from schemas.check import check_record
from schemas.contracts import FOLDER as CONTRACTS
from schemas.contracts import Contract, load_contracts
from schemas.entries import IdentitySource
from schemas.errors import CatalogueError, SchemaError
from schemas.files import is_named, read_utf8
from schemas.identifiers import IdentifierKinds, identifier_kinds
from schemas.layers import BASE, MODEL, read_mapping
from schemas.notices import FILE as NOTICES
from schemas.notices import Notice, load_notices
from schemas.own import is_own
from schemas.phones import knows
from schemas.promises import FILE as PROMISES
from schemas.promises import Promise, load_promises
from schemas.records import AVRO, EXAMPLES, load_examples, load_records
from schemas.rights_rules import FILE as RIGHTS
from schemas.rights_rules import RightsRules, load_rights_rules
from schemas.topics import FILE as TOPICS
from schemas.topics import Topic, load_topics
from schemas.versions import known_writers

PROFILE = "company.yaml"
STORY = "story.yaml"
"""Read by nobody but the demo and the simulator (`schemas.story`)."""
SHIPPED = {"base": BASE, "model": MODEL}
_FOLDERS = (catalogues.FOLDER, AVRO, EXAMPLES, CONTRACTS)
Text = Annotated[str, Field(min_length=1)]


class Party(BaseModel):
    """A name with what reaches whoever bears it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Text
    contact: Text


class Profile(BaseModel):
    """Who the company is. `country`: ISO 3166 letters. `languages`: ISO 639 letters, the first is the main one.

    `complaints_to`: the supervisory authority, as a person is told of it; None: that of the country.
    `controller_contact`, `joint_controllers` and `representative` (GDPR Art. 26, 27) stand in the records of
    processing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Text
    controller: Text
    controller_contact: Text | None = None
    joint_controllers: list[Party] = []
    representative: Party | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    languages: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]], Field(min_length=1)]
    time_zone: str
    dpo_contact: Text
    complaints_to: Text | None = None
    extends: str = "base"

    @field_validator("country")
    @classmethod
    def _has_a_plan(cls, country: str) -> str:
        if not knows(country):
            raise PydanticCustomError("country", "unknown country; write its ISO 3166 letters, such as NO")
        return country

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise PydanticCustomError(
                "zone", "unknown time zone; write one of the IANA list, such as Europe/Oslo"
            )
        return name

    @field_validator("extends")
    @classmethod
    def _ships(cls, name: str) -> str:
        if name not in SHIPPED:
            raise PydanticCustomError("extends", "unknown company; write one of base, model")
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the company's days begin and end."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, repr=False)
class Company:
    """All that is loaded of a company. `layers`: its folder last, below it what it extends. `writers`: every version of
    every record that an event may have been written with, the newest last. `contracts`: by topic, what holds for the
    events that it does not own."""

    profile: Profile
    layers: tuple[Path, ...]
    catalogue: Catalogue
    records: Mapping[str, RecordSchema]
    writers: Sequence[RecordSchema]
    topics: Mapping[str, Topic]
    contracts: Mapping[str, Contract]
    rights: RightsRules = field(default_factory=load_rights_rules)
    promises: Mapping[str, Promise] = field(default_factory=dict)
    notices: Mapping[str, Notice] = field(default_factory=dict)
    agreements: Mapping[str, Agreement] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.layers[-1]

    @property
    def promises_file(self) -> Path | None:
        """The register of its promises, None where it has none."""
        files = (layer / catalogues.FOLDER / PROMISES for layer in reversed(self.layers))
        return next((path for path in files if is_named(path)), None)

    @property
    def every_record(self) -> Mapping[str, RecordSchema]:
        """By name, also those that contracts describe, which have no Avro schema."""
        return {**self.records, **{item.record.name: item.record for item in self.contracts.values()}}

    @property
    def avro(self) -> tuple[Path, ...]:
        """The folders of its schemas, its own first."""
        return tuple(layer / AVRO for layer in reversed(self.layers))

    @property
    def tagged(self) -> Mapping[str, Topic]:
        """The topics that a tagger reads."""
        return {name: topic for name, topic in self.topics.items() if topic.tagged}

    @cached_property
    def kinds(self) -> IdentifierKinds:
        """The kinds of identifiers, by the numbering plan of its country."""
        return identifier_kinds(self.catalogue.identifier_kinds, self.profile.country)

    @property
    def identity_sources(self) -> Mapping[str, IdentitySource]:
        return self.catalogue.identity_sources

    def examples(self, record: str) -> list[dict[str, Any]]:
        """The examples of a record; empty where there are none. Errors: SchemaError."""
        return list(self.named_examples(record).values())

    def named_examples(self, record: str) -> Mapping[str, dict[str, Any]]:
        """The same by the names of their files, without `.json`."""
        return load_examples(self.records[record], *(layer / EXAMPLES for layer in self.layers))


def load_company(folder: Path | None = None) -> Company:
    """The company of a folder, whole and without a contradiction; without a folder the model company, loaded once.

    Errors: CatalogueError or SchemaError, one line with file, key and mend.
    """
    return _model() if folder is None or _same(folder, MODEL) else _load(folder)


@cache
def _model() -> Company:
    return _load(MODEL)


def _load(folder: Path) -> Company:
    if _same(folder, BASE):
        raise CatalogueError(
            str(folder), "folder", "is what every company extends, and no company; name another"
        )
    layers = layers_of(folder)
    profile = read_profile(folder)
    _refuse_strangers(folder)
    said = [layer / catalogues.FOLDER for layer in layers if (layer / catalogues.FOLDER).is_dir()]
    avro = [layer / AVRO for layer in reversed(layers)]
    try:
        catalogue = replace(load_catalogue(*said), calendar=Calendar(profile.zone, profile.country))
        records = load_records(*avro)
        for record in records.values():
            for problem in check_record(record, catalogue):
                raise SchemaError(record.file, problem.where, f"{problem.what}; {problem.mend}")
        with_topics = [layer for layer in layers if layer == layers[0] or is_named(layer / TOPICS)]
        contracts = _contracts(layers, catalogue, records)
        topics = load_topics(*with_topics, catalogue=catalogue, records=records, contracts=contracts)
        _refuse_silent(records, topics)
        writers = known_writers(*avro)
        promises = load_promises(layers)
        notices, agreements = load_notices(layers, catalogue), load_agreements(layers, catalogue)
    except CatalogueError as error:
        raise CatalogueError(_where(layers, error.file, error.key), error.key, error.mend) from None
    except SchemaError as error:
        raise type(error)(_where(layers, error.file, error.where), error.where, error.mend) from None
    rights = load_rights_rules(layers)
    registers = promises, notices, agreements
    return Company(profile, layers, catalogue, records, writers, topics, contracts, rights, *registers)


def _contracts(
    layers: Sequence[Path], catalogue: Catalogue, records: Mapping[str, RecordSchema]
) -> Mapping[str, Contract]:
    """Those of all layers; of one topic the uppermost."""
    found: dict[str, Contract] = {}
    for layer in layers:
        taken = [*records, *(item.record.name for item in found.values())]
        found |= load_contracts(layer / CONTRACTS, catalogue, taken)
    return MappingProxyType(found)


def layers_of(folder: Path) -> tuple[Path, ...]:
    """The folder, and below it (before it) what it extends. Errors: CatalogueError."""
    layers = [folder]
    while not _same(layers[0], BASE):
        below = SHIPPED[read_profile(layers[0]).extends]
        if any(_same(below, layer) for layer in layers):
            raise CatalogueError(str(layers[0] / PROFILE), "extends", "names the company itself; write base")
        layers.insert(0, below)
    return tuple(layers)


def _same(folder: Path, other: Path) -> bool:
    """Whether both are one folder, by whatever links."""
    return folder.resolve() == other.resolve()


def read_profile(folder: Path) -> Profile:
    """Who the company of the folder is. Errors: CatalogueError."""
    file = folder / PROFILE
    if not folder.is_dir():
        raise CatalogueError(str(folder), "folder", "is not there; make one with `innsyn init FOLDER`")
    try:
        return Profile.model_validate(read_mapping(file))
    except CatalogueError as error:
        raise CatalogueError(str(file), error.key, error.mend) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        mend = {
            "missing": "is missing; add it",
            "string_type": 'is read by YAML as something else than text; put it in quotes, as in country: "NO"',
            "extra_forbidden": f"is not a field; write one of {', '.join(Profile.model_fields)}",
        }.get(first["type"], f"{first['msg'][0].lower()}{first['msg'][1:]}; mend it")
        raise CatalogueError(str(file), key, mend) from None


def _refuse_strangers(folder: Path) -> None:
    """A misspelt file would be one that says nothing."""
    files = {
        folder: (PROFILE, TOPICS, RIGHTS, STORY),
        folder / catalogues.FOLDER: (*catalogues.FILES, PROMISES, NOTICES, AGREEMENTS),
    }
    for where, known in files.items():
        for path in sorted(where.glob("*.y*ml")):
            if path.name not in known:
                raise CatalogueError(
                    str(path), "file", f"is read by nobody; name it one of {', '.join(known)}"
                )
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in _FOLDERS and not path.name.startswith((".", "_")):
            raise CatalogueError(
                str(path), "folder", f"is read by nobody; name it one of {', '.join(_FOLDERS)}"
            )


def _refuse_silent(records: Mapping[str, RecordSchema], topics: Mapping[str, Topic]) -> None:
    named = {name for topic in topics.values() for name in (topic.record, *topic.also)}
    for record in records.values():
        # innsyn's own are there for what some system may do on command, if none does yet.
        if record.name not in named and not is_own(record.name):
            raise SchemaError(
                record.file, record.name, f"no topic carries it; name it in {TOPICS}, or take it out"
            )


def place_of_topics(company: Company, key: str) -> str:
    """The topics file of the company that says something of the key."""
    return _where(company.layers, TOPICS, key)


def _where(layers: Sequence[Path], file: str, key: str) -> str:
    """The file an error is in, with its folder: the uppermost that says something of the key, else the uppermost."""
    if Path(file).is_absolute():
        return file
    inside = file if file == TOPICS or "/" in file else f"{catalogues.FOLDER}/{file}"
    there = [layer / inside for layer in reversed(layers) if is_named(layer / inside)]
    if not there:
        return str(layers[-1] / inside)
    first = key.split(".")[0]
    return str(next((path for path in there if _says(path, first)), there[0]))


def _says(path: Path, key: str) -> bool:
    try:
        return key in read_utf8(path)
    except (OSError, UnicodeDecodeError):
        return False
