"""Free texts that cannot be read, plug-ins that fail or find more, and what is observed beside the texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from schemas.codec import single_object_prefix
from streams.columns.tokens import LATEST
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.scan import Finding, Scanner
from streams.tagging.tag import Tagged, Tagger
from tests.support.claims import ASSIGNMENT, NOW, QUIET, TOKENIZER, token
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.records import body_of
from tests.support.texts import (
    CASE,
    CHAT,
    RECORDS,
    WHEN,
    case,
    chat,
    detected,
    failing,
    mentions,
    rows_of,
    tagged,
)


def test_a_plug_in_that_fails_costs_no_event() -> None:
    """Rows, mentions and findings are those without it; how many texts it failed on is counted."""
    events = [chat("Hei"), chat("Ring 400 00 002"), chat("Jeg er sykmeldt"), chat("Ring 400 00 002")]
    plain, found = tagged(CHAT, events, Scanner(KINDS)), tagged(CHAT, events, Scanner(KINDS, (failing,)))
    assert rows_of(found) == rows_of(plain)
    assert found.findings.equals(plain.findings)
    assert dict(found.bad) == {}
    # A text that came twice is scanned, and failed on, once.
    assert (plain.scan_failures, found.scan_failures) == (0, 2)


def test_failures_of_all_fields_and_topics_of_a_batch_are_added_up() -> None:
    """What the worker counts is the sum, and the batch carries all findings."""
    messages = {
        "support.chats": [(CHAT, chat("Ring 400 00 002"))],
        "crm.cases": [(CASE, case("nabo@example.no", "gravid")), (CASE, case("Hei", None))],
    }
    batches = [
        TopicBatch(
            topic,
            [single_object_prefix(record) + body_of(record, event) for record, event in items],
            np.zeros(len(items), np.int32),
            np.arange(len(items), dtype=np.int64),
            NOW,
            1,
        )
        for topic, items in messages.items()
    ]
    expected = {"support.chats": "ChatMessage", "crm.cases": "SupportCase"}
    resolve = WriterSchemas(RECORDS.values(), model().catalogue).resolve
    preparer = Preparer(Tagger(TOKENIZER, "v1", KINDS, (), Scanner(KINDS, (failing,))), resolve, expected)
    prepared = preparer.prepare(batches, [], {(topic, 0): 1 for topic in messages}, WHEN)
    assert prepared.scan_failures == 3
    columns = [prepared.batch.findings[name].to_pylist() for name in ("topic", "offset", "field", "kind")]
    assert list(zip(*columns, strict=True)) == [
        ("support.chats", 0, "text", "phone"),
        ("crm.cases", 0, "notes", "email"),
        ("crm.cases", 0, "outcome", "special.health"),
    ]
    assert [(item.topic, item.events, item.rows) for item in prepared.batch.ranges] == [
        ("support.chats", 1, 2),
        ("crm.cases", 2, 5),
    ]


def test_a_plug_in_finds_more() -> None:
    """What it proves is mentioned, and what it finds is detected, beside what is built in."""

    def handles(text: str) -> Iterable[Finding]:
        at = text.find("@kari")
        if at >= 0:
            yield Finding("name", "C-01", 0.9, at, at + 5, ("chat_handle", "kari"), True)

    found = tagged(CHAT, [chat("Hei @kari"), chat("Hei")], Scanner(KINDS, (handles,)))
    assert mentions(found) == [(token("chat_handle", "kari"), 100)]
    assert detected(found) == {100: {("C-01",)}, 101: {()}}


@pytest.mark.parametrize(
    ("foul", "reason"),
    [
        ({"sent_at": 0}, "time_out_of_range"),
        ({"sent_at": LATEST}, "time_out_of_range"),
        ({"client_address": "nowhere"}, "invalid_identifier"),
    ],
)
def test_a_bad_event_has_no_findings(foul: dict[str, Any], reason: str) -> None:
    """Its text is not read at all: no finding, no mention, and no plug-in sees it."""
    seen: list[str] = []

    def spy(text: str) -> Iterable[Finding]:
        seen.append(text)
        return []

    events = [chat("Ring 400 00 002, jeg er sykmeldt", **foul), chat("Ring 400 00 003")]
    found = tagged(CHAT, events, Scanner(KINDS, (spy,)))
    assert dict(found.bad) == {0: reason}
    assert found.findings["offset"].to_pylist() == [101]
    assert mentions(found) == [(token("phone", "+4740000003"), 101)]
    assert (found.subjects.tolist(), seen) == ([0, 2], ["Ring 400 00 003"])


def observed(found: Tagged) -> set[tuple[bytes, int, int]]:
    seen = found.observed
    names = [bytes(item) for item in seen.token]
    return set(zip(names, seen.at.tolist(), seen.port.tolist(), strict=True))


def test_who_gives_a_customer_number_need_not_be_looked_for() -> None:
    """Observed are the owners of the other good events, with time and port; not agents, not who is mentioned."""
    who: dict[str, Any] = {
        "chat_handle": "kari",
        "client_address": "192.0.2.7",
        "client_port": 4711,
        "agent_handle": "per",
    }
    events = [
        chat(**who),
        chat("Ring 400 00 002", **who, customer_number=None, sent_at=NOW + 5),
        chat("Ring 400 00 002", **who, customer_number=None, sent_at=0),
    ]
    found = tagged(CHAT, events, Scanner(KINDS))
    assert observed(found) == {
        (token("chat_handle", "kari"), NOW + 5, 0),
        (token("ip", "192.0.2.7"), NOW + 5, 4711),
    }
    assert len(found.observed) == 2


def test_what_is_kept_for_the_police_is_not_observed() -> None:
    """A retained report is not asked about, whoever it names; a report of operations is."""
    reports = [
        QUIET | {"address": "192.0.2.7", "username": "ola", "purpose": "retention"},
        QUIET | {"address": "192.0.2.8", "purpose": "retention"},
        QUIET | {"address": "192.0.2.9", "username": "ola"},
        QUIET | {"address": "192.0.2.9", "customer_number": "K1"},
    ]
    found = tagged(ASSIGNMENT, reports, Scanner(KINDS))
    assert observed(found) == {(token("ip", "192.0.2.9"), NOW, 0), (token("username", "ola"), NOW, 0)}
