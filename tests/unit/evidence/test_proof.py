"""A proof of one entry, checked with the public key alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.signingkeys import SigningKeyring
from sinks.ports.evidence import Place, Source
from streams.evidence.proof import place_of, prove, verify
from tests.support.log import Log, log_in


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return log_in(tmp_path).sealed(2).sealed(3)


def test_every_entry_can_be_proved(log: Log) -> None:
    """Against every earlier head too; what is checked is what was written to a file."""
    for number in range(5):
        for entry in (f"r-1/{number}", f"a{number:04}"):
            for since in range(3):
                proof = json.loads(json.dumps(prove(log.evidence, place_of(entry), since)))
                said = verify(proof, log.public)
                assert said.startswith(f"{place_of(entry).source} {entry} of ")
                assert f"begins with all {proof['earlier']['head']['size']} of head {since}" in said


def test_an_entry_that_is_no_longer_kept_can_still_be_proved(log: Log) -> None:
    """When it was, and that it was there; its content nobody has."""
    del log.audit._entries["a0001"]
    proof = prove(log.evidence, place_of("a0001"))
    assert proof["content"] is None
    assert "its content is no longer kept" in verify(proof, log.public)


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a JSON value that is no object or array."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None:
        yield path
        return
    for key, item in items:
        yield from leaves_of(item, (*path, key))


def changed(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value[:-1]}{'1' if value.endswith('0') else '0'}"


def test_a_proof_of_which_anything_was_changed_proves_nothing(log: Log) -> None:
    """Each number, word and hash of it in turn, and each left out."""
    proof = prove(log.evidence, place_of("r-1/3"), since=1)
    ways = list(leaves_of(proof))
    assert len(ways) > 25
    for way in ways:
        for removed in (False, True):
            forged = copy.deepcopy(proof)
            inner: Any = forged
            for key in way[:-1]:
                inner = inner[key]
            if removed:
                del inner[way[-1]]
            else:
                inner[way[-1]] = changed(inner[way[-1]])
            with pytest.raises(InputError):
                verify(forged, log.public)


@pytest.mark.parametrize("what", [None, [], "x", 1, {}, {"kind": "innsyn-log-proof-v1"}, {"kind": 7}])
def test_what_is_no_proof_is_said_to_be_none(log: Log, what: object) -> None:
    with pytest.raises(InputError, match="no proof"):
        verify(what, log.public)


def test_a_proof_of_another_installation_is_not_believed(log: Log, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="--key"):
        verify(prove(log.evidence, place_of("r-1/3")), [SigningKeyring(tmp_path / "other").key().public])


def test_what_the_log_lacks_is_said(log: Log) -> None:
    with pytest.raises(InputError, match="no such entry"):
        prove(log.evidence, place_of("r-1/99"))
    with pytest.raises(InputError, match="no head of that number"):
        prove(log.evidence, place_of("r-1/0"), since=99)


def test_entries_are_named_as_people_see_them() -> None:
    assert place_of("r-5f2a/3") == Place(Source.REQUEST, "r-5f2a/3")
    assert place_of("r-5f2a/certificate") == Place(Source.STATEMENT, "r-5f2a/certificate")
    assert place_of("0123456789abcdef") == Place(Source.AUDIT, "0123456789abcdef")
