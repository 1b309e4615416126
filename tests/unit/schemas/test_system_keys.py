"""Keys of systems: innsyn seals and proves, the job opens and signs, and each has only its own halves."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError, KeyUnavailable
from schemas.jobkeys import read_job_keys
from schemas.systemkeys import SystemKeyring, SystemKeys, read_system_keys
from tests.support.pairs import JOB_KEY, KEY_ID, SEAL, SIGN, SYSTEM_KEY, UNSEAL, VERIFY

PUBLIC = {"id": KEY_ID, "seal": SEAL.hex(), "verify": VERIFY.hex()}
PRIVATE = {"id": KEY_ID, "unseal": UNSEAL.hex(), "sign": SIGN.hex()}


@pytest.fixture
def ring(tmp_path: Path) -> SystemKeyring:
    return SystemKeyring(tmp_path)


def file_of(*keys: Any, system: str = "billing") -> bytes:
    return json.dumps({"system": system, "keys": list(keys)}).encode()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_what_is_sealed_opens_with_its_content_alone(plain: bytes, content: bytes, other: bytes) -> None:
    """Also an empty text; bound to other content nothing opens."""
    sealed = SYSTEM_KEY.seal(plain, content)
    assert JOB_KEY.open(sealed, content) == plain
    if other != content:
        with pytest.raises(KeyUnavailable, match="altered"):
            JOB_KEY.open(sealed, other)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_is_of_one_side_and_one_content(content: bytes, other: bytes) -> None:
    """What innsyn signs is no receipt, and what the job signs is no command."""
    assert JOB_KEY.from_innsyn(SYSTEM_KEY.sign(content), content)
    assert SYSTEM_KEY.proves(JOB_KEY.sign(content), content)
    assert not JOB_KEY.from_innsyn(JOB_KEY.sign(content), content)
    assert not SYSTEM_KEY.proves(SYSTEM_KEY.sign(content), content)
    assert SYSTEM_KEY.proves(JOB_KEY.sign(content), other) == (content == other)
    assert not SYSTEM_KEY.proves(other, content)


def test_what_was_handed_over_is_not_here(ring: SystemKeyring, tmp_path: Path) -> None:
    """innsyn goes on sealing and proving; of the private halves no file has a digit left."""
    key = ring.add("billing").current
    given_file = tmp_path / "given.json"
    assert ring.hand_over("billing", lambda content: written(given_file, content))
    job = read_job_keys(given_file).current
    assert not ring.hand_over("billing", lambda _: None)
    assert job.open(key.seal(b"x", b"y"), b"y") == b"x"
    assert ring.of("billing").current.proves(job.sign(b"r"), b"r")
    left = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != given_file
    )
    assert job._unseal.hex().encode() not in left
    assert job._sign.hex().encode() not in left
    with pytest.raises(KeyUnavailable):
        ring.job("billing")
    # What is left to tell is innsyn's own public half.
    (told,) = json.loads(ring.for_job("billing"))["keys"]
    assert told.keys() == {"id", "verify"}


def test_a_team_makes_its_own_and_innsyn_never_has_it(ring: SystemKeyring, tmp_path: Path) -> None:
    """Its file and the one that innsyn gives are put together by the job."""
    key = ring.add("billing", file_of(PUBLIC)).current
    own = written(tmp_path / "own.json", file_of(PRIVATE))
    innsyns = written(tmp_path / "innsyns.json", ring.for_job("billing"))
    job = read_job_keys(own, innsyns).current
    assert job.open(key.seal(b"x", b""), b"") == b"x"
    assert job.from_innsyn(key.sign(b"c"), b"c")
    assert key.proves(job.sign(b"r"), b"r")
    with pytest.raises(KeyUnavailable, match=f"lack verify of key {KEY_ID}"):
        read_job_keys(own)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"[]",
        b"\xff",
        file_of(PUBLIC, system="crm"),
        file_of(),
        file_of({**PUBLIC, "seal": "00" * 32}),
        file_of({**PUBLIC, "seal": "ab"}),
        file_of({**PUBLIC, "verify": "ab"}),
        # Of small order, also in another spelling: anybody can sign under it. And no point of the curve.
        file_of({**PUBLIC, "verify": "00" * 32}),
        file_of({**PUBLIC, "verify": "01" + "00" * 31}),
        file_of({**PUBLIC, "verify": "01" + "00" * 30 + "80"}),
        file_of({**PUBLIC, "verify": "ec" + "ff" * 30 + "7f"}),
        file_of({**PUBLIC, "verify": "ee" + "ff" * 30 + "7f"}),
        file_of({**PUBLIC, "verify": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"}),
        file_of({**PUBLIC, "verify": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"}),
        file_of({**PUBLIC, "verify": "02" + "00" * 31}),
        file_of({**PUBLIC, "id": "../x"}),
        file_of({"id": KEY_ID}),
        file_of(PUBLIC, PUBLIC),
        file_of({**PUBLIC, **PRIVATE}),
        b"[" * 100_000,
    ],
)
def test_a_public_file_that_is_none_is_refused(ring: SystemKeyring, public: bytes) -> None:
    """And so is one with private halves; there is no key then."""
    with pytest.raises(InputError, match="public file"):
        ring.add("billing", public)
    assert ring.systems() == []


def test_a_rotated_key_stands_beside_the_old_one(ring: SystemKeyring, tmp_path: Path) -> None:
    """A job reads both files; retired, the old one opens nothing and proves nothing."""
    old = ring.add("billing").current
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    ring.hand_over("billing", lambda content: written(first, content))
    keys = ring.rotate("billing")
    ring.hand_over("billing", lambda content: written(second, content))
    job = read_job_keys(first, second)
    assert read_job_keys(second).keys == job.keys[1:]
    assert [key.id for key in job.keys] == [key.id for key in keys.keys] == [old.id, keys.newest.id]
    assert keys.current == old
    assert ring.retire("billing").keys == (keys.newest,)
    with pytest.raises(InputError, match="rotate"):
        ring.add("billing")


def test_a_teams_own_key_is_told_beside_one_whose_private_halves_are_here(
    ring: SystemKeyring, tmp_path: Path
) -> None:
    """Whichever came first: nothing but the export tells a team what innsyn signs with."""
    made = ring.add("billing").current.id
    ring.rotate("billing", file_of(PUBLIC))
    newest = ring.rotate("billing").newest.id
    given_file = tmp_path / "given.json"
    assert ring.hand_over("billing", lambda content: written(given_file, content))
    own = written(tmp_path / "own.json", file_of(PRIVATE))
    assert [key.id for key in read_job_keys(given_file, own).keys] == [made, KEY_ID, newest]


def test_nobody_changes_a_key_while_it_is_handed_over(ring: SystemKeyring, tmp_path: Path) -> None:
    """A new one that came in between would be destroyed unread."""
    ring.add("billing")
    rotated: list[Future[SystemKeys]] = []
    given_file = tmp_path / "given.json"
    with ThreadPoolExecutor(1) as other:

        def give(content: bytes) -> None:
            rotated.append(other.submit(SystemKeyring(tmp_path).rotate, "billing"))
            with pytest.raises(TimeoutError):
                rotated[0].result(0.2)
            written(given_file, content)

        assert ring.hand_over("billing", give)
        newest = rotated[0].result().newest.id
    assert [key.id for key in ring.job("billing").keys] == [newest]
    assert newest not in given_file.read_text()


def test_what_could_not_be_given_is_still_here(ring: SystemKeyring) -> None:
    """The disk was full: the private halves are nowhere else."""

    def give(_: bytes) -> None:
        raise OSError("no space left")

    key = ring.add("billing").current.id
    with pytest.raises(OSError, match="no space"):
        ring.hand_over("billing", give)
    assert ring.job("billing").current.id == key


def test_a_job_that_runs_here_keeps_all_that_are_in_force(ring: SystemKeyring) -> None:
    """As in the home of `innsyn up`."""
    old = ring.made("billing").current
    new = ring.rotate("billing").newest
    assert [key.id for key in ring.job("billing").keys] == [old.id, new.id]
    ring.retire("billing")
    assert [key.id for key in ring.job("billing").keys] == [new.id]
    assert ring.made("billing").keys == (new,)


def test_a_shared_key_of_an_earlier_version_is_said_and_replaced(ring: SystemKeyring, tmp_path: Path) -> None:
    """Nothing is sealed under it any more: who has it could answer for the system."""
    (tmp_path / "systems").mkdir()
    shared = file_of({"id": "5f2a9c01", "key": "00" * 32})
    path = written(tmp_path / "systems" / "billing.json", shared)
    with pytest.raises(KeyUnavailable, match="run `innsyn systems rotate billing`"):
        ring.of("billing")
    with pytest.raises(KeyUnavailable, match="run `innsyn systems rotate billing`"):
        ring.made("billing")
    (key,) = ring.rotate("billing").keys
    assert key.id != "5f2a9c01"
    assert ring.job("billing").current.id == key.id
    assert "00" * 32 not in path.read_text()


def test_a_system_without_a_key_says_what_to_run(ring: SystemKeyring) -> None:
    """None is made in silence: nobody would have its other half."""
    with pytest.raises(KeyUnavailable, match="run `innsyn systems add billing`"):
        ring.of("billing")
    assert ring.systems() == []
    with pytest.raises(InputError, match="holds only"):
        ring.add("../billing")


def test_of_two_that_make_a_key_at_once_there_is_one(ring: SystemKeyring) -> None:
    """And its halves belong together."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: ring.made("billing"), range(16)))
    assert {keys.current.id for keys in made} == {ring.job("billing").current.id}
    assert ring.job("billing").current.open(made[0].current.seal(b"x", b""), b"") == b"x"


@pytest.mark.parametrize(
    "content", [b"", b"{}", file_of(), file_of({"id": KEY_ID}), file_of({**PUBLIC, "sign": "x"})]
)
def test_a_file_that_is_broken_is_said_to_be(tmp_path: Path, content: bytes) -> None:
    """With what to do, whichever side reads it; never an error of ours."""
    path = written(tmp_path / "billing.json", content)
    with pytest.raises(KeyUnavailable, match=r"backup|rotate"):
        read_system_keys(path)
    with pytest.raises(KeyUnavailable, match=r"backup|export"):
        read_job_keys(path)
    with pytest.raises(KeyUnavailable, match="different systems"):
        read_job_keys(
            written(tmp_path / "a.json", file_of(PRIVATE)),
            written(tmp_path / "b.json", file_of(PRIVATE, system="crm")),
        )
