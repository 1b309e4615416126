"""What a client of ClickHouse's HTTP interface sends, read; and what it is sent, packed as it takes it."""

from __future__ import annotations

import base64
import gzip
import struct

import lz4.block
import pytest

from console.api.protection.body import BODY_LIMIT
from console.sql.blocks import compressed
from console.sql.request import Login, asked_of, fields_of, login_of
from sinks.ports.sql import SqlError

BASIC = "Basic " + base64.b64encode("analyst:pass:wørd".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "fields", "login"),
    [
        ({"authorization": BASIC}, {"user": "other"}, Login("analyst", "pass:wørd", True)),
        ({"x-clickhouse-user": "a", "x-clickhouse-key": "b"}, {}, Login("a", "b", True)),
        ({}, {"user": "a", "password": "b"}, Login("a", "b", True)),
        ({}, {}, Login()),
        ({"authorization": "Bearer token"}, {"user": "a", "password": "b"}, Login(given=True)),
        ({"authorization": "Basic no-base64!"}, {}, Login(given=True)),
    ],
)
def test_who_it_says_it_is(headers: dict[str, str], fields: dict[str, str], login: Login) -> None:
    found = login_of(headers, fields)
    assert (found.user, found.password, found.given) == (login.user, login.password, login.given)


def test_parts_of_a_query_are_put_together() -> None:
    """From the address and the body; parameters and settings are told apart from what is of the transport."""
    fields = fields_of(
        b"query=SELECT%20%7Ba:String%7D&param_a=%C3%A6&max_result_rows=5&session_id=x&compress=1&default_format=CSV"
    )
    asked = asked_of({}, fields, b"FORMAT JSON")
    assert asked.query.text == "SELECT {a:String}\nFORMAT JSON"
    assert (asked.query.parameters, asked.query.settings) == ({"a": "æ"}, {"max_result_rows": "5"})
    assert (asked.query.format, asked.blocks, asked.codec) == ("CSV", True, "")


def test_a_form_is_read_and_a_table_in_it_refused() -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    field = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = field.format("query", "", "SELECT {p:UInt8}") + field.format("param_p", "", "3") + "--b--\r\n"
    asked = asked_of(kind, {}, body.encode())
    assert (asked.query.text, asked.query.parameters) == ("SELECT {p:UInt8}", {"p": "3"})
    mine = field.format("mine", '; filename="mine.csv"', "1") + "--b--\r\n"
    with pytest.raises(SqlError, match="external data"):
        asked_of(kind, {"query": "SELECT 1"}, mine.encode())


def test_a_form_in_a_form_is_refused_before_it_is_read() -> None:
    """A thousand in each other would keep the endpoint from answering anybody else."""
    kind = {"content-type": "multipart/form-data; boundary=b"}
    for nested in ("multipart/mixed; boundary=c", "MESSAGE/rfc822", "\r\n multipart/mixed"):
        body = f"--b\r\nContent-Type: {nested}\r\n\r\n--b--\r\n"
        with pytest.raises(SqlError, match="form within a form"):
            asked_of(kind, {"query": "SELECT 1"}, body.encode())


def test_an_address_or_a_form_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(SqlError, match="not UTF-8"):
        fields_of(b"user=%ff")
    body = b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\n\xff\r\n--b--\r\n'
    with pytest.raises(SqlError, match="not UTF-8"):
        asked_of({"content-type": "multipart/form-data; boundary=b"}, {}, body)


def test_a_small_body_that_unpacks_to_much_is_refused() -> None:
    bomb = gzip.compress(b"-" * (BODY_LIMIT + 1))
    assert len(bomb) < 10_000
    for encoding, body in (("gzip", bomb), ("gzip", b"no gzip"), ("compress", b"x")):
        with pytest.raises(SqlError):
            asked_of({"content-encoding": encoding}, {}, body)


def test_the_answer_is_packed_as_the_client_takes_it() -> None:
    """By HTTP where it asks for it, in its own order."""
    headers = {"accept-encoding": "snappy, zstd;q=1, gzip"}
    assert asked_of(headers, {"enable_http_compression": "1"}, b"SELECT 1").codec == "zstd"
    assert asked_of(headers, {}, b"SELECT 1").codec == ""


def test_own_blocks_of_clickhouse_hold_the_answer() -> None:
    """Of one whose block its JDBC driver has taken the bytes stand here."""
    pytest.importorskip("clickhouse_cityhash")
    for body in (b"", b"hello", bytes(range(256)) * 10_000):
        blocks, found = compressed(body), b""
        while blocks:
            method, size, plain = struct.unpack_from("<BII", blocks, 16)
            assert method == 0x82
            found += lz4.block.decompress(blocks[25 : 16 + size], uncompressed_size=plain)
            blocks = blocks[16 + size :]
        assert found == body
    assert compressed(b"hello").hex() == "af275049b207be89c341c7641de55441820f000000050000005068656c6c6f"
