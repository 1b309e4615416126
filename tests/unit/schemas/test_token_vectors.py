"""Tokens stay what they are: what is stored under them has to be found tomorrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InvalidIdentifier
from schemas.tokens import TokenCache, Tokenizer
from schemas.user_names import own_realms
from tests.support.kinds import KINDS
from tests.support.pages import ROOT

# Made when the kinds were still written in code: by kind and form, of each value its token and those of its former
# forms. A value that is not listed was refused, or is no e-mail address by its form, which came later.
VECTORS: list[dict[str, Any]] = json.loads(
    (ROOT / Path("tests/fixtures/tokens/vectors.json")).read_text("utf-8")
)
VALUES = list(dict.fromkeys(value for item in VECTORS for value in item["tokens"]))
TOKENIZER = Tokenizer(bytes(range(32)), "k", own_realms(["own.example", "OWN"]))


def tokens(item: dict[str, Any], value: str) -> list[str] | None:
    """The token and those of former forms; None for what is refused."""
    kind = KINDS[item["kind"]]
    try:
        found = [TOKENIZER.token(kind, value, item["form"]).hex()]
        more = [] if item["form"] else [token.hex() for token in TOKENIZER.former(kind, value)]
    except InvalidIdentifier:
        return None
    return found + more


@pytest.mark.parametrize("item", VECTORS, ids=lambda item: f"{item['kind']} {item['form'] or ''}".strip())
def test_every_token_is_what_it_was(item: dict[str, Any]) -> None:
    """Of every kind that ships, in every form, with what is refused."""
    assert len(item["tokens"]) >= 5
    assert {value: found for value in VALUES if (found := tokens(item, value))} == item["tokens"]
    cache = TokenCache(TOKENIZER, KINDS[item["kind"]], form=item["form"])
    expected = [bytes.fromhex((item["tokens"].get(value) or [""])[0]) for value in VALUES]
    assert cache.tokens(VALUES) == expected


def test_every_kind_that_ships_has_vectors() -> None:
    """A kind that comes later gets tokens that stay from its first day."""
    assert {(item["kind"], item["form"]) for item in VECTORS} == {
        (name, form) for name, kind in KINDS.items() for form in (None, *dict(kind.forms))
    }
