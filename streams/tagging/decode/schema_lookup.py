"""Which schema wrote a message: from `schemas/` by fingerprint, or from the registry by id.

What a registry holds is written by others: it is used only if it passes what `innsyn schema check` asks of a file. Of a
committed version, which passed once, it is asked whether the catalogue still knows its words. The messages of any other
are parked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.annotations import Problem
from schemas.catalogue import Catalogue
from schemas.changes import unexplained_changes
from schemas.check import check_record
from schemas.codec import CONFLUENT_MAGIC
from schemas.contracts import Contract
from schemas.errors import DecodeError, SchemaError, SchemaTooLarge, UnknownSchema
from schemas.records import RecordSchema, parse_record, read_record
from schemas.versions import Committed, names_of, same_contract

BROKEN = "schema_refused"
"""A rule is broken that is not about a word of the catalogue."""
SAYS_LESS = "unexplained_privacy_change"
"""The schema says less of people, or something else, than the committed one of its record, and gives no reason."""
_KEPT = 200
# Words of the catalogue that a reason may name: reasons are labels of metrics, so there is an end to them.
NOUNS = (
    "system",
    "subject type",
    "purpose",
    "origin",
    "operation",
    "retention rule",
    "recipient",
    "source of identity",
    "legal basis",
    "category",
    "identifier kind",
    "identifier role",
    "role",
)


class SchemaSource(Protocol):
    """A registry. Raises UnknownSchema, RegistryUnavailable, SchemaTooLarge."""

    def schema(self, schema_id: int) -> str: ...


@dataclass(frozen=True)
class Refused:
    """A schema that breaks a rule: the reason of its dead letters, and the rule in words for a person."""

    reason: str
    rule: str


class RefusedSchema(DecodeError):
    """The schema of a message breaks a rule, so that it tags nothing until schema or catalogue are mended."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason, refused.rule)
        self.rule = refused.rule


class WriterSchemas:
    """Resolves framing prefixes to annotated records, remembering what it resolved."""

    def __init__(
        self,
        records: Iterable[RecordSchema],
        catalogue: Catalogue,
        registry: SchemaSource | None = None,
        contracts: Iterable[Contract] = (),
    ) -> None:
        """`records`: all that may have been written, older versions before newer ones. An event is tagged by what the
        version that wrote it says; of versions with one fingerprint, which differ in annotations alone, the newest.
        `catalogue`: whose words they may use. `contracts`: what they say holds for the events they are about,
        whose schemas need no annotations.
        """
        known = list(records)
        self._by_fingerprint = {record.fingerprint: record for record in known}
        self._committed = known
        self._names = names_of({record.name: record for record in known})
        self._registry = registry
        self._catalogue = catalogue
        self._foreign = {item.record.name: item for item in contracts}
        self._judged: dict[tuple[bytes, bool], RecordSchema | Refused] = {}

    def resolve(self, prefix: bytes, expected: str) -> RecordSchema:
        """The record that the prefix names. Raises UnknownSchema (may be known later), RegistryUnavailable,
        RefusedSchema, or DecodeError: unexpected_record if it is not `expected`.
        """
        contract = self._foreign.get(expected)
        key = prefix, contract is not None
        found = self._judged.get(key)
        if found is None:
            found = self._judge(prefix) if contract is None else self._written(prefix, contract)
            while len(self._judged) >= _KEPT:
                del self._judged[next(iter(self._judged))]
            self._judged[key] = found
        if isinstance(found, Refused):
            raise RefusedSchema(found)
        if contract is None and found.name not in self._names.get(expected, (expected,)):
            raise DecodeError("unexpected_record", f"{found.name} instead of {expected}")
        return found

    def may_learn(self, prefix: bytes) -> bool:
        """Whether an unknown prefix could become known without a restart: only the registry learns."""
        return prefix[:1] == CONFLUENT_MAGIC and self._registry is not None

    def _judge(self, prefix: bytes) -> RecordSchema | Refused:
        if prefix[:1] == CONFLUENT_MAGIC:
            try:
                text = self._text(prefix)
            except SchemaTooLarge as error:
                return too_large(error)
            return judged(text, registered(prefix), self._catalogue, self._committed)
        record = self._by_fingerprint.get(prefix[2:])
        if record is None:
            raise UnknownSchema(
                "unknown_schema", f"fingerprint {prefix[2:].hex()} is of no version of the company's records"
            )
        return _checked(record, self._catalogue, committed=True)

    def _written(self, prefix: bytes, contract: Contract) -> RecordSchema | Refused:
        """The schema of a message that somebody else owns, whatever it says of itself."""
        if contract.writer is not None:
            if prefix and prefix[2:] != contract.writer.fingerprint:
                raise UnknownSchema("unknown_schema", f"{prefix.hex()} is not the schema of {contract.topic}")
            return contract.writer
        try:
            return read_record(self._text(prefix), registered(prefix))
        except SchemaTooLarge as error:
            return too_large(error)
        except SchemaError as error:
            return Refused(BROKEN, _shown(str(error)))

    def _text(self, prefix: bytes) -> str:
        if self._registry is None:
            raise UnknownSchema(
                "unknown_schema", f"{registered(prefix)}, but no registry is set (INNSYN_REGISTRY_URL)"
            )
        return self._registry.schema(int.from_bytes(prefix[1:], "big"))


def registered(prefix: bytes) -> str:
    """What a schema of the registry is called in place of a file's name."""
    return f"registry id {int.from_bytes(prefix[1:], 'big')}"


def judged(
    text: str, file: str, catalogue: Catalogue, committed: Iterable[RecordSchema] = ()
) -> RecordSchema | Refused:
    """The record that a schema describes, or which rule it breaks.

    `committed`: a schema that is one of these passed the rules of its day; newer rules do not end what it wrote.
    """
    try:
        record = parse_record(text, file)
    except SchemaTooLarge as error:
        return too_large(error)
    except SchemaError as error:
        return Refused("unannotated_schema", _shown(str(error)))
    known = [*committed]
    own = any(same_contract(record, item) for item in known)
    found = _checked(record, catalogue, committed=own)
    return found if own or isinstance(found, Refused) else _beside(found, known)


def too_large(error: SchemaTooLarge) -> Refused:
    """Of a schema that is not read any further."""
    return Refused("schema_too_large", _shown(str(error)))


def _beside(record: RecordSchema, known: Sequence[RecordSchema]) -> RecordSchema | Refused:
    """Beside the newest that is committed of the same record: one that says less of people hides them from answers,
    whether or not by mistake."""
    names = names_of({item.name: item for item in known})
    same = [Committed(item.file, item) for item in known if record.name in names[item.name]]
    for problem in unexplained_changes(record, same[-1:]):
        return Refused(SAYS_LESS, _shown(str(problem)))
    return record


def _checked(record: RecordSchema, catalogue: Catalogue, *, committed: bool) -> RecordSchema | Refused:
    for problem in check_record(record, catalogue):
        reason = _reason(problem)
        # A word that the catalogue has no longer is one that no answer could explain, whenever it was written.
        if reason != BROKEN or not committed:
            return Refused(reason, _shown(str(problem)))
    return record


def _reason(problem: Problem) -> str:
    for noun in NOUNS:
        if problem.what.startswith(f"unknown {noun} "):
            return f"unknown_{noun.replace(' ', '_')}"
    return BROKEN


def _shown(rule: str) -> str:
    """Words of the schema are whatever somebody wrote: nothing of them may steer a terminal or fill a log."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in rule)[:400]
