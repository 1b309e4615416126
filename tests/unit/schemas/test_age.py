"""Files of age v1: what another program wrote is opened by the tests' reader, and that opens what is written here."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from schemas.age import Passphrase, Recipient, encrypted, recipient
from schemas.errors import InputError
from tests.support.age import opened

WORDS = "en to tre fire fem"
KEY = "age1uhtkxl4f9muamnreng0wwkv508yws2sdw8k6mlc075e4tjh093jqynvyd2"
# By the package pyrage 1.4.0, of the text MADE for the passphrase WORDS.
MADE = b"made by another program"
BY_ANOTHER = (
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBSNFJWOTNRVThYMjJzMGNzeFdiTFV3IDE1Ck1nS0lZbkgyVHZOYkI2cmdlUmFQeGlXOXEyRHox"
    "VFJCVlczUi9lVVBXMzQKLS0tIE5OOXhEb0NaR1dTVStmVFJaNmNFN3pwNTlGUm9RcytEU1NyVFlmUTd5cW8K9uoDQzVst9wMPRLG2PXqTI5RVzoa96da"
    "OjdFFHP6EKV8Kzl5OMcaE9ksyVjD2a8zHLVLYNPA4g=="
)


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def test_the_reader_of_these_tests_opens_what_another_program_wrote() -> None:
    """So what it opens below is in the format and not in one of our own."""
    assert opened(base64.b64decode(BY_ANOTHER), passphrase=WORDS) == MADE


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_a_file_of_any_size_is_opened_by_its_recipient(size: int) -> None:
    """Chunks end where they end, and the last one says so."""
    secret, content = X25519PrivateKey.generate(), bytes(index & 255 for index in range(size))
    file = b"".join(encrypted(pieces(content, 7_000), Recipient(secret.public_key().public_bytes_raw())))
    assert opened(file, identity=secret) == content
    with pytest.raises(InvalidTag):
        opened(file, identity=X25519PrivateKey.generate())


def test_a_passphrase_opens_it_and_another_does_not() -> None:
    file = b"".join(encrypted(iter([b"answer"]), Passphrase(WORDS, work=4)))
    assert opened(file, passphrase=WORDS) == b"answer"
    with pytest.raises(InvalidTag):
        opened(file, passphrase=WORDS + ".")
    assert WORDS not in repr(Passphrase(WORDS))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_file_that_was_altered_or_cut_off_does_not_open(at: int, by: int) -> None:
    secret = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    file = bytearray(
        b"".join(encrypted(iter([b"x" * 70_000]), Recipient(secret.public_key().public_bytes_raw())))
    )
    cut = bytes(file[: at % len(file)])
    file[at % len(file)] ^= by
    for broken in (bytes(file), cut):
        with pytest.raises((InvalidTag, ValueError, IndexError)):
            opened(broken, identity=secret)


@pytest.mark.parametrize(
    "text", ["", "age1", KEY[:-1] + "3", KEY.replace("age", "agf"), "AGE" + KEY[3:], "age1qqqqqqqq"]
)
def test_what_is_no_public_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InputError, match="no public key of age") as caught:
        recipient(text)
    assert len(text) < 6 or text not in str(caught.value)


def test_a_public_key_is_read_as_age_writes_it() -> None:
    assert recipient(f" {KEY}\n").public.hex() == recipient(KEY.upper()).public.hex()


def test_a_short_passphrase_is_refused() -> None:
    """Whoever has the file can try as long as they like."""
    with pytest.raises(InputError, match="fewer than 12 characters"):
        Passphrase("hunter2")
