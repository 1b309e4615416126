"""In which format a message is."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.discovery.formats import LARGEST, Format, is_protobuf, read

CHANGE: dict[str, Any] = {"before": None, "after": {"id": 1}, "op": "c", "source": {}, "ts_ms": 1}


@pytest.mark.parametrize(
    ("message", "of"),
    [
        (b"", Format.EMPTY),
        (b'{"a": 1}', Format.JSON),
        (b' {"op": "c"} ', Format.JSON),
        (json.dumps(CHANGE).encode(), Format.CHANGES),
        (json.dumps({"schema": {}, "payload": CHANGE}).encode(), Format.CHANGES),
        (b"[1, 2]", Format.JSON_OTHER),
        (b'{"a": 1', Format.TEXT),
        (b"2026-01-15 user logged in", Format.TEXT),
        ("på norsk".encode(), Format.TEXT),
        (b"\x00\x00\x00\x00\x07abc", Format.FRAMED),
        (b"\xc3\x01" + bytes(8) + b"abc", Format.SINGLE_OBJECT),
        (b"\x08\x96\x01\x12\x07testing", Format.PROTOBUF),
        (b"\xff\xfe\x00\x01 \x9a", Format.UNKNOWN),
        (b"{" + b" " * LARGEST + b"}", Format.TOO_LARGE),
        (b"[" * 100_000, Format.JSON_OTHER),
        (b'{"a":' * 100_000, Format.TEXT),
    ],
)
def test_a_message_is_told_by_its_bytes(message: bytes, of: Format) -> None:
    """Whatever it is; one that is too large or too deep is not looked into."""
    assert read(message).format is of


def test_garbage_is_seldom_taken_for_protobuf() -> None:
    """Of random messages fewer than one in fifty."""
    dice = random.Random(7)
    messages = [dice.randbytes(dice.randrange(8, 200)) for _ in range(2_000)]
    assert sum(map(is_protobuf, messages)) < 40


@given(st.binary(max_size=200))
def test_any_bytes_have_a_format(message: bytes) -> None:
    """Nothing raises; only an object of JSON, or what is framed, has something to read."""
    found = read(message)
    assert (found.value is not None) == (found.format in (Format.JSON, Format.CHANGES))
    assert bool(found.prefix) == (found.format in (Format.FRAMED, Format.SINGLE_OBJECT))
