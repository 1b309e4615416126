"""Free texts while they are tagged: who is mentioned, what is found, and what must not be lost over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import single_object_prefix
from schemas.norwegian import NationalKind, is_organisation_number, national_number
from schemas.records import RecordSchema, load_records
from schemas.tokens import PREFIX_LENGTHS
from schemas.vocabulary import Role
from sinks.ports.lineage import FINDING_SCHEMA
from streams.columns.tokens import LATEST, Coordinates
from streams.kafka.batches import TopicBatch
from streams.simulate.labelled import labelled
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.scan import Finding, Scanner, scan
from streams.tagging.tag import Tagged, Tagger
from tests.support.claims import ASSIGNMENT, NOW, QUIET, TOKENIZER, token
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.records import body_of

OWNER, AGENT, MENTIONED = (role.code for role in (Role.OWNER, Role.AGENT, Role.MENTIONED))
RECORDS = load_records()
CHAT, CASE = RECORDS["ChatMessage"], RECORDS["SupportCase"]
WHEN = datetime(2026, 3, 1, tzinfo=UTC)
Event = Mapping[str, Any]


def chat(text: str = "Hei", **said: Any) -> dict[str, Any]:
    """A message of customer K1, if nothing else is said."""
    quiet: dict[str, Any] = {field.name: None for field in CHAT.fields}
    quiet |= {"session_id": "s1", "customer_number": "K1", "sender": "person", "sent_at": NOW}
    return quiet | {"text": text} | said


def case(notes: str = "Ringte", outcome: str | None = None, **said: Any) -> dict[str, Any]:
    quiet: dict[str, Any] = {field.name: None for field in CASE.fields}
    quiet |= {"case_number": "1", "customer_number": "K1", "reason": "fault", "opened_at": NOW}
    return quiet | {"notes": notes, "outcome": outcome} | said


def tagged(
    record: RecordSchema, events: Sequence[Event | bytes], scanner: Scanner | None, *, slow: bool = False
) -> Tagged:
    """Tag events (or bodies) that lie at offset 100 and up, alternately in partitions 0 and 1."""
    tagger = Tagger(TOKENIZER, "v1", KINDS, scanner)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([item if isinstance(item, bytes) else body_of(record, item) for item in events])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    count = len(events)
    at = Coordinates(np.arange(count, dtype=np.int32) % 2, np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at)


def rows_of(tagged: Tagged) -> list[tuple[bytes, int, int, int, tuple[str, ...], int, int]]:
    """(token, partition, offset, role, detected, time, port) of each row, sorted."""
    columns: dict[str, Any] = {
        name: np.concatenate(parts) if parts else [] for name, parts in tagged.rows.items()
    }
    detected = {tags.id: tags.detected for tags in tagged.tag_sets}
    names = ("partition", "offset", "role", "tag_set", "event_time", "port")
    values = zip(*(np.asarray(columns[name]).tolist() for name in names), strict=True)
    return sorted(
        (bytes(name), partition, offset, role, detected[tags], time, port)
        for name, (partition, offset, role, tags, time, port) in zip(columns["token"], values, strict=True)
    )


def mentions(tagged: Tagged) -> list[tuple[bytes, int]]:
    """(token, offset) of the rows of who is mentioned, sorted."""
    return sorted((row[0], row[2]) for row in rows_of(tagged) if row[3] == MENTIONED)


def detected(tagged: Tagged) -> dict[int, set[tuple[str, ...]]]:
    """What was detected, by offset: one element if all rows of the event agree."""
    found: dict[int, set[tuple[str, ...]]] = {}
    for row in rows_of(tagged):
        found.setdefault(row[2], set()).add(row[4])
    return found


def synthetic() -> str:
    """A number of the synthetic series (month + 80) whose check digits hold, counted out."""
    for tail in range(100_000):
        number = national_number(digits := f"018190{tail:05}")
        if number and number.kind == NationalKind.SYNTHETIC and number.strict:
            return digits
    raise AssertionError("no such number")


def failing(text: str) -> Iterable[Finding]:
    """Yields one finding, then fails, but for one text."""
    if text != "Hei":
        yield Finding("name", "C-01", 0.8, 0, 1)
        raise RuntimeError("no model")


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("phone", "Ring heller kona mi på 400 00 002, takk", "+4740000002"),
        ("phone", "Ring heller kona mi på +47 40000002", "+4740000002"),
        ("email", "Send det til Nabo@Example.no i stedet", "nabo@example.no"),
        ("fodselsnummer", f"Fødselsnummeret hennes er {synthetic()}.", synthetic()),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_who_is_named_in_a_text_is_mentioned(kind: str, written: str, value: str, slow: bool) -> None:
    """Another customer's identifier gives a row under its token, with the coordinates and time of the event."""
    events = [chat(), chat("Hei igjen"), chat(), chat(written, sent_at=NOW + 7)]
    found = tagged(CHAT, events, Scanner(KINDS), slow=slow)
    (row,) = [row for row in rows_of(found) if row[3] == MENTIONED]
    assert row[:4] == (token(kind, value), 1, 103, MENTIONED)
    assert row[5:] == (NOW + 7, 0)
    assert found.subjects.tolist() == [1, 1, 1, 2]


def test_behind_unreadable_bodies_mentions_keep_their_coordinates() -> None:
    """Rows and findings of a text carry the offset of their own message."""
    events: list[Event | bytes] = [b"", chat("Ring 400 00 001"), b"\xff", chat("Ring 400 00 002")]
    found = tagged(CHAT, events, Scanner(KINDS))
    assert mentions(found) == sorted(
        [(token("phone", "+4740000001"), 101), (token("phone", "+4740000002"), 103)]
    )
    places = zip(found.findings["partition"].to_pylist(), found.findings["offset"].to_pylist(), strict=True)
    assert list(places) == [(1, 101), (1, 103)]
    assert found.subjects.tolist() == [0, 2, 0, 2]


def test_the_port_of_an_event_is_not_that_of_who_it_mentions() -> None:
    """Not even of an address that is mentioned: the port is the writer's."""
    event = chat("Adressen er 192.0.2.9", client_address="192.0.2.7", client_port=4711, customer_number=None)
    assert {(row[0], row[3], row[6]) for row in rows_of(tagged(CHAT, [event], Scanner(KINDS)))} == {
        (token("ip", "192.0.2.7"), OWNER, 4711),
        (token("ip", "192.0.2.9"), MENTIONED, 0),
    }


def test_an_identifier_written_twice_is_mentioned_once() -> None:
    """However it is written, and in whichever texts of the event; in another event it counts again."""
    events = [
        case("Ring 400 00 002 eller +4740000002", "Ringte 40000002"),
        case("Ring 400 00 002"),
    ]
    found = tagged(CASE, events, Scanner(KINDS))
    assert mentions(found) == [(token("phone", "+4740000002"), offset) for offset in (100, 101)]
    assert found.subjects.tolist() == [2, 2]
    assert found.findings.num_rows == 4


@pytest.mark.parametrize(
    "text", ["Jeg er sykmeldt", "Eg er tillitsvald", "Hun er gravid", "I am a union member"]
)
def test_special_categories_are_detected_in_all_rows_of_whom_the_text_is_about(text: str) -> None:
    """Owner and mentioned alike, not the employee who answers, and in no row of another event."""
    who = {"chat_handle": "kari", "agent_handle": "per"}
    events = [chat("Hei", **who), chat(f"{text}. Ring 400 00 002", **who), chat("Takk", **who)]
    found = tagged(CHAT, events, Scanner(KINDS))
    assert detected(found) == {100: {()}, 101: {(), ("C-01", "C-31")}, 102: {()}}
    assert {row[3] for row in rows_of(found) if row[4]} == {OWNER, MENTIONED}
    assert sorted(row[3] for row in rows_of(found) if row[2] == 101) == [OWNER, OWNER, AGENT, MENTIONED]
    # What the schema says of the fields is as before.
    usual = {(tags.categories, tags.purposes) for tags in tagged(CHAT, events, None).tag_sets}
    assert usual <= {(tags.categories, tags.purposes) for tags in found.tag_sets}


def test_what_is_of_no_category_is_found_but_not_detected() -> None:
    """A company's number is nobody's personal data; of a sole proprietor it is."""
    number = next(f"95000000{end}" for end in range(10) if is_organisation_number(f"95000000{end}"))
    events = [case(f"orgnr {number}"), case(f"Enkeltpersonforetak, orgnr {number}")]
    found = tagged(CASE, events, Scanner(KINDS))
    assert detected(found) == {100: {()}, 101: {("C-01",)}}
    assert found.findings["category"].to_pylist() == ["none", "C-01"]
    assert mentions(found) == []


def test_findings_say_what_and_where_and_never_the_text() -> None:
    """Kind, category, span and score as the scan gives them, in the columns of the index."""
    text = f"Kari er sykmeldt: fnr {synthetic()}, kari.eksempel@example.no, 400 00 002"
    found = tagged(CHAT, [chat(), chat(text)], Scanner(KINDS)).findings
    assert found.schema == FINDING_SCHEMA
    found.validate(full=True)
    expected = scan(text)
    assert len(expected) >= 4
    assert found.drop_columns(["score"]).to_pylist() == [
        {
            "topic": "topic",
            "partition": 1,
            "offset": 101,
            "field": "text",
            "start": item.start,
            "end": item.end,
            "kind": item.kind,
            "category": item.category,
        }
        for item in expected
    ]
    assert found["score"].to_pylist() == pytest.approx([item.score for item in expected])
    shown = json.dumps(found.to_pylist()).lower()
    assert not any(
        value in shown for value in ("kari", "sykmeldt", synthetic(), "example", "400 00", "40000")
    )


def test_fields_of_an_event_are_told_apart() -> None:
    """Each finding names the field it stands in, with places in that field's own text."""
    found = tagged(CASE, [case("Hei, ring 400 00 002", "nabo@example.no"), case("x", None)], Scanner(KINDS))
    columns = [found.findings[name].to_pylist() for name in ("field", "kind", "start", "end")]
    assert list(zip(*columns, strict=True)) == [("notes", "phone", 10, 20), ("outcome", "email", 0, 15)]
    assert mentions(found) == sorted(
        [(token("phone", "+4740000002"), 100), (token("email", "nabo@example.no"), 100)]
    )


def test_what_any_of_its_texts_says_is_detected_in_the_event() -> None:
    """Categories of two fields come together, each once, in order."""
    events = [case("Hun er gravid", "nabo@example.no"), case("nabo@example.no", "gravid, og sykmeldt")]
    assert detected(tagged(CASE, events, Scanner(KINDS))) == {n: {("C-01", "C-31")} for n in (100, 101)}


def test_events_without_findings_are_tagged_as_before() -> None:
    """With a scanner or without: the same rows and the same tag sets, nothing detected."""
    events = [chat("Hei"), chat("", chat_handle="kari"), chat("Nettet er nede")]
    plain, scanned = tagged(CHAT, events, None), tagged(CHAT, events, Scanner(KINDS))
    assert rows_of(scanned) == rows_of(plain)
    assert scanned.tag_sets == plain.tag_sets
    assert {tags.detected for tags in scanned.tag_sets} == {()}
    assert scanned.findings.num_rows == 0


def test_without_a_scanner_nothing_is_scanned() -> None:
    """Nor are the texts decoded."""
    found = tagged(CHAT, [chat("Jeg er sykmeldt, ring 400 00 002")], None)
    assert (found.findings.num_rows, mentions(found), found.scan_failures) == (0, [], 0)
    assert {tags.detected for tags in found.tag_sets} == {()}
    assert "text" not in Tagger(TOKENIZER, "v1", KINDS).wanted(CHAT)
    assert "text" in Tagger(TOKENIZER, "v1", KINDS, Scanner(KINDS)).wanted(CHAT)


@pytest.mark.parametrize("events", [[], [b""], [b"\xff" * 30]])
def test_a_block_without_events_has_no_findings(events: list[bytes]) -> None:
    """Nothing readable: an empty table, and every body accounted for."""
    found = tagged(CASE, events, Scanner(KINDS, (failing,)))
    assert (found.findings.num_rows, found.findings.schema) == (0, FINDING_SCHEMA)
    assert (rows_of(found), len(found.bad), found.scan_failures) == ([], len(events), 0)


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
    preparer = Preparer(Tagger(TOKENIZER, "v1", KINDS, Scanner(KINDS, (failing,))), resolve, expected)
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
        ("crm.cases", 2, 3),
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


TEXTS = st.sampled_from(["", "Hei", *(item.text for item in labelled(9, 60))])
CASES = st.fixed_dictionaries(
    {
        "notes": TEXTS,
        "outcome": st.one_of(st.none(), TEXTS),
        "agent": st.sampled_from([None, "per"]),
        "opened_at": st.sampled_from([NOW, NOW + 1, 0]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(CASES, st.just(b"\xff")), max_size=12))
def test_any_mix_of_events_is_tagged_as_each_alone(drawn: list[dict[str, Any] | bytes]) -> None:
    """Mentions, findings and the categories of the best ones are those that a scan of each text gives."""
    events = [item if isinstance(item, bytes) else case(**item) for item in drawn]
    found = tagged(CASE, events, Scanner(KINDS))
    named: set[tuple[bytes, int]] = set()
    said: dict[int, set[tuple[str, ...]]] = {}
    places: list[tuple[int, str, int, int, str]] = []
    for offset, event in enumerate(events, 100):
        if isinstance(event, bytes) or event["opened_at"] == 0:
            continue
        findings = [(name, item) for name in ("notes", "outcome") for item in scan(event[name] or "")]
        places += [(offset, name, item.start, item.end, item.kind) for name, item in findings]
        best: dict[tuple[str, int, int], str] = {}
        for name, item in findings:
            best.setdefault((name, item.start, item.end), item.category)
        said[offset] = {tuple(sorted({*best.values()} - {"none"}))}
        # The text is not about the employee.
        said[offset] |= {()} if event["agent"] else set()
        named |= {
            (TOKENIZER.token(KINDS.found[item.identifier[0]], item.identifier[1]), offset)
            for _, item in findings
            if item.identifier and item.proven
        }
    assert mentions(found) == sorted(named)
    assert detected(found) == said
    columns = [found.findings[name].to_pylist() for name in ("offset", "field", "start", "end", "kind")]
    assert sorted(zip(*columns, strict=True)) == sorted(places)
    assert found.subjects.sum() == len(rows_of(found))


def test_a_mentioned_address_is_known_under_its_prefixes() -> None:
    """The household behind a delegated prefix is found by it, also where only a text names the address."""
    found = tagged(CHAT, [chat("Adressen er 2001:db8:1::1"), chat("Hei")], Scanner(KINDS))
    address = token("ip", "2001:db8:1::1")
    assert set(found.prefixes["token"].to_pylist()) == {address}
    assert found.prefixes.num_rows == len(PREFIX_LENGTHS)
