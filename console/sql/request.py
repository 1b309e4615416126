"""What a client of ClickHouse's HTTP interface asks: its address, its headers and its body, read."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from urllib.parse import parse_qsl

import pyarrow as pa

from console.api.protection.body import BODY_LIMIT
from sinks.ports.sql import SqlError, SqlQuery

# Of the transport, and no settings of the query. A session holds nothing here, as nothing can be set in it.
_TRANSPORT = re.compile(
    r"query|user|password|database|default_format|query_id|session_(?:id|timeout|check)|quota_key|role"
    r"|(?:de)?compress|buffer_size|wait_end_of_query|client_protocol_version|enable_http_compression"
    r"|http_zlib_compression_level|http_write_exception_in_output_format|http_response_buffer_size"
    r"|send_progress_in_http_headers|http_headers_progress_interval_ms|http_make_head_request"
    r"|output_format_parallel_formatting|param_.*"
)
_QUERY_ID = re.compile(r"[\w.:-]{1,64}")
_MOST_FIELDS = 1_000
# A part that holds parts of its own, which the parser would follow down.
_NESTED = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_CODECS = ("lz4", "zstd", "gzip", "br")


@dataclass(frozen=True)
class Login:
    """Who it says it is. `given`: whether it says anything."""

    user: str = ""
    password: str = field(default="", repr=False)
    given: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that has a query. `codec`: in which the client takes the answer, "" for none; `blocks`: it takes it
    in ClickHouse's own compressed blocks. `query_id`: as the client names it."""

    query: SqlQuery
    codec: str
    blocks: bool
    query_id: str


def fields_of(query_string: bytes) -> dict[str, str]:
    """Fields of an address. Raises SqlError."""
    try:
        pairs = parse_qsl(
            query_string.decode("latin-1"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise SqlError(62, "SYNTAX_ERROR", "the address has too many fields, or is not UTF-8") from None
    return dict(pairs)


def login_of(headers: Mapping[str, str], fields: Mapping[str, str]) -> Login:
    """From a header Authorization (Basic), X-ClickHouse-User and -Key, or the fields `user` and `password`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme:
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        return Login(user, password, True) if scheme.lower() == "basic" else Login(given=True)
    user = headers.get("x-clickhouse-user", fields.get("user", ""))
    password = headers.get("x-clickhouse-key", fields.get("password", ""))
    return Login(user, password, bool(user or password))


def asked_of(headers: Mapping[str, str], fields: Mapping[str, str], body: bytes) -> Asked:
    """The query and how it shall be answered. Raises SqlError."""
    if fields.get("decompress") == "1":
        text = "decompress=1 is not offered; send the query as it is, or with a Content-Encoding"
        raise SqlError(48, "NOT_IMPLEMENTED", text)
    body = _unpacked(body, headers.get("content-encoding", "identity").lower())
    known = dict(fields)
    if headers.get("content-type", "").startswith("multipart/form-data"):
        known |= _form_fields(headers["content-type"], body)
        body = b""
    named = known.get("query", "").encode()
    sent = named + b"\n" + body if named.strip() and body.strip() else named if named.strip() else body
    try:
        text = sent.decode()
    except UnicodeDecodeError:
        raise SqlError(62, "SYNTAX_ERROR", "the query is not UTF-8") from None
    if not text.strip():
        raise SqlError(62, "SYNTAX_ERROR", "Empty query")
    accepted = (part.split(";")[0].strip() for part in headers.get("accept-encoding", "").split(","))
    wanted = known.get("enable_http_compression") == "1"
    query_id = known.get("query_id", "")
    return Asked(
        SqlQuery(
            text=text,
            format=known.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
            parameters={name[6:]: value for name, value in known.items() if name.startswith("param_")},
            settings={name: value for name, value in known.items() if not _TRANSPORT.fullmatch(name)},
            database=known.get("database") or headers.get("x-clickhouse-database") or "",
        ),
        codec=next((name for name in accepted if wanted and name in _CODECS), ""),
        blocks=known.get("compress") == "1",
        query_id=query_id if _QUERY_ID.fullmatch(query_id) else "",
    )


def _unpacked(body: bytes, encoding: str) -> bytes:
    """A body as it was before it was packed. What unpacks to more than a body may have is refused."""
    if encoding == "identity" or not body:
        return body
    if encoding not in (*_CODECS, "deflate"):
        raise SqlError(
            48, "NOT_IMPLEMENTED", "that Content-Encoding is not offered; gzip, deflate, lz4, zstd and br are"
        )
    try:
        if encoding == "deflate":
            found = zlib.decompressobj().decompress(body, BODY_LIMIT + 1)
        else:
            codec = "brotli" if encoding == "br" else encoding
            found = pa.input_stream(pa.py_buffer(body), compression=codec).read(BODY_LIMIT + 1)
    except (OSError, zlib.error):
        raise SqlError(271, "CANNOT_DECOMPRESS", f"the body is not valid {encoding}") from None
    if len(found) > BODY_LIMIT:
        raise SqlError(62, "SYNTAX_ERROR", f"a query has at most {BODY_LIMIT} bytes; send less")
    return bytes(found)


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """Fields of a form. A file in it would be a table of the client's own."""
    if _NESTED.search(body):
        raise SqlError(
            48, "NOT_IMPLEMENTED", "a form within a form is not offered; send a field as plain text"
        )
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    found: dict[str, str] = {}
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
        if part.get_filename() is not None or len(found) > _MOST_FIELDS:
            raise SqlError(
                48, "NOT_IMPLEMENTED", "tables of the client's own (external data) are not offered"
            )
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        try:
            found[str(name)] = payload.decode() if isinstance(payload, bytes) else ""
        except UnicodeDecodeError:
            raise SqlError(62, "SYNTAX_ERROR", "a field of the form is not UTF-8") from None
    return found
