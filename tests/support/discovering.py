"""Topics as `innsyn discover` sees them, without a broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import yaml

from schemas.catalogue import Catalogue, load_catalogue
from schemas.layers import BASE, COMPANIES
from schemas.undecided import DECIDE
from streams.discovery.draft import Facts, draft
from streams.discovery.formats import Format
from streams.discovery.names import words_for
from streams.discovery.topic import Looked, TopicReader

TODAY = date(2026, 3, 1)
SHARED = load_catalogue(BASE / "catalogue", COMPANIES / "minimal" / "catalogue")


Key = Callable[[Mapping[str, Any]], str]


def looked(
    topic: str, messages: Iterable[Mapping[str, Any]], catalogue: Catalogue = SHARED, key: Key | None = None
) -> Looked:
    """What messages in JSON show, each with a key."""
    reader = TopicReader(topic, words_for(catalogue), TODAY, lambda _: None)
    for message in messages:
        reader.take(json.dumps(message).encode(), key(message).encode() if key else None)
    return reader.looked()


def drafted(
    topic: str, messages: Iterable[Mapping[str, Any]], catalogue: Catalogue = SHARED, key: Key | None = None
) -> str:
    """The draft of a contract for them."""
    found = looked(topic, messages, catalogue, key)
    assert found.event is not None
    return draft(
        found.event, Facts(topic, found.format or Format.JSON, found.sampled, found.left_out), catalogue
    )


def decided(text: str, **said: Any) -> dict[str, Any]:
    """A draft in which a person has agreed with what is likely, and written the rest: `said`, or what fits most."""
    content: dict[str, Any] = yaml.safe_load(text)
    usual = {
        "system": "shop",
        "subject_type": "customer",
        "purposes": ["P-CONTRACT"],
        "legal_basis": {"P-CONTRACT": "b"},
        "origin": "direct",
        "operation": "collect",
        "retention": ["T50", "T27"],
        "recipients": [],
    }
    content |= usual | said
    content.pop(DECIDE, None)
    content["event_time"].pop(DECIDE, None)
    for rule in content.get("identity", []):
        rule.pop(DECIDE, None)
        rule["source"] = "register"
    for field in content["fields"].values():
        field.pop(DECIDE, None)
        if field.get("type", "string") not in ("string", "integer"):
            # What is drafted as an identifier of another type is none: nothing could be read there.
            field.pop("identifier", None)
        if field["category"] == DECIDE:
            field["category"] = "C-01"
    return content
