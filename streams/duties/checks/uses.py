"""What data are used for: each use is declared, rests on a basis, and is one that the category may serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.annotations import RecordSchema
from schemas.company import Company
from schemas.tags import TagSet
from streams.duties.check import Check, Checked, Looking
from streams.duties.held import Wrong, by_tags


@dataclass(frozen=True)
class _Declared:
    """What a record says of itself, all of its variants together."""

    categories: frozenset[str]
    purposes: frozenset[str]
    origins: frozenset[str]
    recipients: frozenset[str]


def undeclared_use(looking: Looking) -> Checked:
    """Held data of a record, category, purpose, origin or recipient that nothing declares now."""
    company = looking.company
    declared = {name: _declared(record) for name, record in company.every_record.items()}
    return by_tags(looking, lambda tags: _undeclared(tags, declared, company))


def _declared(record: RecordSchema) -> _Declared:
    said = [
        record.annotation,
        *(
            record.variant(field, symbol)
            for field, variants in record.annotation.variants.items()
            for symbol in variants
        ),
    ]
    return _Declared(
        frozenset(record.categories),
        frozenset(name for item in said for name in item.purposes),
        frozenset(item.origin for item in said),
        frozenset(name for item in said for name in item.recipients),
    )


def _undeclared(tags: TagSet, declared: Mapping[str, _Declared], company: Company) -> Iterator[Wrong]:
    said, where = declared.get(tags.record), f"{tags.topic}/{tags.record}"
    if said is None:
        yield where, f"Events of {tags.record} on {tags.topic} are held, and no such record is declared."
        return
    rules = company.catalogue.retention_rules
    # What a rule holds after an erasure serves the purposes of the rule.
    held = {name for rule in tags.retention if rule in rules for name in rules[rule].purposes}
    purposes = said.purposes | held if tags.held_only else said.purposes
    strange = [
        *((name, "data of category") for name in tags.categories if name not in said.categories),
        *((name, "data for the purpose") for name in tags.purposes if name not in purposes),
        *((name, "data for the recipient") for name in tags.recipients if name not in said.recipients),
    ]
    if tags.origin not in said.origins:
        strange.append((tags.origin, "data of the origin"))
    for name, noun in strange:
        yield (
            f"{where}/{name or 'none'}",
            f"Events of {tags.record} on {tags.topic} hold {noun} {name or 'none'}, which nothing declares of them.",
        )
    for name in tags.revealed:
        category = company.catalogue.categories.get(name)
        if category is None or category.revealed is None:
            yield (
                f"{where}/{name}",
                f"Texts of {tags.record} on {tags.topic} reveal data of category {name}, which nothing declares of"
                " texts.",
            )


def category_known(looking: Looking) -> Checked:
    """Held data of a category that the catalogue does not list."""
    known = looking.company.catalogue.categories

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.every_category:
            if name not in known:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data of category {name} on {tags.topic} are held, and no list has it.",
                )
        if not tags.every_category:
            yield (
                f"{tags.topic}/none",
                f"Data on {tags.topic} are held, and nothing says of which category they are.",
            )

    return by_tags(looking, wrong)


def purpose_known(looking: Looking) -> Checked:
    """Held data that serve a purpose outside of the closed list, or none at all."""
    known = looking.company.catalogue.purposes

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.purposes:
            if name not in known:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data on {tags.topic} serve the purpose {name}, which no list has.",
                )
        if not tags.purposes and not tags.held_only:
            yield f"{tags.topic}/none", f"Data on {tags.topic} are held, and nothing says for which purpose."

    return by_tags(looking, wrong)


def purpose_allowed(looking: Looking) -> Checked:
    """Held data of a category that serves certain purposes alone (`only_for`), in events that serve none of these.

    Purposes are said of an event as a whole: one that serves an allowed purpose among others is right.
    """
    only = {item.id: item.only_for for item in looking.company.catalogue.categories.values() if item.only_for}

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.categories:
            if name in only and not {*only[name]}.intersection(tags.purposes):
                yield (
                    f"{tags.topic}/{name}",
                    f"Data of category {name} on {tags.topic} serve {_listed(tags.purposes)}, and may serve"
                    f" {_listed(only[name])} alone.",
                )

    return by_tags(looking, wrong)


def lawful_basis(looking: Looking) -> Checked:
    """Held data with a purpose that rests on no basis of GDPR Art. 6(1), or under no version of the rules."""
    letters = {item.letter for item in looking.company.catalogue.legal_bases.values()}

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.purposes:
            if tags.legal_basis.get(name) not in letters:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data on {tags.topic} serve {name}, and that rests on no basis of GDPR Art. 6(1).",
                )
        if not tags.catalogue_version.strip("\0 "):
            yield f"{tags.topic}/version", f"Data on {tags.topic} were tagged under no version of the rules."

    return by_tags(looking, wrong)


def legal_duty_cited(looking: Looking) -> Checked:
    """Held data that are said to rest on a legal obligation, for a purpose of which no law is cited."""
    purposes = looking.company.catalogue.purposes

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name, letter in tags.legal_basis.items():
            if letter == "c" and name in purposes and not purposes[name].citation:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data on {tags.topic} serve {name} as a legal obligation, and the catalogue cites no law for it.",
                )

    return by_tags(looking, wrong)


def operation_named(looking: Looking) -> Checked:
    """Held data of which nothing says what was done with them, in the words of the law."""
    known = looking.company.catalogue.operations

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        if tags.operation not in known:
            name = tags.operation or "none"
            yield (
                f"{tags.topic}/{name}",
                f"Events on {tags.topic} are of the operation {name}, which no list has.",
            )

    return by_tags(looking, wrong)


def subject_type_known(looking: Looking) -> Checked:
    """Held data of people of a kind that nothing speaks of."""
    known = looking.company.catalogue.subject_types

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        if tags.subject_type not in known:
            name = tags.subject_type or "none"
            yield (
                f"{tags.topic}/{name}",
                f"Events on {tags.topic} are about people of the kind {name}, which no list has.",
            )

    return by_tags(looking, wrong)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


CHECKS = (
    Check(
        "undeclared_use",
        "Nothing is held for a category, purpose, origin or recipient that no schema or contract declares.",
        "GDPR Art. 5(1)(a), (b), 30",
        undeclared_use,
    ),
    Check(
        "category_known",
        "Everything that is held is of a category of the list.",
        "GDPR Art. 30(1)(c)",
        category_known,
    ),
    Check(
        "purpose_known",
        "Everything that is held serves a purpose of the closed list.",
        "GDPR Art. 5(1)(b)",
        purpose_known,
    ),
    Check(
        "purpose_allowed",
        "What may serve certain purposes alone, such as national identity numbers, serves one of them.",
        "personopplysningsloven § 12",
        purpose_allowed,
    ),
    Check(
        "lawful_basis",
        "Everything that is held rests on a basis, for each purpose, under a version of the rules.",
        "GDPR Art. 5(2), 6(1)",
        lawful_basis,
    ),
    Check(
        "legal_duty_cited",
        "What is held as a legal obligation has a law that is cited.",
        "GDPR Art. 6(1)(c), 6(3)",
        legal_duty_cited,
    ),
    Check(
        "operation_named",
        "Of everything that is held it is known what was done with it.",
        "GDPR Art. 4(2)",
        operation_named,
    ),
    Check(
        "subject_type_known",
        "Everything that is held is about people of a kind that the policy covers.",
        "GDPR Art. 30(1)(c)",
        subject_type_known,
    ),
)
