"""The key that signs tree heads and certificates."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.errors import InputError, KeyUnavailable
from schemas.keys import Keyring
from schemas.signingkeys import PublicKey, SigningKeyring, public_key

# RFC 8032, section 7.1, test 2.
PRIVATE = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_signatures_are_those_of_the_standard(tmp_path: Path) -> None:
    """The vector of RFC 8032; one bit less, and nothing is proved."""
    key = SigningKeyring(tmp_path, random=lambda count: bytes.fromhex(PRIVATE)[:count]).key()
    assert (key.public.text, key.sign(b"\x72").hex()) == (PUBLIC, SIGNATURE)
    public = public_key(PUBLIC)
    assert public.proves(bytes.fromhex(SIGNATURE), b"\x72")
    assert not public.proves(bytes.fromhex(SIGNATURE), b"\x73")
    assert not public.proves(bytes.fromhex(SIGNATURE)[:-1], b"\x72")
    assert not PublicKey(bytes(31)).proves(bytes.fromhex(SIGNATURE), b"\x72")


def test_it_is_made_with_the_first_token_key_and_is_its_owners_alone(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "keys").made()
    path = ring.signing.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert ring.signing.key().public == Keyring(tmp_path / "keys", create=False).signing.key().public
    assert not ring.signing.make()
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        ring.signing.key()


def test_the_private_half_is_never_shown(tmp_path: Path) -> None:
    ring = SigningKeyring(tmp_path)
    key = ring.key()
    private = json.loads(ring.path.read_text())["private"]
    assert private not in f"{key!r} {key.public!r} {ring!r}"


def test_many_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: SigningKeyring(tmp_path).key().public.id, range(8)))
    assert len(made) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"private": "00"}', b"[1]", b"\xff"])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    ring = SigningKeyring(tmp_path)
    ring.make()
    ring.path.write_bytes(content)
    with pytest.raises(KeyUnavailable, match="restore it from your key backup"):
        ring.key()


def test_without_a_key_nothing_is_made_where_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="innsyn keys create"):
        SigningKeyring(tmp_path, create=False).key()
    with pytest.raises(KeyUnavailable, match="restore the keys folder"):
        SigningKeyring(tmp_path / "gone").key()


def test_a_public_key_is_named_by_its_digits_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(f"{PUBLIC}\n")
    assert public_key(str(file)) == public_key(f" {PUBLIC} ") == PublicKey(bytes.fromhex(PUBLIC))
    for wrong in ("", "x", PUBLIC[:-1], PUBLIC.upper(), str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(InputError, match="64 hex digits"):
            public_key(wrong)
