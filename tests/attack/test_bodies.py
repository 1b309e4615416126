"""Bodies that nobody asked for on the API's port, and what is sent ahead or is no request."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest

from console.api.protection.body import BODY_LIMIT
from tests.support.sockets import HEAD, QUESTION, Serve, answer, asked, connection, serve

__all__ = ["serve"]


ENDLESS = (b"Content-Length: 900000000000\r\n", b"Transfer-Encoding: chunked\r\n")


@pytest.mark.parametrize("announced", [*ENDLESS, b"Content-Length: 10\r\nConnection: close\r\n"])
def test_a_body_is_not_read_from_who_may_not_send_one(serve: Serve, announced: bytes) -> None:
    """Without the token the answer comes before the body, and with a large one the connection ends: nobody reads on."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\nHost: innsyn\r\n" + announced + b"\r\n")
        assert answer(one)[0] == 401


def test_who_has_the_wrong_token_is_told_so_also_when_its_body_comes_later(serve: Serve) -> None:
    """As HTTP libraries send: head and body in two pieces. A reset in between would hide the answer."""
    server = serve()
    with closing(connection(server.address)) as one:
        head = b"POST /v1/lineage/query HTTP/1.1\r\nHost: innsyn\r\nContent-Length: %d\r\n\r\n" % len(
            QUESTION
        )
        one.sendall(head)
        received = one.recv(65_536)
        one.sendall(QUESTION)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nConnection: close\r\n\r\n")
        while data := one.recv(65_536):
            received += data
        assert received.startswith(b"HTTP/1.1 401 ")
        assert b"HTTP/1.1 200 OK" in received


def test_a_body_that_is_too_large_is_refused_by_its_head(serve: Serve) -> None:
    """With the token as well; 100 Continue is said only to one that will be read."""
    server = serve()
    sent = b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\n"
    with closing(connection(server.address)) as one:
        one.sendall(sent + ENDLESS[0] + b"\r\n")
        assert answer(one)[0] == 413
    with closing(connection(server.address)) as one:
        one.sendall(sent + b"Content-Length: 10\r\n\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/nowhere"])
def test_what_is_open_to_all_takes_no_body(serve: Serve, path: str) -> None:
    """It is not read: the answer comes at once and ends the connection."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(
            b"GET " + path.encode() + b" HTTP/1.1\r\nHost: innsyn\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert answer(one)[0] in (200, 404)


def test_a_body_that_never_ends_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from somebody with the token."""
    monkeypatch.setattr("console.api.protection.guard.BODY_SECONDS", 0.3)
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Content-Length: 20\r\n\r\n{")
        status, text = answer(one)
        assert (status, b"the body was not there within" in text) == (408, True)


def test_a_body_in_pieces_ends_at_the_limit(serve: Serve) -> None:
    """Chunked, so that its head says nothing of its size; memory stays bounded."""
    server = serve()
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with closing(connection(server.address)) as one:
        one.sendall(b"POST /v1/lineage/query HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 16 * BODY_LIMIT:
                one.sendall(piece)
                sent += 65_536
        except OSError:
            pass
        assert sent < 16 * BODY_LIMIT


def test_requests_sent_ahead_are_answered_one_after_the_other(serve: Serve) -> None:
    """Pipelined: a thousand in one piece take one connection and no more memory than one."""
    server = serve()
    with closing(connection(server.address)) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\n\r\n" * 999)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: innsyn\r\nConnection: close\r\n\r\n")
        assert answer(one)[1].count(b"HTTP/1.1 200 OK") == 1_000


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n", b"A" * 200_000, b"\r\n" * 50_000]
)
def test_what_is_no_request_ends_its_connection_alone(serve: Serve, sent: bytes) -> None:
    """TLS, an unknown version, a head without end, empty lines."""
    server = serve(head_seconds=0.6)
    with closing(connection(server.address)) as one:
        with suppress(OSError):
            one.sendall(sent)
        assert answer(one)[0] in (400, 0)
    assert asked(server.address)[0] == 200
