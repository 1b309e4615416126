"""One schema under every id of a registry, and web visits that it wrote: what a test of one message needs."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.codec import single_object_prefix
from schemas.records import load_records
from schemas.versions import known_writers
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.tag import Tagger
from tests.support.claims import TOKENIZER
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.records import body_of

VISIT = load_records()["WebVisit"]
TOPIC = "web.visits"
VALUE = {
    "occurred_at": 1_770_000_000_000,
    "client_address": "203.0.113.4",
    "client_port": None,
    "method": "GET",
    "status": 200,
    "page": "/",
    "referrer": None,
    "browser": None,
    "operating_system": None,
    "location": None,
    "cookie_id": None,
    "cookie_consent": "none",
}
BODY = body_of(VISIT, VALUE)
TECHNICAL = {"category": "none"}
WRITERS = known_writers()
TAGGER = Tagger(TOKENIZER, "v1", KINDS, ())
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLAIN = json.dumps(VISIT.json)


class Registered:
    """A registry with one schema under every id."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = 0

    def schema(self, schema_id: int) -> str:
        self.asked += 1
        return self.text


def with_field(avro_type: Any, name: str = "more", **said: Any) -> str:
    """Web visits with one more field."""
    schema = copy.deepcopy(VISIT.json)
    schema["fields"].append({"name": name, "type": avro_type, "innsyn": said or TECHNICAL})
    return json.dumps(schema)


def with_fields(fields: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(VISIT.json | {"fields": [*VISIT.json["fields"], *fields]})


def saying(**said: Any) -> str:
    """Web visits whose record says something else of itself."""
    return json.dumps(VISIT.json | {"innsyn": VISIT.json["innsyn"] | said})


def field_saying(name: str, **said: Any) -> str:
    schema = copy.deepcopy(VISIT.json)
    for field in schema["fields"]:
        if field["name"] == name:
            field["innsyn"] |= said
    return json.dumps(schema)


def of_record(field: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Inner", "fields": [{"innsyn": TECHNICAL} | dict(field)]} | said


def preparer(registry: Registered, refusals: Refusals | None = None) -> Preparer:
    return Preparer(
        TAGGER, WriterSchemas(WRITERS, model().catalogue, registry).resolve, {TOPIC: "WebVisit"}, refusals
    )


def prepared(by: Preparer, messages: Sequence[bytes]) -> Prepared:
    count = len(messages)
    batch = TopicBatch(
        TOPIC, list(messages), np.zeros(count, np.int32), np.arange(count), 1, sum(map(len, messages))
    )
    return by.prepare([batch], [], {(TOPIC, 0): 1}, NOW)


GOOD = single_object_prefix(VISIT) + BODY


def adding(value: str, key: str = "x") -> str:
    """Web visits with one more property, as JSON text."""
    return f'{PLAIN[:-1]}, "{key}": {value}}}'
