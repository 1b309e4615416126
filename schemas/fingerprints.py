"""By what a schema is known: its Parsing Canonical Form and the fingerprints of that form (Avro specification)."""

from __future__ import annotations

from dataclasses import dataclass

from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas.annotations import RecordSchema
from schemas.codec import single_object_prefix


@dataclass(frozen=True)
class Fingerprints:
    """In hexadecimal digits. `crc_64_avro`: the number, as Java's `SchemaNormalization.parsingFingerprint64` has it.
    `frame`: the ten bytes before the body in single-object encoding, which hold that number in reversed order."""

    crc_64_avro: str
    frame: str
    sha256: str


def canonical_form(record: RecordSchema) -> str:
    """The Parsing Canonical Form: what bytes depend on, without docs, defaults, annotations and logical types."""
    return str(to_parsing_canonical_form(record.json))


def fingerprints_of(record: RecordSchema) -> Fingerprints:
    return Fingerprints(
        crc_64_avro=record.fingerprint[::-1].hex(),
        frame=single_object_prefix(record).hex(),
        sha256=fingerprint(canonical_form(record), "sha256"),
    )
