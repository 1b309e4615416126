"""The words of `facts` annotations: what events say of duties towards people, and whether a record's can be read. Pure.

A fact is kept in words of closed lists alone: ids of the catalogue and the words below. A value that is none of them is
UNKNOWN, never itself: it may be anything, also of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from schemas.annotations import FACT_FIELDS, FactRule, Problem, RecordSchema
from schemas.catalogue import Catalogue
from schemas.clocks import unknown
from schemas.entries import Instrument
from schemas.vocabulary import Role

UNKNOWN = "unknown"
"""Stands for a value that is in no closed list."""
MOST_FACTS = 255
"""Of one record: the index tells what an event says apart by a number of so many values."""
INSTRUMENTS: tuple[str, ...] = get_args(Instrument)
OCCASIONS = ("collection", "third_party", "new_purpose", "disclosure")
"""What a person is told of: their data are collected (GDPR Art. 13), come from somebody else (Art. 14), are to serve
another purpose (Art. 13(3), 14(4)), or were given to somebody (Art. 19)."""

List = Literal["purposes", "categories", "recipients", "instruments", "versions", "occasions"]
"""The closed lists."""


@dataclass(frozen=True)
class Fact:
    """What can be said: `says`, one of the words; of which of the catalogue's ids (`about`), if of any; and what of
    FACT_FIELDS besides."""

    says: tuple[str, ...]
    about: List | None = None
    takes: frozenset[str] = frozenset()


FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        # GDPR Art. 7(1): that it was given, for what, and on which text.
        "consent": Fact(("given", "refused", "withdrawn"), "purposes", frozenset({"version"})),
        # Art. 13, 14: that somebody was told, or by which exemption of Art. 14(5) not.
        "notice": Fact(
            ("sent", "statutory", "impossible", "disproportionate", "already_informed"),
            "categories",
            frozenset({"version", "occasion", "name", "evidence"}),
        ),
        # Art. 13(1)(e), 15(1)(c), 19: who was given what, and by what right.
        "disclosure": Fact(
            ("disclosed",), "categories", frozenset({"recipient", "instrument", "name", "evidence"})
        ),
        # Art. 22: whether a decision was taken by machine alone.
        "decision": Fact(("automated", "by_people")),
        # ekomloven § 3-15: whether what is stored on somebody's device was consented to when it was used.
        "device_storage": Fact(("consented", "without_consent")),
    }
)

_LISTS: Mapping[str, List] = MappingProxyType(
    {
        "recipient": "recipients",
        "instrument": "instruments",
        "version": "versions",
        "occasion": "occasions",
    }
)


@dataclass(frozen=True)
class FactWords:
    """The closed lists of a company: which values are kept as they are."""

    purposes: Collection[str] = ()
    categories: Collection[str] = ()
    recipients: Collection[str] = ()
    versions: Collection[str] = ()
    instruments: Collection[str] = field(default=INSTRUMENTS)
    occasions: Collection[str] = field(default=OCCASIONS)

    def of(self, rule: FactRule, key: str) -> Collection[str]:
        """The values that the field of a key may have."""
        chosen = FACTS[rule.fact].about if key == "about" else _LISTS[key]
        return getattr(self, chosen) if chosen else ()


NO_WORDS = FactWords()


def fact_words(catalogue: Catalogue, versions: Collection[str] = ()) -> FactWords:
    """Those of a company. `versions`: ids of the texts that it shows people."""
    return FactWords(
        versions=frozenset(versions),
        purposes=frozenset(catalogue.purposes),
        categories=frozenset(catalogue.categories),
        recipients=frozenset(catalogue.recipients),
    )


def fact_faults(rule: FactRule) -> Iterator[tuple[str, str]]:
    """(key, what is wrong and how to mend it) of a rule, whatever its record."""
    fact = FACTS.get(rule.fact)
    if fact is None:
        yield "fact", unknown("fact", rule.fact, FACTS)
        return
    if (rule.mark is None) != (not rule.marks):
        yield (
            "mark",
            "mark and marks do not go together; name a field in mark, and in marks what its values mean",
        )
    if not rule.marks and not rule.says:
        yield "says", f"is missing; write one of {', '.join(fact.says)}"
    for word in [*rule.marks.values(), *([rule.says] if rule.says else [])]:
        if word not in fact.says:
            yield "marks" if rule.marks else "says", unknown("word", word, fact.says)
    for key in FACT_FIELDS:
        if getattr(rule, key) is not None and key not in {
            *fact.takes,
            "where",
            *(["about"] if fact.about else []),
        }:
            yield key, f"is nothing that a fact {rule.fact} has; leave it out"
    if fact.about and rule.about is None:
        yield "about", f"is missing; name the field with the {fact.about}"


def fact_problems(record: RecordSchema) -> Iterator[Problem]:
    """What keeps events of the record from saying what its facts are to say."""
    rules = record.annotation.facts
    if len(rules) > MOST_FACTS:
        yield Problem(record.file, f"{record.name} facts", "too many rules", f"write {MOST_FACTS} at most")
    if rules and not any(item.role == Role.OWNER for item in record.identifiers):
        mend = "give a field an identifier of role owner, or take the facts out"
        yield Problem(record.file, f"{record.name} facts", "facts about nobody", mend)
    for number, rule in enumerate(rules):
        where = f"{record.name} facts.{number}"
        for key, fault in fact_faults(rule):
            what, _, mend = fault.partition("; ")
            yield Problem(record.file, where, f"{key} {what}" if what.startswith("is ") else what, mend)
        # Those of a contract are about paths: `schemas.contract_facts` looks at them.
        if not record.contract:
            yield from _fields(record, where, rule)


def _fields(record: RecordSchema, where: str, rule: FactRule) -> Iterator[Problem]:
    for name in rule.fields:
        if record.find(name) is None or "." in name:
            mend = "name a field at the top of the record"
            yield Problem(record.file, where, f"{name} is no field", mend)
            return
    for key in _LISTS.keys() | {"about", "name"}:
        named = getattr(rule, key)
        said = record.find(named) if named else None
        if (
            said is None
            or said.type in ("string", "enum")
            or (key == "about" and _of_strings(record, said.name))
        ):
            continue
        yield Problem(record.file, where, f"{key} {said.name} is no text", "name a string or an enum")
    mark = record.find(rule.mark) if rule.mark else None
    symbols = ("true", "false") if mark and mark.type == "boolean" else record.symbols(rule.mark or "")
    if rule.mark and not symbols:
        mend = "name an enum or a boolean at the top of the record"
        yield Problem(record.file, where, f"mark {rule.mark} is no enum", mend)
    for symbol in rule.marks if symbols else ():
        if symbol not in symbols:
            what, _, mend = unknown("symbol", symbol, symbols).partition("; ")
            yield Problem(record.file, where, what, mend)


def _of_strings(record: RecordSchema, name: str) -> bool:
    """Whether a field at the top is an array of strings."""
    (kind,) = (item["type"] for item in record.json["fields"] if item["name"] == name)
    return isinstance(kind, dict) and (kind.get("type"), kind.get("items")) == ("array", "string")
