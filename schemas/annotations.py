"""What a schema says of itself: the typed form of a record's and its fields' privacy annotations."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

NO_CATEGORY = "none"
RECORD_KEYS = (
    "system",
    "subject_type",
    "purposes",
    "legal_basis",
    "origin",
    "operation",
    "retention",
    "recipients",
    "event_time",
)
OPTIONAL_RECORD_KEYS = ("identity", "clocks", "facts", "variants", "erasure", "privacy_change")
FIELD_KEYS = (
    "category",
    "identifier",
    "key",
    "link",
    "port_of",
    "free_text",
    "record_key",
    "necessity",
    "about",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a schema. `str()` is one line: file, record or record.field, what, mend."""

    file: str
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.what}; {self.mend}"


@dataclass(frozen=True, slots=True)
class SubjectReference:
    """One field that names a person: identifier kind, the person's role, the field with the source port, and the form
    in which the field holds the identifier (`forms` of the kind)."""

    field: str
    kind: str
    role: str
    port_field: str | None = None
    form: str | None = None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identifier(_Frozen):
    """`identifier` of a field. Empty strings: the schema left it out, which `schemas.check` reports.

    `form`: how the field holds it, where that is not as people write it (`forms` of the kind).
    """

    kind: str = ""
    role: str = ""
    form: str | None = None


class IdentityRule(_Frozen):
    """What an event of the record says of who an identifier belonged to. Words: `schemas.identity`.

    `form` assignment: the fields of AddressAssignment say it all, nothing else is written. Any other form: each field
    of `tokens` belongs to the first field of `subject` that is not null. `since`: field with the time since when, if
    not the event's. `marks` gives what the symbols of the enum field `mark` mean; a symbol left out says nothing.
    """

    form: str
    tokens: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    since: str | None = None
    mark: str | None = None
    marks: dict[str, str] = {}
    proof: str = ""
    source: str = ""


ClockWord = Literal["starts", "stops"]


class ClockRule(_Frozen):
    """What an event of the record says of a retention clock of its owner. Words: `schemas.clocks`.

    The clock is one of its own for each thing of which `group` is the key (a contract, a case); None: one for the
    person. `starts`: it runs from the event on; `stops`: the thing is going on, and the clock stands. Which of them an
    event says: `marks` by the symbols of the enum field `mark`, a symbol left out says nothing; without mark `says`.
    `at`: field with the time at which the clock starts; null: the thing is going on. `days_before`: for how many days
    before the event data may be about the thing, such as the use that an invoice bills. `above_zero`: field with a
    number; only an event with one above zero says anything, as a credit note settles nothing.
    """

    clock: str = ""
    group: str | None = None
    mark: str | None = None
    marks: dict[str, ClockWord] = {}
    says: ClockWord = "starts"
    at: str | None = None
    days_before: int = 0
    above_zero: str | None = None


class FactRule(_Frozen):
    """What an event of the record says of a duty towards its owner: a consent, a notice, a disclosure. Words, and which
    of the fields below a fact takes: `schemas.facts`.

    Which word an event says: `marks` by the symbols of the enum (or by true and false of the boolean) `mark`, a symbol
    left out says nothing; where `mark` is null, and without mark, `says`, empty for nothing. `where`: only events in
    which this field has a value say anything. All else names the field in which that stands: `about` ids of the
    catalogue, one or a list; `name` something of which nothing but a keyed hash is kept, such as a company's name;
    `evidence`: whether it has a value.
    """

    fact: str = ""
    mark: str | None = None
    marks: dict[str, str] = {}
    says: str = ""
    where: str | None = None
    about: str | None = None
    recipient: str | None = None
    instrument: str | None = None
    version: str | None = None
    occasion: str | None = None
    name: str | None = None
    evidence: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that it reads, each once."""
        named = [self.mark, *(getattr(self, key) for key in FACT_FIELDS)]
        return tuple(dict.fromkeys(item for item in named if item is not None))


FACT_FIELDS = ("where", "about", "recipient", "instrument", "version", "occasion", "name", "evidence")
"""Keys of a `FactRule` that name a field, besides `mark`."""


class Variant(_Frozen):
    """What holds instead of the record's own words for events with one symbol of an enum field."""

    purposes: tuple[str, ...]
    legal_basis: dict[str, str]
    retention: tuple[str, ...]


class ErasureRule(_Frozen):
    """What becomes of a record when one of the people in it is erased (GDPR Art. 17, and Art. 15(4) for the others).

    stays_for: roles in which somebody has a right of their own to the record. While another than the person who is
    erased has one of them, the record stays, redacted: whoever it is (`any`), or only if identity knows of them
    (`known`): a number outside is no reason to keep a record. retain: nobody's erasure deletes the record, it is
    redacted. redact: fields that go with the person of a role; of a role left out, those that are about it alone.
    """

    stays_for: dict[str, Literal["any", "known"]] = {"owner": "any", "joint_owner": "any"}
    retain: bool = False
    redact: dict[str, tuple[str, ...]] = {}


class RecordAnnotation(_Frozen):
    """The `innsyn` property of a record. `unknown` holds keys that are known neither as needed nor as optional,
    `absent` those of `RECORD_KEYS` that are not written. `variants`: enum field, then symbol.
    `privacy_change`: why this version says less of people, or something else, than the one before it."""

    system: str = ""
    subject_type: str = ""
    purposes: tuple[str, ...] = ()
    legal_basis: dict[str, str] = {}
    origin: str = ""
    operation: str = ""
    retention: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    event_time: str = ""
    identity: tuple[IdentityRule, ...] = ()
    clocks: tuple[ClockRule, ...] = ()
    facts: tuple[FactRule, ...] = ()
    variants: dict[str, dict[str, Variant]] = {}
    erasure: ErasureRule = ErasureRule()
    privacy_change: str = ""
    unknown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class FieldAnnotation(_Frozen):
    """One field with its `innsyn` property.

    `name` is dotted for a field of a nested record (`lines.product`), `type` the Avro type without null,
    `about` the roles the field concerns, empty for all. `category` is empty for an unannotated field. `key`: domain of
    a network key, which names nobody but leads to somebody: it gets a token, and no lineage row. `link`: how the value
    leads to the person where the record itself names nobody, such as `OrderPlaced.order_id`. `aliases`: names it had.
    """

    name: str
    type: str
    logical_type: str | None = None
    nullable: bool = False
    aliases: tuple[str, ...] = ()
    category: str = ""
    identifier: Identifier | None = None
    key: str | None = None
    link: str | None = None
    port_of: str | None = None
    free_text: bool = False
    record_key: bool = False
    necessity: str | None = None
    about: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def personal(self) -> bool:
        """Whether the field carries a data category."""
        return self.category not in ("", NO_CATEGORY)

    def concerns(self, role: str) -> bool:
        """Whether the field is about the person in this role."""
        # An identifier is about the person it names: a callee's number tells nothing of a third one.
        own = (self.identifier.role,) if self.identifier and self.identifier.role else ()
        roles = self.about or own
        return not roles or role in roles


@dataclass(frozen=True)
class RecordSchema:
    """An Avro record. `fingerprint` is the CRC-64-AVRO of its Parsing Canonical Form, 8 bytes little-endian,
    as single-object encoding carries it (Avro specification, "Single-object encoding").

    `contract`: it is the flat view of a contract (`schemas.contracts`): a field for each path, no wire format.
    """

    name: str
    fullname: str
    file: str
    json: dict[str, Any] = field(hash=False, repr=False)
    text: str = field(repr=False)
    fingerprint: bytes
    annotation: RecordAnnotation = field(hash=False)
    fields: tuple[FieldAnnotation, ...]
    flat: bool
    contract: bool = False

    @functools.cached_property
    def identifiers(self) -> tuple[SubjectReference, ...]:
        """Every field that names a person, in schema order."""
        ports = {field.port_of: field.name for field in self.fields if field.port_of}
        return tuple(
            SubjectReference(
                field.name,
                field.identifier.kind,
                field.identifier.role,
                ports.get(field.name),
                field.identifier.form,
            )
            for field in self.fields
            if field.identifier is not None
        )

    @functools.cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories of all fields, sorted."""
        return tuple(sorted({field.category for field in self.fields if field.personal}))

    def categories_for(self, role: str) -> tuple[str, ...]:
        """Categories of the fields about the person in this role, sorted."""
        return tuple(sorted({f.category for f in self.fields if f.personal and f.concerns(role)}))

    def redacted_for(self, role: str) -> tuple[str, ...]:
        """Names of the fields that go of the person in this role where the record stays for somebody else."""
        chosen = self.annotation.erasure.redact.get(role)
        if chosen is not None:
            return chosen
        own = {item.name for item in self.fields if item.identifier and item.identifier.role == role}
        return tuple(
            item.name
            for item in self.fields
            if item.personal and (item.name in own or item.port_of in own or item.about == (role,))
        )

    def variant(self, field: str, symbol: str) -> RecordAnnotation:
        """The record's words as they are for events with this symbol in the field."""
        return self.annotation.model_copy(update=dict(self.annotation.variants[field][symbol]))

    def symbols(self, name: str) -> tuple[str, ...]:
        """Symbols of an enum at the top of the record that is defined where it is used; empty for any other field."""
        for described in self.json["fields"]:
            types = described["type"] if isinstance(described["type"], list) else [described["type"]]
            enums = [item for item in types if isinstance(item, dict) and item.get("type") == "enum"]
            if described["name"] == name and enums:
                return tuple(enums[0]["symbols"])
        return ()

    @property
    def bare(self) -> bool:
        """Whether it has no annotation at all, as one that was written without knowing of them."""
        return self.annotation.absent == RECORD_KEYS and not any(item.category for item in self.fields)

    @property
    def event_time(self) -> str:
        """Name of the field that says when it happened."""
        return self.annotation.event_time

    def find(self, name: str) -> FieldAnnotation | None:
        """The field of that (dotted) name."""
        return next((field for field in self.fields if field.name == name), None)
