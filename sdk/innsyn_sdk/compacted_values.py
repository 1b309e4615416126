"""How the values of compacted topics are written, and which command wrote one."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from innsyn_sdk.mapping import JobFile, NotAJob
from innsyn_sdk.matching import NeedsPerson

HEADER = "innsyn-command"
"""Of a message that an erasure wrote: its command."""
JUDGED = "innsyn-judged"
"""Of a message that a job wrote: the offset before which it had looked at the partition, and for what. What somebody
else wrote between that and the message nobody has looked at, whatever ended the job then."""
Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Format:
    """How values are written: JSON where there are no schemas, else Avro by what stands before the body."""

    schemas: Mapping[bytes, Any] = field(default_factory=dict)

    def read(self, value: bytes, where: str) -> tuple[bytes, dict[str, Any]]:
        """What stands before the body, and the fields. Raises NeedsPerson."""
        try:
            if not self.schemas:
                row = json.loads(value)
                if isinstance(row, dict):
                    return b"", row
                raise ValueError
            prefix = value[: 10 if value[:2] == b"\xc3\x01" else 5]
            body = io.BytesIO(value[len(prefix) :])
            found = schemaless_reader(body, self.schemas[prefix], None)
            if body.read(1) or not isinstance(found, dict):
                raise ValueError
        except Exception as error:  # noqa: BLE001 - a value may be anything, and its text is not to be shown
            raise NeedsPerson(f"{where} cannot be read ({type(error).__name__})") from None
        return prefix, found

    def write(self, prefix: bytes, row: Mapping[str, Any], where: str) -> bytes:
        """The value again. Raises NeedsPerson where a field may not be what it was blanked to."""
        if not self.schemas:
            return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        body = io.BytesIO()
        try:
            schemaless_writer(body, self.schemas[prefix], dict(row), strict=True)
        except Exception as error:  # noqa: BLE001 - see above
            raise NeedsPerson(
                f"{where} may not be blanked so; give a `blank` ({type(error).__name__})"
            ) from None
        return prefix + body.getvalue()


@dataclass(frozen=True)
class Message:
    """The newest of its key. `value` None: a tombstone. `by`: the command that wrote it, if one did."""

    partition: int
    offset: int
    value: bytes | None
    headers: Headers

    @property
    def by(self) -> str | None:
        return self._header(HEADER)

    @property
    def judged(self) -> tuple[int, str] | None:
        """What `judged_header` wrote; None of a message that no job wrote."""
        offset, _, purpose = (self._header(JUDGED) or "").partition(" ")
        return (int(offset), purpose) if offset.isdecimal() and purpose else None

    def judged_header(self, offset: int, purpose: str) -> Headers:
        """The headers with what a job looked at before it wrote, and for what: a command, or CHANGED."""
        kept = tuple(item for item in self.headers if item[0] != JUDGED)
        return (*kept, (JUDGED, f"{offset} {purpose}".encode()))

    def _header(self, wanted: str) -> str | None:
        found = [value for name, value in self.headers if name == wanted and value is not None]
        return found[-1].decode(errors="replace") if found else None


def format_of(file: JobFile) -> Format:
    """How the values of a job's topics are written. Raises NotAJob."""
    own, folder = file.own["compacted"], file.path.parent
    if file.text("compacted", "format", "json") == "json":
        return Format()
    try:
        by_print = {}
        for name in own.get("schemas", ()):
            schema = json.loads((folder / name).read_text("utf-8"))
            digits = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
            by_print[b"\xc3\x01" + bytes.fromhex(digits)] = parse_schema(schema)
        by_id = {
            b"\0" + int(number).to_bytes(4, "big"): parse_schema(
                json.loads((folder / name).read_text("utf-8"))
            )
            for number, name in own.get("schema_ids", {}).items()
        }
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a schema is told the same way
        raise NotAJob(f"{file.path}: a schema cannot be read ({type(error).__name__}: {error})") from None
    if not by_print and not by_id:
        raise NotAJob(
            f"{file.path}: [compacted] needs `schemas` or `schema_ids` for Avro; format is json or avro"
        )
    return Format(by_print | by_id)
