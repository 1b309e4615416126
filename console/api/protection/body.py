"""The body of a request, as far as it may be read."""

from __future__ import annotations

from starlette.types import Receive, Scope

BODY_LIMIT = 1024 * 1024
BODY_SECONDS = 30.0


class Gone(Exception):
    """The client left before its body was whole: nobody is there to be answered."""


def announced(scope: Scope) -> int | None:
    """Bytes of the body as its head says, None for one that comes in pieces. The server refused what is no number."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    length: bytes = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else None


async def body_of(receive: Receive) -> bytes | None:
    """The whole body, None if it is larger than allowed. Raises Gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            return None
        if not message.get("more_body", False):
            return bytes(body)
