"""A Confluent-compatible schema registry, spoken to over its REST interface.

confluent-kafka ships a client, but importing it needs authlib, cachetools and more; the three calls used here
are plain HTTP, and httpx is a dependency already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, TypeVar

import httpx

from schemas.annotations import RecordSchema
from schemas.errors import RegistryUnavailable, SchemaError, UnknownSchema

_T = TypeVar("_T", str, int, bool)
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
# Texts are kept, and a registry may hold any number of them.
_KEPT = 200
_UNKNOWN = httpx.codes.NOT_FOUND
_REFUSED = (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY)


class Registry:
    """Client of one registry. `url` is its base address, `auth` user name and password.

    A schema id never changes its meaning, so what was fetched once is kept.
    """

    def __init__(self, url: str, auth: tuple[str, str] | None = None, timeout: float = 10.0) -> None:
        address = httpx.URL(url)
        # Errors are logged: they may show where the registry is, not the password a URL can carry.
        self._shown = f"{address.scheme}://{address.host}" + (f":{address.port}" if address.port else "")
        self._client = httpx.Client(
            base_url=address,
            auth=auth,
            timeout=timeout,
            headers={"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE},
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
        """The Avro schema of an id, as JSON text. Errors: UnknownSchema, RegistryUnavailable."""
        if (known := self._schemas.get(schema_id)) is not None:
            return known
        answer = self._call("GET", f"/schemas/ids/{schema_id}")
        if answer.status_code == _UNKNOWN:
            raise UnknownSchema(
                "unknown_schema", f"id {schema_id} is not in the registry {self._shown}; register it"
            )
        text = self._member(answer, "schema", str)
        while len(self._schemas) >= _KEPT:
            del self._schemas[next(iter(self._schemas))]
        self._schemas[schema_id] = text
        return text

    def versions(self, subject: str) -> Iterator[tuple[int, str]]:
        """Id and Avro schema (JSON text) of every version of a subject, oldest first; none for a subject that is not
        there. Errors: RegistryUnavailable."""
        answer = self._call("GET", f"/subjects/{subject}/versions")
        if answer.status_code == _UNKNOWN:
            return
        try:
            numbers = [int(number) for number in answer.json()]
        except (ValueError, TypeError, RecursionError):
            raise self._unavailable("answers in another form than a schema registry; mend the URL") from None
        for number in numbers:
            version = self._call("GET", f"/subjects/{subject}/versions/{number}")
            if version.status_code != _UNKNOWN:
                yield self._member(version, "id", int), self._member(version, "schema", str)

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
        if answer.status_code == _UNKNOWN:
            return True
        self._raise_refusal(answer, subject, record)
        return self._member(answer, "is_compatible", bool)

    def _raise_refusal(self, answer: httpx.Response, subject: str, record: RecordSchema) -> None:
        if answer.status_code in _REFUSED:
            why = "incompatible with the latest version" if answer.status_code == _REFUSED[0] else "invalid"
            mend = f"the registry calls it {why} (subject {subject}); mend it, `innsyn schema check` helps"
            raise SchemaError(record.file, record.name, mend)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise self._unavailable(
                f"does not answer ({type(error).__name__}); start it or mend the URL"
            ) from None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._unavailable("refuses the credentials; set INNSYN_REGISTRY_USERNAME and _PASSWORD")
        if answer.is_success or answer.status_code in (_UNKNOWN, *_REFUSED):
            return answer
        raise self._unavailable(f"answers HTTP {answer.status_code}; look into its log")

    def _member(self, answer: httpx.Response, key: str, kind: type[_T]) -> _T:
        try:
            value = answer.json()[key]
        except (ValueError, KeyError, TypeError, RecursionError):
            value = None
        if not isinstance(value, kind):
            raise self._unavailable("answers in another form than a schema registry; mend the URL")
        return value

    def _unavailable(self, what: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"schema registry {self._shown} {what}")
