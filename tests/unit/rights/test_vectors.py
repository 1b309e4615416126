"""`sdk/vectors.json` is what innsyn does: teams in any language hold their job against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from schemas.codec import single_object_prefix
from schemas.errors import KeyUnavailable
from schemas.jobkeys import JobKey
from schemas.own import own_record
from streams.rights.protocol.messages import (
    Named,
    decoded,
    identifiers_json,
    kept_of,
    opened,
    told_json,
)
from streams.rights.protocol.rights_commands import opened_command
from tests.support.pages import ROOT
from tests.support.pairs import JOB_KEY
from tests.support.vectors import vectors
from tests.support.vectors_of_rights import COPY_KEY, Sealed

VECTORS = json.loads((ROOT / "sdk" / "vectors.json").read_text("utf-8"))
COMMAND, RIGHTS_COMMAND = own_record("ErasureCommand"), own_record("RightsCommand")


def test_the_vectors_are_what_the_code_makes() -> None:
    """All but what is sealed, which is another each time; `python -m tests.support.vectors` writes them anew."""
    sealed = bytes.fromhex(VECTORS["command"]["sealed_identifiers"])
    kept = bytes.fromhex(VECTORS["retention"]["command"]["sealed_kept"])
    assert vectors(sealed, kept, Sealed.of(VECTORS)) == VECTORS


def test_the_command_opens_to_its_identifiers() -> None:
    """In every form."""
    named = opened(decoded(COMMAND, bytes.fromhex(VECTORS["command"]["message"])), JOB_KEY)
    assert told_json(named)[2:] == [
        VECTORS["command"]["identifiers"][2],
        ["cookie_id", "c-1"],
        *VECTORS["command"]["identifiers"][4:],
    ]
    assert [item.kind for item in named[:2] if isinstance(item, Named)] == ["customer_number", "email"]


def test_what_has_run_out_opens_to_those_whose_records_stay() -> None:
    """In every form of identifiers."""
    said = VECTORS["retention"]["command"]
    named = kept_of(decoded(COMMAND, bytes.fromhex(said["message"])), JOB_KEY)
    assert identifiers_json(named)[4:] == said["kept"][4:]
    assert len(named) == len(said["kept"])


@pytest.mark.parametrize("kind", sorted(VECTORS["rights"]))
def test_a_command_of_another_right_opens_to_what_it_is_about(kind: str) -> None:
    """Identifiers, and of a rectification what is right."""
    said = VECTORS["rights"][kind]["command"]
    named, content = opened_command(decoded(RIGHTS_COMMAND, bytes.fromhex(said["message"])), JOB_KEY)
    assert [(item.kind, item.value) for item in named if isinstance(item, Named)] == [
        ("customer_number", "k-100200"),
        ("case_number", "S-2026-00417"),
    ]
    assert content == said.get("content", {})


def test_the_part_of_a_copy_opens_with_the_key_of_the_command() -> None:
    part = VECTORS["copy"]["part"]
    plain = COPY_KEY.open(bytes.fromhex(part["sealed"]), part["bound"].encode())
    assert json.loads(plain) == part["records"]
    receipt = json.loads(VECTORS["rights"]["access"]["receipt"]["signed"])
    assert receipt["copy_digest"] == VECTORS["copy"]["copy_digest"]


@pytest.mark.parametrize("why", sorted(VECTORS["refused"]))
def test_what_is_to_be_refused_does_not_open(why: str) -> None:
    """Each by another check."""
    message = bytes.fromhex(VECTORS["refused"][why])
    of_right = message.startswith(single_object_prefix(RIGHTS_COMMAND))
    record = RIGHTS_COMMAND if of_right else COMMAND
    opens: Callable[[Mapping[str, Any], JobKey], Any] = opened_command if of_right else opened
    if message.startswith(single_object_prefix(own_record("RetentionCommand"))):
        opens = kept_of
    with pytest.raises(KeyUnavailable):
        opens(decoded(record, message), JOB_KEY)
