"""A Confluent-compatible schema registry, spoken to over its REST interface.

confluent-kafka ships a client, but importing it needs authlib, cachetools and more; the three calls used here
are plain HTTP, and httpx is a dependency already.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import httpx

from schemas.annotations import RecordSchema
from schemas.bounds import LARGEST_TEXT
from schemas.errors import RegistryUnavailable, SchemaError, SchemaTooLarge, UnknownSchema

_T = TypeVar("_T", str, int, bool)
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
# Texts are kept, and a registry may hold any number of them.
_KEPT = 200
# What it says besides a schema is short, and JSON writes a sign in up to six bytes.
LARGEST_ANSWER = 4 * 1024 * 1024
_OWNERS, _LONGEST_OWNER = ("owner", "team", "owner_team", "application.owner"), 100
_UNKNOWN = httpx.codes.NOT_FOUND
_REFUSED = (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes

    def json(self) -> Any:
        """Raises ValueError, RecursionError."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Registered:
    """A schema as the registry has it. `kind`: AVRO, JSON or PROTOBUF; `owner`: who the registry's metadata say answers
    for it, "" where they do not."""

    kind: str
    text: str = field(repr=False)
    owner: str = ""


class _TooLarge(Exception):
    """The answer is larger than any may be."""


class Registry:
    """Client of one registry. `url` is its base address, `auth` user name and password.

    A schema id never changes its meaning, so what was fetched once is kept.
    """

    def __init__(self, url: str, auth: tuple[str, str] | None = None, timeout: float = 10.0) -> None:
        address = httpx.URL(url)
        # Errors are logged: they may show where the registry is, not the password a URL can carry.
        self._shown = f"{address.scheme}://{address.host}" + (f":{address.port}" if address.port else "")
        self._seconds = timeout
        self._client = httpx.Client(
            base_url=address,
            auth=auth,
            timeout=timeout,
            # Packed, a small answer could be any size.
            headers={"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE, "Accept-Encoding": "identity"},
        )
        self._schemas: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"Registry({self._shown})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def schema(self, schema_id: int) -> str:
        """The Avro schema of an id, as JSON text. Errors: UnknownSchema, RegistryUnavailable; SchemaTooLarge for one
        that is not even read."""
        if (known := self._schemas.get(schema_id)) is not None:
            return known
        answer = self._schema(f"/schemas/ids/{schema_id}", f"registry id {schema_id}")
        if answer.status == _UNKNOWN:
            raise UnknownSchema(
                "unknown_schema", f"id {schema_id} is not in the registry {self._shown}; register it"
            )
        text = self._member(answer, "schema", str)
        while len(self._schemas) >= _KEPT:
            del self._schemas[next(iter(self._schemas))]
        self._schemas[schema_id] = text
        return text

    def latest(self, subject: str) -> Registered | None:
        """The newest schema of a subject, whatever its kind; None where there is no such subject. Errors:
        RegistryUnavailable, SchemaTooLarge."""
        return self._registered(f"/subjects/{subject}/versions/latest", subject)

    def by_id(self, schema_id: int) -> Registered | None:
        """The schema of an id, whatever its kind; None where there is none. Errors: as `latest`."""
        return self._registered(f"/schemas/ids/{schema_id}", f"registry id {schema_id}")

    def _registered(self, path: str, name: str) -> Registered | None:
        answer = self._schema(path, name)
        if answer.status == _UNKNOWN:
            return None
        text = self._member(answer, "schema", str)
        said = answer.json()
        # Left out for Avro, as there was nothing else once.
        kind = said.get("schemaType") or "AVRO"
        return Registered(str(kind).upper(), text, _owner(said))

    def versions(self, subject: str) -> Iterator[tuple[int, str]]:
        """Id and Avro schema (JSON text) of every version of a subject, oldest first; none for a subject that is not
        there. Errors: RegistryUnavailable; SchemaTooLarge after the others, if one is not even read."""
        answer = self._call("GET", f"/subjects/{subject}/versions")
        if answer.status == _UNKNOWN:
            return
        try:
            numbers = [int(number) for number in answer.json()]
        except (ValueError, TypeError, RecursionError):
            raise self._unavailable("answers in another form than a schema registry; mend the URL") from None
        too_large = None
        for number in numbers:
            try:
                version = self._schema(
                    f"/subjects/{subject}/versions/{number}", f"{subject} version {number}"
                )
            except SchemaTooLarge as error:
                too_large = too_large or error
                continue
            if version.status != _UNKNOWN:
                yield self._member(version, "id", int), self._member(version, "schema", str)
        if too_large is not None:
            raise too_large

    def register(self, subject: str, record: RecordSchema) -> int:
        """Put a record under a subject (`<topic>-value`) and return its id, the same if it was there already.

        Errors: SchemaError if the registry refuses it (incompatible, invalid), RegistryUnavailable.
        """
        answer = self._call("POST", f"/subjects/{subject}/versions", {"schema": record.text})
        self._raise_refusal(answer, subject, record)
        return self._member(answer, "id", int)

    def compatible(self, subject: str, record: RecordSchema) -> bool:
        """Whether the registry would take the record as next version of the subject; True for a new subject.

        Errors: SchemaError if it is no valid schema there, RegistryUnavailable.
        """
        answer = self._call(
            "POST", f"/compatibility/subjects/{subject}/versions/latest", {"schema": record.text}
        )
        if answer.status == _UNKNOWN:
            return True
        self._raise_refusal(answer, subject, record)
        return self._member(answer, "is_compatible", bool)

    def _raise_refusal(self, answer: _Answer, subject: str, record: RecordSchema) -> None:
        if answer.status in _REFUSED:
            why = "incompatible with the latest version" if answer.status == _REFUSED[0] else "invalid"
            mend = f"the registry calls it {why} (subject {subject}); mend it, `innsyn schema check` helps"
            raise SchemaError(record.file, record.name, mend)

    def _schema(self, path: str, name: str) -> _Answer:
        """An answer that is as large as whoever registered a schema made it: no fault of the registry."""
        try:
            return self._read("GET", path)
        except _TooLarge:
            mend = f"is larger than {LARGEST_TEXT // 1024} KiB; split it"
            raise SchemaTooLarge(name, "schema", mend) from None

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> _Answer:
        try:
            return self._read(method, path, body)
        except _TooLarge:
            raise self._unavailable("answers in another form than a schema registry; mend the URL") from None

    def _read(self, method: str, path: str, body: dict[str, Any] | None = None) -> _Answer:
        content = bytearray()
        # Each part of an answer has its own time-out: one that trickles would hold the tagger for good.
        until = time.monotonic() + self._seconds
        try:
            with self._client.stream(method, path, json=body) as answer:
                for part in answer.iter_raw():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise _TooLarge
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout("it trickles")
        except httpx.HTTPError as error:
            raise self._unavailable(
                f"does not answer ({type(error).__name__}); start it or mend the URL"
            ) from None
        status = answer.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._unavailable("refuses the credentials; set INNSYN_REGISTRY_USERNAME and _PASSWORD")
        if answer.is_success or status in (_UNKNOWN, *_REFUSED):
            return _Answer(status, bytes(content))
        raise self._unavailable(f"answers HTTP {status}; look into its log")

    def _member(self, answer: _Answer, key: str, kind: type[_T]) -> _T:
        try:
            value = answer.json()[key]
        except (ValueError, KeyError, TypeError, RecursionError):
            value = None
        if not isinstance(value, kind):
            raise self._unavailable("answers in another form than a schema registry; mend the URL")
        return value

    def _unavailable(self, what: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"schema registry {self._shown} {what}")


def _owner(said: Mapping[str, Any]) -> str:
    """Of the metadata that a registry may keep beside a schema ("data contracts"), the property that names an owner."""
    metadata = said.get("metadata")
    properties = metadata.get("properties") if isinstance(metadata, dict) else None
    if not isinstance(properties, dict):
        return ""
    owners = (properties.get(key) for key in _OWNERS)
    return next((found.strip()[:_LONGEST_OWNER] for found in owners if isinstance(found, str)), "")
