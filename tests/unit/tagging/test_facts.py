"""What events say of duties: of whom, in words of closed lists alone, and nothing where nothing is said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.codec import encode
from schemas.errors import CatalogueError, SchemaError
from schemas.facts import fact_words
from schemas.records import RecordSchema, load_records
from schemas.tokens import Tokenizer
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagged, Tagger
from tests.support.by_contract import placed, prepare
from tests.support.company import model
from tests.support.contracts import contract, order
from tests.support.kinds import KINDS
from tests.support.records import EVENT_TIME, record_of

TOKENIZER = Tokenizer(bytes(range(32)), "k1")
WORDS = fact_words(model().catalogue)
RECORDS = load_records()
NOW = 1_770_000_000_000
KARI, COOKIE = "10042", "c-1"
_HEADER = 10


def tagged(
    record: RecordSchema, *values: dict[str, Any], slow: bool = False, tokenizer: Tokenizer = TOKENIZER
) -> Tagged:
    """Events at offset 100 and up; fields that are left out are null or empty."""
    blank = {
        item.name: None
        if item.nullable
        else {"string": "", "long": NOW, "array": [], "enum": None, "boolean": False}.get(item.type, 0)
        for item in record.fields
        if "." not in item.name
    }
    tagger = Tagger(tokenizer, "v1", KINDS, (), words=WORDS)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([encode(record, blank | value)[_HEADER:] for value in values])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    count = len(values)
    at = Coordinates(np.zeros(count, np.int32), np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at, NOW + 86_400_000)


def rows(record: str, *values: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tagged(RECORDS[record], *values, **more).facts.to_pylist()
    return found


def token(kind: str, value: str) -> bytes:
    return TOKENIZER.token(KINDS[kind], value)


def consent(decision: str = "given", purpose: str = "P-MARKETING", **other: Any) -> dict[str, Any]:
    return {
        "customer_number": KARI,
        "decision": decision,
        "purpose": purpose,
        "text_version": "t-1",
        "channel": "web",
        **other,
    }


def disclosed(**other: Any) -> dict[str, Any]:
    return {
        "customer_number": KARI,
        "recipient": "Oslo politidistrikt",
        "recipient_class": "police",
        "instrument": "statutory_order",
        "basis": "ekomloven § 3-14",
        "categories": ["C-17"],
        **other,
    }


@pytest.mark.parametrize("slow", [False, True])
def test_a_consent_is_of_whoever_gives_it_under_each_of_their_identifiers(slow: bool) -> None:
    """So that a visit that names the cookie alone finds it too."""
    found = rows("ConsentDecision", consent(cookie_id=COOKIE), consent("withdrawn"), slow=slow)
    assert sorted((row["offset"], row["token"], row["says"]) for row in found) == sorted(
        [
            (100, token("customer_number", KARI), "given"),
            (100, token("cookie_id", COOKIE), "given"),
            (101, token("customer_number", KARI), "withdrawn"),
        ]
    )
    assert {(row["fact"], *row["about"], row["part"], row["topic"]) for row in found} == {
        ("consent", "P-MARKETING", 0, "topic")
    }
    assert {row["event_time"] for row in found} == {
        datetime.fromtimestamp(NOW / 1000, UTC).replace(tzinfo=None)
    }


def test_a_value_that_no_list_knows_is_not_kept() -> None:
    """A hostile producer may put anything there, also a national identity number."""
    found = rows("ConsentDecision", consent(purpose="15888812345", text_version="15888812345"))
    assert [(row["about"], row["version"]) for row in found] == [(["unknown"], "unknown")]
    (row,) = rows("Disclosure", disclosed(categories=["C-17", "all of Kari"], instrument="a handshake"))
    assert (row["about"], row["instrument"], row["recipient"]) == (["C-17", "unknown"], "unknown", "police")
    assert "Oslo" not in str(row)


def test_a_name_is_a_keyed_hash() -> None:
    """The same for one name however it is spaced, another for another name and under another key, none for none."""
    names = ("Oslo politidistrikt", " oslo Politidistrikt", "Kripos", "", "Kripos")
    found = [row["name"] for row in rows("Disclosure", *(disclosed(recipient=name) for name in names))]
    assert found[0] == found[1] != 0
    assert found[2] == found[4] not in (0, found[0])
    assert found[3] == 0
    (other,) = rows("Disclosure", disclosed(recipient="Kripos"), tokenizer=Tokenizer(bytes(32), "k2"))
    assert other["name"] not in (0, found[2])


@pytest.mark.parametrize(
    ("exemption", "evidence", "says", "there"),
    [
        (None, None, "sent", False),
        ("statutory", "ekomloven § 3-13", "statutory", True),
        ("impossible", "  ", "impossible", False),
    ],
)
def test_a_notice_says_whether_somebody_was_told_or_why_not(
    exemption: str | None, evidence: str | None, says: str, there: bool
) -> None:
    """And whether there is anything that the exemption rests on."""
    notice = {
        "notice_id": "n-1",
        "customer_number": KARI,
        "occasion": "third_party",
        "notice_version": "1",
        "source": "Kredittbyrået",
        "categories": ["C-05", "C-02"],
        "exemption": exemption,
        "evidence": evidence,
        "channel": "letter",
    }
    (row,) = rows("NoticeSent", notice)
    assert (row["fact"], row["says"], row["evidence"]) == ("notice", says, there)
    assert (row["occasion"], row["about"]) == ("third_party", ["C-05", "C-02"])
    assert row["name"]


def test_a_decision_says_whether_a_machine_took_it() -> None:
    """By a field that is true or false; an event that names two identifiers of the person has a row for each."""
    check = {"reference": "r", "fodselsnummer": "15888812345", "bureau": "b", "outcome": "refused"}
    found = rows("CreditCheck", *({**check, "automated": said} for said in (True, False)))
    assert [row["says"] for row in found] == ["automated", "by_people"]


def test_only_where_a_cookie_was_used_does_its_consent_say_anything() -> None:
    visit = {"client_address": "192.0.2.7", "method": "GET", "page": "/"}
    found = rows(
        "WebVisit",
        *(
            {**visit, "cookie_consent": consent, "cookie_id": cookie}
            for consent, cookie in (("none", None), ("none", COOKIE), ("all", COOKIE), ("unknown", COOKIE))
        ),
    )
    assert sorted(
        (row["offset"], row["says"]) for row in found if row["token"] == token("cookie_id", COOKIE)
    ) == [
        (101, "without_consent"),
        (103, "without_consent"),
    ]


def test_events_of_a_contract_say_facts_by_paths(tmp_path: Path) -> None:
    """Of other people's messages in JSON; one whose mark means nothing says nothing."""
    said = {
        "facts": [
            {
                "fact": "consent",
                "mark": "mail",
                "marks": {"true": "given", "false": "refused"},
                "about": "for",
            }
        ],
        "fields": {
            **order()["fields"],
            "mail": {"category": "C-09", "type": "boolean"},
            "for": {"category": "C-09"},
        },
    }
    messages = [placed(mail=mail, **{"for": "P-MARKETING"}) for mail in (True, False, None)]
    found = prepare(contract(tmp_path, order(**said)), messages).batch.facts.to_pylist()
    assert [(row["offset"], row["says"], row["about"]) for row in found] == [
        (0, "given", ["unknown"]),
        (1, "refused", ["unknown"]),
    ]


FIELDS = (
    {
        "name": "owner",
        "type": "string",
        "innsyn": {"category": "C-01", "identifier": {"kind": "customer_number", "role": "owner"}},
        "confluent:tags": ["C-01"],
    },
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["on", "off"]}},
    {"name": "purpose", "type": "string"},
    {"name": "number", "type": "int"},
    {"name": "occurred_at", "type": EVENT_TIME},
)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"fact": "consents"}, "unknown fact consents; did you mean consent?"),
        ({"fact": "consent", "about": "purpose"}, "says is missing"),
        ({"fact": "consent", "says": "given"}, "about is missing"),
        ({"fact": "consent", "says": "gave", "about": "purpose"}, "unknown word gave; did you mean given?"),
        ({"fact": "consent", "mark": "state", "about": "purpose"}, "mark and marks do not go together"),
        ({"fact": "consent", "mark": "owner", "marks": {"on": "given"}, "about": "purpose"}, "mark owner is no enum"),
        ({"fact": "consent", "mark": "state", "marks": {"of": "given"}, "about": "purpose"}, "unknown symbol of; did"),
        ({"fact": "consent", "says": "given", "about": "nobody"}, "nobody is no field"),
        ({"fact": "consent", "says": "given", "about": "number"}, "about number is no text"),
        ({"fact": "decision", "says": "automated", "recipient": "owner"}, "recipient is nothing that a fact decision"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_refused(rule: dict[str, Any], message: str) -> None:
    """With what is wrong and how to mend it, before the first event."""
    with pytest.raises(SchemaError, match=message.replace("?", r"\?")):
        record_of(*FIELDS, facts=[rule])


def test_facts_about_nobody_are_refused() -> None:
    agent = {"name": "owner", "type": "string"}
    with pytest.raises(SchemaError, match="facts about nobody"):
        record_of(agent, *FIELDS[1:], facts=[{"fact": "decision", "says": "automated"}])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"fact": "consent", "says": "given", "about": "for"}, "for is none of fields"),
        ({"fact": "consent", "says": "given", "about": "number"}, "number is of type integer"),
        ({"fact": "decision", "says": "automated", "where": "lines[].sku"}, "lies in an array"),
    ],
)
def test_a_rule_of_a_contract_that_cannot_be_read_is_refused(
    tmp_path: Path, rule: dict[str, Any], message: str
) -> None:
    fields = {
        **order()["fields"],
        "number": {"category": "none", "type": "integer"},
        "lines[].sku": {"category": "C-09"},
    }
    with pytest.raises(CatalogueError, match=message.replace("[", r"\[")):
        contract(tmp_path, order(facts=[rule], fields=fields))
