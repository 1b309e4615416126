"""Which schema wrote a message: from `schemas/` by fingerprint, or from the registry by id."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Protocol

from schemas.codec import CONFLUENT_MAGIC
from schemas.errors import DecodeError, SchemaError, UnknownSchema
from schemas.records import RecordSchema, parse_record
from schemas.versions import names_of


class SchemaSource(Protocol):
    """A registry. Raises UnknownSchema, RegistryUnavailable."""

    def schema(self, schema_id: int) -> str: ...


class WriterSchemas:
    """Resolves framing prefixes to annotated records, remembering what it resolved."""

    def __init__(
        self,
        records: Iterable[RecordSchema],
        registry: SchemaSource | None = None,
        sources: Container[str] | None = None,
    ) -> None:
        """`records`: all that may have been written, older versions before newer ones. An event is tagged by what the
        version that wrote it says; of versions with one fingerprint, which differ in annotations alone, the newest.
        `sources`: the identity sources there are; None: any.
        """
        known = list(records)
        self._by_fingerprint = {record.fingerprint: record for record in known}
        self._names = names_of({record.name: record for record in known})
        self._registry = registry
        self._sources = sources
        self._by_id: dict[bytes, RecordSchema] = {}

    def resolve(self, prefix: bytes, expected: str) -> RecordSchema:
        """The record that the prefix names. Raises UnknownSchema (may be known later), RegistryUnavailable, or
        DecodeError: unexpected_record if it is not `expected`, unannotated_schema if it says nothing of privacy.
        """
        record = self._confluent(prefix) if prefix[:1] == CONFLUENT_MAGIC else self._single_object(prefix)
        if record.name not in self._names.get(expected, (expected,)):
            raise DecodeError("unexpected_record", f"{record.name} instead of {expected}")
        return record

    def may_learn(self, prefix: bytes) -> bool:
        """Whether an unknown prefix could become known without a restart: only the registry learns."""
        return prefix[:1] == CONFLUENT_MAGIC and self._registry is not None

    def _single_object(self, prefix: bytes) -> RecordSchema:
        record = self._by_fingerprint.get(prefix[2:])
        if record is None:
            raise UnknownSchema(
                "unknown_schema", f"fingerprint {prefix[2:].hex()} is of no version in schemas/avro"
            )
        return record

    def _confluent(self, prefix: bytes) -> RecordSchema:
        if (known := self._by_id.get(prefix)) is not None:
            return known
        schema_id = int.from_bytes(prefix[1:], "big")
        if self._registry is None:
            raise UnknownSchema(
                "unknown_schema", f"id {schema_id}, but no registry is set (INNSYN_REGISTRY_URL)"
            )
        try:
            record = parse_record(self._registry.schema(schema_id), f"registry id {schema_id}")
        except SchemaError as error:
            raise DecodeError("unannotated_schema", str(error)) from error
        for rule in record.annotation.identity:
            if self._sources is not None and rule.source and rule.source not in self._sources:
                # Its claims could not be read: nobody would know this source's clock and habits.
                raise DecodeError(
                    "unknown_source", f"registry id {schema_id} names an unknown identity source"
                )
        self._by_id[prefix] = record
        return record
