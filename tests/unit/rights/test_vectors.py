"""`sdk/vectors.json` is what innsyn does: teams in any language hold their job against it."""

from __future__ import annotations

import json

import pytest

from schemas.errors import KeyUnavailable
from schemas.own import own_record
from streams.rights.protocol.messages import decoded, identifiers_json, opened
from tests.support.pages import ROOT
from tests.support.pairs import JOB_KEY
from tests.support.vectors import vectors

VECTORS = json.loads((ROOT / "sdk" / "vectors.json").read_text("utf-8"))
COMMAND = own_record("ErasureCommand")


def test_the_vectors_are_what_the_code_makes() -> None:
    """All but what is sealed, which is another each time; `python -m tests.support.vectors` writes them anew."""
    assert vectors(bytes.fromhex(VECTORS["command"]["sealed_identifiers"])) == VECTORS


def test_the_command_opens_to_its_identifiers() -> None:
    """In every form."""
    named = opened(decoded(COMMAND, bytes.fromhex(VECTORS["command"]["message"])), JOB_KEY)
    assert identifiers_json(named)[2:] == [
        VECTORS["command"]["identifiers"][2],
        ["cookie_id", "c-1"],
        *VECTORS["command"]["identifiers"][4:],
    ]
    assert [item.kind for item in named[:2]] == ["customer_number", "email"]


@pytest.mark.parametrize("why", sorted(VECTORS["refused"]))
def test_what_is_to_be_refused_does_not_open(why: str) -> None:
    """Each by another check."""
    with pytest.raises(KeyUnavailable):
        opened(decoded(COMMAND, bytes.fromhex(VECTORS["refused"][why])), JOB_KEY)
