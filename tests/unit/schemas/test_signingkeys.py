"""The key that signs tree heads and certificates."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import signingkeys
from schemas.errors import InputError, KeyUnavailable
from schemas.keys import Keyring
from schemas.signingkeys import PublicKey, SigningKeyring, handed_on, public_key

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


NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


def test_a_replaced_key_signs_the_next_and_is_not_kept(tmp_path: Path) -> None:
    """Its public half stays, in order; whoever has the first can trust all that follow."""
    ring = SigningKeyring(tmp_path)
    first = ring.key()
    private = json.loads(ring.path.read_text())["private"]
    second, third = ring.rotate(NOON), ring.rotate(NOON + timedelta(days=1))
    assert ring.key().every == (first.public, second.public, third.public)
    assert len({key.id for key in third.every}) == 3
    known = first.public
    for item in third.former:
        assert item.public == known
        assert known.proves(item.signature, handed_on(item.replaced_by, item.until))
        known = item.replaced_by
    assert (known, third.former[0].until) == (third.public, NOON)
    files = [path for path in ring.path.parent.iterdir() if path.is_file()]
    assert files == [ring.path]
    assert private not in ring.path.read_text()
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", ["write_whole", "destroy_private"])
@pytest.mark.parametrize("time", [1, 2])
def test_a_rotation_that_dies_leaves_a_key_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, time: int
) -> None:
    """The old one or the new one, whole; the next rotation destroys what was left and never the key in force."""
    ring = SigningKeyring(tmp_path)
    first, calls = ring.key().public, 0
    done = getattr(signingkeys, at)

    def dies(*given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == time:
            raise Died
        done(*given)

    monkeypatch.setattr(signingkeys, at, dies)
    for _ in range(2):
        try:
            ring.rotate(NOON)
        except Died:
            break
    monkeypatch.setattr(signingkeys, at, done)
    left = ring.key()
    assert left.every[0] == first
    after = ring.rotate(NOON)
    assert after.every[: len(left.every)] == left.every
    assert ring.key().every == after.every
    assert list(ring.path.parent.iterdir()) == [ring.path]


def test_of_many_rotations_at_once_none_is_lost(tmp_path: Path) -> None:
    SigningKeyring(tmp_path).key()
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(lambda _: SigningKeyring(tmp_path).rotate(NOON).public, range(6)))
    assert len(made) == 6
    assert made == set(SigningKeyring(tmp_path).key().every[1:])


def test_a_key_that_nobody_handed_on_to_is_refused(tmp_path: Path) -> None:
    """Somebody who may write to the folder cannot put a former key in: it did not sign the next."""
    ring, other = SigningKeyring(tmp_path), tmp_path / "other"
    other.mkdir()
    foreign = SigningKeyring(other).rotate(NOON).former[0]
    ring.rotate(NOON)
    stored = json.loads(ring.path.read_text())
    stored["former"].insert(0, {**foreign.json(), "replaced_by": stored["former"][0]["public_key"]})
    ring.path.write_text(json.dumps(stored))
    with pytest.raises(KeyUnavailable, match="restore it from your key backup"):
        ring.key()
