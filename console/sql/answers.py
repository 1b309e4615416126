"""Answers as clients of ClickHouse's HTTP interface expect them: headers, compression, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

import pyarrow as pa
from starlette.responses import Response

from console.sql.blocks import compressed
from console.sql.request import Asked
from sinks.ports.sql import SqlAnswer, SqlError

_BAD = HTTPStatus.BAD_REQUEST
_STATUS: Mapping[int, HTTPStatus] = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 43, 53, 62, 70, 72, 130, 271, 456, 457), _BAD),
    **dict.fromkeys((46, 47, 50, 60, 73, 81, 115), HTTPStatus.NOT_FOUND),
    **dict.fromkeys((164, 497, 516), HTTPStatus.FORBIDDEN),
    48: HTTPStatus.NOT_IMPLEMENTED,
    159: HTTPStatus.REQUEST_TIMEOUT,
    202: HTTPStatus.SERVICE_UNAVAILABLE,
    210: HTTPStatus.SERVICE_UNAVAILABLE,
}
_TYPES = (
    ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONCompactEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONStringsEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONLines", "application/x-ndjson; charset=UTF-8"),
    ("NDJSON", "application/x-ndjson; charset=UTF-8"),
    ("JSON", "application/json; charset=UTF-8"),
    ("CSVWith", "text/csv; charset=UTF-8; header=present"),
    ("CSV", "text/csv; charset=UTF-8; header=absent"),
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ("TSV", "text/tab-separated-values; charset=UTF-8"),
    ("XML", "application/xml; charset=UTF-8"),
    ("Markdown", "text/markdown; charset=UTF-8"),
    *(
        (name, "application/octet-stream")
        for name in ("Native", "RowBinary", "Parquet", "Arrow", "ORC", "MsgPack", "RawBLOB")
    ),
)  # fmt: skip


def plain_ok() -> Response:
    """What an endpoint says that is there."""
    return Response(b"Ok.\n", media_type="text/html; charset=UTF-8")


def answered(answer: SqlAnswer, asked: Asked, query_id: str) -> Response:
    """The answer of a query, packed as the client takes it."""
    summary = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": 0,
        "written_bytes": 0,
        "total_rows_to_read": answer.read_rows,
        "result_rows": answer.rows,
        "result_bytes": len(answer.body),
        "elapsed_ns": round(answer.seconds * 1e9),
    }
    headers = {
        **_always(query_id),
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
        # Written out: the framework would add a character set to text.
        "Content-Type": next(
            (kind for name, kind in _TYPES if answer.format.startswith(name)), "text/plain; charset=UTF-8"
        ),
    }
    body = compressed(answer.body) if asked.blocks else answer.body
    if asked.codec:
        headers["Content-Encoding"] = asked.codec
        body = _packed(body, asked.codec)
    return Response(body, headers=headers)


def refused(error: SqlError, query_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a server says it."""
    named = f" ({error.name})" if error.name else ""
    return Response(
        f"Code: {error.code}. DB::Exception: {error}{'' if str(error).endswith('.') else '.'}{named} (innsyn)\n",
        status_code=_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR),
        headers={
            **_always(query_id),
            "X-ClickHouse-Exception-Code": str(error.code),
            "Content-Type": "text/plain; charset=UTF-8",
            **(headers or {}),
        },
    )


def _always(query_id: str) -> dict[str, str]:
    return {
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Server-Display-Name": "innsyn",
        "X-ClickHouse-Timezone": "UTC",
        "Cache-Control": "no-store",
    }


def _packed(body: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "brotli" if codec == "br" else codec) as stream:
        stream.write(body)
    return bytes(sink.getvalue())
