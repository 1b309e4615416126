"""The keyring: private files, sealing bound to its place, erasure by destroying the key, one key for all."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from schemas.errors import KeyUnavailable
from schemas.keys import Keyring
from tests.support.kinds import USERNAME
from tests.support.time_bounds import HANGING_SECONDS

SECRET, PLACE = b"kari@example.no", b"request/17"
CREATORS = 8


def test_every_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Key files have mode 0600, the folder that holds them 0700, and nothing half-written stays behind."""
    ring = Keyring(tmp_path / "keys").made()
    ring.tokenizer()
    ring.seal("dead-letters", SECRET, PLACE)
    files = sorted(path for path in (tmp_path / "keys").rglob("*") if path.is_file())
    assert {path.name for path in files} == {"dead-letters", "ed25519.json", "token.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files} == {0o700}


def test_the_token_key_lasts(tmp_path: Path) -> None:
    """A second keyring on the folder gives the same tokens and key id; another folder does not."""
    first, again = Keyring(tmp_path / "a").made().tokenizer(), Keyring(tmp_path / "a").tokenizer()
    other = Keyring(tmp_path / "b").made().tokenizer()
    assert (again.key_id, again.token(USERNAME, "kari")) == (
        first.key_id,
        first.token(USERNAME, "kari"),
    )
    assert other.key_id != first.key_id
    assert other.token(USERNAME, "kari") != first.token(USERNAME, "kari")


def test_a_sealed_value_opens_again(tmp_path: Path) -> None:
    """Round trip, also by another keyring on the folder, and for nothing at all."""
    ring = Keyring(tmp_path)
    sealed = ring.seal("r1", SECRET, PLACE)
    assert SECRET not in sealed
    assert len(sealed) == 12 + len(SECRET) + 16
    assert Keyring(tmp_path, create=False).open("r1", sealed, PLACE) == SECRET
    assert ring.open("r1", ring.seal("r1", b"", b""), b"") == b""


def test_the_same_value_is_never_sealed_alike(tmp_path: Path) -> None:
    """Each message has its own nonce: equal values cannot be matched."""
    ring = Keyring(tmp_path)
    assert len({ring.seal("r1", SECRET, PLACE) for _ in range(20)}) == 20


def test_a_sealed_value_opens_only_where_it_belongs(tmp_path: Path) -> None:
    """Other coordinates, another key's name or a single changed bit: refused without showing anything."""
    ring = Keyring(tmp_path)
    sealed = ring.seal("r1", SECRET, PLACE)
    ring.seal("r2", SECRET, PLACE)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for name, value, place in [
        ("r1", sealed, b"request/18"),
        ("r2", sealed, PLACE),
        ("r1", sealed[:-1], PLACE),
        *(("r1", value, PLACE) for value in changed),
    ]:
        with pytest.raises(KeyUnavailable) as caught:
            ring.open(name, value, place)
        assert SECRET.decode() not in str(caught.value)


def test_what_a_destroyed_key_sealed_stays_shut(tmp_path: Path) -> None:
    """After destroy nothing opens, even under a new key of that name; other names are untouched."""
    ring = Keyring(tmp_path)
    sealed, kept = ring.seal("r1", SECRET, PLACE), ring.seal("r2", SECRET, PLACE)
    ring.destroy("r1")
    ring.destroy("r1")
    ring.destroy("never-made")
    assert not (tmp_path / "seal" / "r1").exists()
    with pytest.raises(KeyUnavailable, match="destroyed, or never made"):
        ring.open("r1", sealed, PLACE)
    assert not (tmp_path / "seal" / "r1").exists()
    ring.seal("r1", b"new", PLACE)
    with pytest.raises(KeyUnavailable):
        ring.open("r1", sealed, PLACE)
    assert ring.open("r2", kept, PLACE) == SECRET


def test_many_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    """Threads that all find no key end with one token key and one to sign with, and open what any of them sealed."""
    for attempt in range(10):
        folder, start = tmp_path / str(attempt), Barrier(CREATORS)

        def create(number: int, folder: Path = folder, start: Barrier = start) -> tuple[str, bytes, bytes]:
            ring = Keyring(folder)
            start.wait(HANGING_SECONDS)
            tokenizer = ring.made().tokenizer()
            token = tokenizer.token(USERNAME, "kari")
            return tokenizer.key_id, token, ring.seal("r1", str(number).encode(), PLACE)

        with ThreadPoolExecutor(CREATORS) as pool:
            made = list(pool.map(create, range(CREATORS)))
        assert len({(key_id, token) for key_id, token, _ in made}) == 1
        opened = [Keyring(folder).open("r1", sealed, PLACE) for _, _, sealed in made]
        assert opened == [str(number).encode() for number in range(CREATORS)]
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 3


@pytest.mark.parametrize("create", [False, True])
def test_a_missing_token_key_is_an_error_and_stays_missing(tmp_path: Path, create: bool) -> None:
    """Nothing that asks for a key makes one: it says what to do and writes nothing."""
    ring = Keyring(tmp_path / "keys", create=create)
    with pytest.raises(KeyUnavailable, match="INNSYN_KEYS_DIR"):
        ring.tokenizer()
    with pytest.raises(KeyUnavailable, match=r"never made here|is gone"):
        ring.seal("r1", SECRET, PLACE)
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": "a"}', b'{"id": "a", "key": "xyz"}'])
def test_a_broken_token_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    """A new key would orphan every token there is: the file stays as it is, the error names it."""
    (tmp_path / "token.json").write_bytes(content)
    (tmp_path / "token.json").chmod(0o600)
    with pytest.raises(KeyUnavailable, match=r"token\.json is not a readable token key"):
        Keyring(tmp_path).made()
    assert (tmp_path / "token.json").read_bytes() == content


@pytest.mark.parametrize("name", ["", "../token", "a/b", "A", ".hidden", "kari@example.no", "a" * 102, "a\n"])
def test_key_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    """Only plain lower-case names; the refusal does not repeat the name, which may be an identifier."""
    ring = Keyring(tmp_path)
    for act in (
        lambda: ring.seal(name, b"", b""),
        lambda: ring.open(name, b"", b""),
        lambda: ring.destroy(name),
    ):
        with pytest.raises(KeyUnavailable) as caught:
            act()
        assert len(name) < 2 or name not in str(caught.value)


def test_randomness_is_an_argument(tmp_path: Path) -> None:
    """Keys and nonces come from the given source, and the keyring shows its folder alone."""
    ring = Keyring(tmp_path, random=lambda count: bytes(range(count)))
    assert ring.made().tokenizer().key_id == "00010203"
    assert ring.seal("r1", SECRET, PLACE)[:12] == bytes(range(12))
    assert repr(ring) == f"Keyring({str(tmp_path)!r})"
