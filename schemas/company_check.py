"""All checks of a company in one, beyond what `load_company` refuses: versions, changes since them, and examples. Pure
but for reading its folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.annotations import Problem, RecordSchema
from schemas.changes import DEFAULT, Compatibility
from schemas.check import check_record
from schemas.codec import encode, encode_body
from schemas.company import STORY, Company
from schemas.contracts import Contract
from schemas.errors import CatalogueError, InnsynError, InvalidIdentifier, SchemaError
from schemas.example_times import unread_times
from schemas.examples import OPERATIONS, Example, change_of, example_writer, load_messages
from schemas.identifiers import canonical
from schemas.linked_examples import unshown_links
from schemas.paths import written
from schemas.records import EXAMPLES
from schemas.reserved import reserved_ids
from schemas.story import check_story, load_story
from schemas.terms import unknown_terms
from schemas.versions import same_contract, versions_of


def modes_of(company: Company) -> Mapping[str, frozenset[Compatibility]]:
    """What a new version of each record has to keep, by its topics; "" for one of no topic."""
    modes: dict[str, frozenset[Compatibility]] = {"": frozenset([DEFAULT])}
    for topic in company.topics.values():
        for name in (topic.record, *topic.also):
            modes[name] = modes.get(name, frozenset()) | {topic.compatibility}
    return modes


def company_problems(company: Company) -> list[Problem]:
    """What is wrong with the company's own records and examples; empty: it may be used."""
    modes = modes_of(company)
    found: list[Problem] = [*reserved_ids(company.folder), *unknown_terms(company.catalogue)]
    for file in sorted((company.folder / "avro").glob("*.avsc")):
        record = next(item for item in company.records.values() if Path(item.file).name == file.name)
        found += _versions(file, record)
        for mode in sorted(modes.get(record.name, modes[""])):
            found += check_record(record, company.catalogue, history=versions_of(file), compatibility=mode)
        found += _examples(company, record)
    found += [*_unheld(company), *_other_bases(company), *_messages(company)]
    known = {Path(record.file).stem for record in company.records.values()} | {*company.contracts}
    for folder in sorted((company.folder / EXAMPLES).glob("*/")):
        if folder.name not in known:
            mend = f"name the folder as the schema file or the topic of a contract, such as {min(known)}"
            found.append(Problem(f"{EXAMPLES}/{folder.name}", "folder", "examples of no record", mend))
    return list(dict.fromkeys(found))


def _unheld(company: Company) -> Iterator[Problem]:
    """Categories that a contract brings into a system of which the catalogue says that it holds others."""
    for contract in company.contracts.values():
        system = company.catalogue.systems[contract.record.annotation.system]
        strange = sorted(set(contract.record.categories) - set(system.holds)) if system.holds else []
        if strange:
            what = f"lacks {', '.join(strange)}, which {contract.record.file} says to be there"
            yield Problem(
                "catalogue/systems.yaml", f"{system.id}.holds", what, "add it, or mend the contract"
            )


def _other_bases(company: Company) -> Iterator[Problem]:
    """Legal bases on which the catalogue does not have the purpose."""
    for record in company.every_record.values():
        for purpose, letter in record.annotation.legal_basis.items():
            known = company.catalogue.purposes[purpose].legal_bases
            if letter not in known:
                what = f"is {letter}, and the catalogue has {purpose} on {' or '.join(known)}"
                mend = "write one of these, or add it in catalogue/purposes.yaml"
                yield Problem(record.file, f"{record.name}.legal_basis", what, mend)


def _versions(file: Path, record: RecordSchema) -> Iterator[Problem]:
    known = versions_of(file)
    if not known or not same_contract(known[-1].record, record):
        mend = "run `innsyn schema commit`, so that what is written with it stays readable"
        yield Problem(record.file, record.name, "is kept as no version", mend)


def _examples(company: Company, record: RecordSchema) -> Iterator[Problem]:
    where = f"{EXAMPLES}/{Path(record.file).stem}"
    try:
        examples = company.examples(record.name)
    except InnsynError as error:
        yield Problem(where, record.name, str(error), "mend the example")
        return
    if not examples:
        yield Problem(where, record.name, "has no example", "write an event as JSON into that folder")
    for number, example in enumerate(examples, 1):
        if strange := sorted(example.keys() - {field.name for field in record.fields}):
            yield Problem(
                where, record.name, f"example {number} has no field {strange[0]} in its schema", "mend it"
            )
            continue
        try:
            encode(record, example)
        except (InnsynError, ValueError, TypeError, KeyError, AttributeError):
            yield Problem(
                where, record.name, f"example {number} cannot be written by its schema", "mend a field of it"
            )


def _messages(company: Company) -> Iterator[Problem]:
    """What is wrong with the examples of topics that somebody else owns, and with the story that is made of them."""
    try:
        examples = load_messages(company)
        story = load_story(company.folder)
        if story is not None:
            check_story(story, examples)
    except SchemaError as error:
        yield Problem(error.file, error.where, *_halves(error.mend))
        return
    except CatalogueError as error:
        yield Problem(STORY, error.key, *_halves(error.mend))
        return
    for name, example in examples.items():
        file = f"{EXAMPLES}/{name}.json"
        yield from _identifiers(company, file, example)
        for where, what, mend in unread_times(example):
            yield Problem(file, where, what, mend)
        if example.contract is not None:
            yield from _foreign(company, file, example, example.contract)
    for contract in company.contracts.values():
        yield from unshown_links(contract, [item for item in examples.values() if item.contract is contract])


def _identifiers(company: Company, file: str, example: Example) -> Iterator[Problem]:
    """Identifiers of an example that are none by their kind, as a tagger tries them: such an event is a dead letter."""
    forms = {item.field: item.form for item in example.record.identifiers}
    for place, kind, _ in example.identifiers:
        known = company.kinds[kind]
        try:
            canonical(known, "" if place.value is None else str(place.value), forms[place.path or ""])
        except InvalidIdentifier:
            what = "is empty, so that it names nobody" if place.value == "" else f"is no {kind}"
            mend = (
                f"write one such as {known.example}"
                if known.example
                else "write an invented one of that kind"
            )
            yield Problem(file, written(map(str, place.steps)), what, mend)


def _foreign(company: Company, file: str, example: Example, contract: Contract) -> Iterator[Problem]:
    for place in example.places:
        if place.path is None and place.value is not None:
            mend = f"name it in {contract.record.file}, with category none if it is about nobody"
            yield Problem(file, written(map(str, place.steps)), "no path of the contract names it", mend)
    if example.value is None:
        return
    for where, what, mend in _unread(example, contract):
        yield Problem(file, where, what, mend)
    try:
        schema = example_writer(contract, company.folder)
    except SchemaError as error:
        yield Problem(error.file, error.where, *_halves(error.mend))
        return
    try:
        if schema is not None:
            encode_body(schema, example.value)
    except SchemaError as error:
        yield Problem(file, error.where, *_halves(error.mend))


def _unread(example: Example, contract: Contract) -> Iterator[tuple[str, str, str]]:
    """Where, what and mend of what a tagger could not read."""
    found = {place.path: place.value for place in example.places if place.value is not None}
    said, time = contract.record, contract.event_time
    read = {field.name for field in said.fields if field.identifier or field.free_text or field.port_of}
    for path, value in found.items():
        kind = contract.types[path] if path is not None and path in read | {time.path} else None
        if path == time.path and kind not in time.kinds:
            kind = time.kinds[0]
        if kind is not None and path is not None and not _is_of(kind, value):
            yield path, f"is no {kind}", "write it as the contract has it, or mend its type there"
    if time.path and not contract.debezium and time.path not in found:
        yield time.path, "is missing, so that nobody knows when it happened", "write a time"
    if not any(True for _ in example.identifiers):
        yield said.name, "names nobody", "write an example with an identifier that the contract names"
    if contract.debezium and change_of(example.value).get("op") not in OPERATIONS:
        yield "op", "is no operation of Debezium", f"write one of {', '.join(OPERATIONS)}"


def _is_of(kind: str, value: object) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return kind == "boolean" and isinstance(value, bool)
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float)}
    return isinstance(value, kinds[kind])


def _halves(mend: str) -> tuple[str, str]:
    what, _, rest = mend.partition("; ")
    return what, rest or "mend it"
