"""Free texts while they are tagged: who is mentioned, and what is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.norwegian import is_organisation_number
from schemas.tokens import PREFIX_LENGTHS
from sinks.ports.lineage import FINDING_SCHEMA
from streams.simulate.labelled import labelled
from streams.tagging.scan import Scanner, scan
from streams.tagging.tag import Tagger
from tests.support.claims import NOW, TOKENIZER, token
from tests.support.kinds import KINDS
from tests.support.texts import (
    AGENT,
    CASE,
    CHAT,
    MENTIONED,
    OWNER,
    Event,
    case,
    chat,
    detected,
    failing,
    mentions,
    rows_of,
    synthetic,
    tagged,
)


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
    # The customer, the case number, and whom the texts mention.
    assert found.subjects.tolist() == [3, 3]
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
    assert "text" not in Tagger(TOKENIZER, "v1", KINDS, ()).wanted(CHAT)
    assert "text" in Tagger(TOKENIZER, "v1", KINDS, (), Scanner(KINDS)).wanted(CHAT)


@pytest.mark.parametrize("events", [[], [b""], [b"\xff" * 30]])
def test_a_block_without_events_has_no_findings(events: list[bytes]) -> None:
    """Nothing readable: an empty table, and every body accounted for."""
    found = tagged(CASE, events, Scanner(KINDS, (failing,)))
    assert (found.findings.num_rows, found.findings.schema) == (0, FINDING_SCHEMA)
    assert (rows_of(found), len(found.bad), found.scan_failures) == ([], len(events), 0)


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
