"""A draft of the contract for a topic, as text: what is sure as it is, the rest with `decide`, each with its evidence.

`innsyn company check` refuses it until a person has taken every `decide` out (`schemas.undecided`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from schemas.catalogue import Catalogue
from schemas.counted import counted
from schemas.paths import ANY, ITEM, steps
from schemas.undecided import DECIDE
from schemas.vocabulary import ClaimForm, Proof
from streams.discovery.formats import Format
from streams.discovery.weigh import WITHIN, Event, Judged

_PLAIN = re.compile(r"[A-Za-zÆØÅæøå_][\w.\[\]-]*(?:\.\*)?")
# YAML 1.1 reads these as no text.
_NO_TEXT = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9]+")
_AVRO = (Format.AVRO, Format.AVRO_CHANGES)
_CHANGES = (Format.CHANGES, Format.AVRO_CHANGES)
_LONGEST = 110


@dataclass(frozen=True)
class Facts:
    """What is known of a topic beside its fields. `sampled`: messages that were read; `left_out`: keys of theirs that
    the draft does not name. `partitions`, `retention`, `cleanup`: as the broker has them; no retention: for ever."""

    topic: str
    format: Format
    sampled: int
    left_out: int = 0
    owner: str = ""
    partitions: int = 1
    retention: timedelta | None = None
    cleanup: str = "delete"


def draft(
    event: Event, facts: Facts, catalogue: Catalogue, taken: Collection[str] = (), zone: str = "UTC"
) -> str:
    """The text of `contracts/<topic>.yaml`. `taken`: names of records that there are. `zone`: of times
    without offset."""
    lines = [
        *_head(facts, event),
        f"record: {record_name(facts.topic, taken)}",
        f"format: {'avro' if facts.format in _AVRO else 'json'}",
        *(["envelope: debezium"] if facts.format in _CHANGES else []),
        *_whole(event),
        *_of_the_record(facts, event.category, catalogue),
        _time(event, facts, zone),
        *_key(event),
        *_links(event, catalogue),
        "fields:",
        *(line for item in event.fields for line in _field(item)),
    ]
    return "\n".join(lines) + "\n"


def record_name(topic: str, taken: Collection[str] = ()) -> str:
    """A name for the topic's record that nothing else has."""
    words = [word for word in _NOT_IN_NAME.split(topic) if word]
    name = "".join(word[:1].upper() + word[1:] for word in words)[:80]
    name = name if name[:1].isalpha() else f"Topic{name}"
    return next(
        made for made in (name, *(f"{name}{number}" for number in range(2, 1_000))) if made not in taken
    )


def _head(facts: Facts, event: Event) -> Iterator[str]:
    count = sum(bool(item.decide) for item in event.fields)
    yield f"# Draft of the contract for {facts.topic}, from {facts.sampled:,} of its messages, by `innsyn discover`."
    yield f"# Marked `{DECIDE}`: {count} of {len(event.fields)} fields, and what no message says. Write what holds and"
    yield f"# take each `{DECIDE}` out: until none is left `innsyn company check` refuses the file."
    if facts.left_out:
        yield f"# Left out: {counted(facts.left_out, 'key')} that few of the messages have, or that may be values."
    yield "#"
    yield "# topics.yaml needs this entry:"
    yield f"# {facts.topic}:"
    field, place = event.message_key
    key = _text(field) if field and not place else "null"
    yield f"#   {{key: {key}, owner: {_text(facts.owner) if facts.owner else DECIDE}, system: {DECIDE},"
    yield f"#    partitions: {facts.partitions}, retention: {_period(facts.retention)},"
    yield f"#    cleanup_policy: {_quoted(facts.cleanup)},"
    yield "#    dead_letter: lineage.dead-letters, personal: true, tagged: true}"


def _key(event: Event) -> Iterator[str]:
    field, place = event.message_key
    if field:
        path = f", path: {_text(place)}" if place else ""
        yield f"message_key: {{field: {_text(field)}{path}}}"


def _links(event: Event, catalogue: Catalogue) -> Iterator[str]:
    """What a topic that is keyed by somebody may say of the other identifiers beside the key: no message says that."""
    field, _ = event.message_key
    subject = next((item for item in event.fields if item.path == field), None)
    if subject is None or catalogue.identifier_kinds[subject.identifier].names != "person":
        return
    tokens = [
        _text(item.path)
        for item in event.fields
        if item.identifier and item.role == subject.role and item is not subject and not _repeats(item.path)
    ]
    if tokens:
        why = f"each message is keyed by {field}: does it say whose the others are from then on? Else take it out"
        yield "identity:"
        yield f"  - {DECIDE}: {_quoted(why)}"
        yield f"    form: {ClaimForm.STATE}"
        yield f"    tokens: [{', '.join(tokens)}]"
        yield f"    subject: [{_text(field)}]"
        yield f"    proof: {Proof.HOLDER}"
        yield f"    source: {DECIDE}  # {_some(catalogue.identity_sources)}"


def _repeats(path: str) -> bool:
    return bool({ITEM, ANY} & {*steps(path)})


def _whole(event: Event) -> Iterator[str]:
    """The one category of all fields that have none of their own: a guess by words, so one thing to decide."""
    count = sum(item.category == event.category and WITHIN in item.evidence for item in event.fields)
    if event.category and count:
        fields = "1 field has" if count == 1 else f"{count} fields have"
        why = f"{fields} {event.category} because words of topic and fields speak for it; see which it is"
        yield f"{DECIDE}: {_quoted(why)}"


def _of_the_record(facts: Facts, category: str, catalogue: Catalogue) -> Iterator[str]:
    """What no message says."""
    said = _NOT_IN_NAME.split(facts.topic)
    # Those that may be meant first: of the topic's name, then such as erase by themselves.
    systems = sorted(
        catalogue.systems.values(), key=lambda item: (item.id not in said, item.erasure != "command")
    )
    rules = sorted(catalogue.retention_rules.values(), key=lambda item: category not in item.covers)
    yield f"system: {DECIDE}  # {_some(item.id for item in systems)}"
    yield f"subject_type: {DECIDE}  # {_some(catalogue.subject_types)}"
    yield f"purposes: [{DECIDE}]  # {_some(catalogue.purposes)}"
    yield f"legal_basis: {{{DECIDE}: b}}  # for each purpose its letter, such as P-CONTRACT: b"
    yield f"origin: {DECIDE}  # {_some(catalogue.origins)}"
    yield f"operation: {DECIDE}  # {_some(catalogue.operations)}"
    yield f"retention: [{DECIDE}]  # {_some(item.id for item in rules)}"
    yield f"recipients: [{DECIDE}]  # [] for none; {_some(catalogue.recipients)}"


def _period(retention: timedelta | None) -> str:
    """As topics.yaml has it (ISO 8601)."""
    if retention is None:
        return DECIDE
    return f"P{retention.days}D" if retention.days else f"PT{max(1, retention.seconds // 3600)}H"


def _some(names: Iterable[str]) -> str:
    """Some of the names, on what is left of a line."""
    shown: list[str] = []
    for name in names:
        if sum(map(len, shown)) + len(name) > _LONGEST - 50:
            return f"{', '.join(shown)} ..."
        shown.append(name)
    return ", ".join(shown)


def _time(event: Event, facts: Facts, zone: str) -> str:
    if not event.event_time:
        if facts.format in _CHANGES:
            return "event_time: {envelope: source.ts_ms}"
        return f"event_time: {{path: {DECIDE}}}  # the field with the time at which it happened"
    unit = next(item.unit for item in event.fields if item.path == event.event_time)
    path = _text(event.event_time)
    if unit == "local":
        why = _quoted("its texts give no offset: whose time is it?")
        return f"event_time: {{path: {path}, unit: iso8601, zone: {zone}, {DECIDE}: {why}}}"
    why = _quoted("is it when this happened, or the time that it is for, or of writing it down?")
    return f"event_time: {{path: {path}, unit: {unit}, {DECIDE}: {why}}}"


def _field(item: Judged) -> Iterator[str]:
    # What is meant is said once: the event's own fields would each repeat it.
    evidence = [part for part in item.evidence if part != WITHIN or len(item.evidence) == 1]
    # Of the event's category no share is told: how far it is ahead of others says little of whether it is right.
    sure = f"; {item.confidence:.0%}" if item.meaning and item.confidence else ""
    yield f"  # {'; '.join(evidence) or 'nothing says anything'}{sure}"
    yield f"  {_text(item.path)}:"
    if item.decide:
        yield f"    {DECIDE}: {_quoted(item.decide)}"
    yield f"    category: {item.category or DECIDE}"
    if item.type != "string":
        yield f"    type: {item.type}"
    if item.identifier:
        yield f"    identifier: {{kind: {item.identifier}, role: {item.role}}}"
    if item.free_text:
        yield "    free_text: true"
    if item.port_of:
        yield f"    port_of: {_text(item.port_of)}"
    if item.record_key:
        yield "    record_key: true"


def _text(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT
    return text if plain and not text.startswith((ANY, ITEM)) else _quoted(text)


def _quoted(text: str) -> str:
    """As YAML reads it on one line, whatever stands in it."""
    return json.dumps(text)
