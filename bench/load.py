"""Fills topics with web visits of invented addresses and with chats, and says who had the addresses."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from schemas.catalogue import load_catalogue
from schemas.codec import decode_body, encode, split_frame
from schemas.company import load_company
from schemas.contracts import Contract, load_contract
from schemas.records import load_records
from schemas.tokens import Tokenizer
from streams.columns.tokens import Coordinates
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from streams.simulate.plan import Plan
from streams.simulate.texts import FROM_PERSON, write
from streams.simulate.world import build_world
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagger

TOPIC = "bench.visits"
CHATS = "bench.chats"
FOREIGN = "bench.visits.json"
DEAD = "bench.dead-letters"
PARTITIONS = 6
# Distinct messages; the topic repeats them. Enough that no cache of tokens is warm by accident.
_DISTINCT = 200_000
_START = datetime(2026, 9, 1, tzinfo=UTC)
_DAYS = 30
# One chat message to so many visits: three times the share of a simulated company.
_VISITS_TO_A_CHAT = 20
_CUSTOMERS = 20_000


def addresses() -> list[str]:
    """120,000 of the range for benchmarks (RFC 2544)."""
    return [f"198.{net}.{third}.{last}" for net in (18, 19) for third in range(240) for last in range(250)]


def messages(seed: int = 7) -> list[bytes]:
    """Encoded visits, about 100 bytes each: 120,000 addresses, every second with a cookie."""
    record, chance, every = load_records()["WebVisit"], random.Random(seed), addresses()
    return [
        encode(
            record,
            {
                "occurred_at": _START + timedelta(milliseconds=chance.randrange(_DAYS * 86_400_000)),
                "client_address": chance.choice(every),
                "client_port": chance.randrange(1_024, 65_536),
                "method": "GET",
                "status": 200,
                "page": f"/kundeservice/{chance.randrange(10_000)}",
                "referrer": None,
                "browser": "Firefox 145",
                "operating_system": "Linux",
                "location": None,
                "cookie_id": f"c{chance.randrange(2**32):08x}" if number % 2 else None,
                "cookie_consent": "necessary",
            },
        )
        for number in range(_DISTINCT)
    ]


def as_json(messages: Sequence[bytes]) -> list[bytes]:
    """The same visits as somebody else would write them, times in milliseconds."""
    record = load_records()["WebVisit"]
    return [json.dumps(decode_body(record, split_frame(message)[1])).encode() for message in messages]


def foreign_visits(folder: Path) -> Contract:
    """What holds for them: the words of the record, as a contract."""
    record = load_records()["WebVisit"]
    kept = (
        "system",
        "subject_type",
        "purposes",
        "legal_basis",
        "origin",
        "operation",
        "retention",
        "recipients",
    )
    said = record.annotation.model_dump(mode="json", include=set(kept))
    fields = {}
    for item in record.fields:
        fields[item.name] = {
            **item.model_dump(mode="json", include={"category", "identifier", "port_of"}, exclude_none=True),
            "type": "integer" if item.type in ("int", "long") else "string",
        }
    time = {"path": record.event_time, "unit": "millis"}
    content = {**said, "record": "ForeignVisit", "format": "json", "event_time": time, "fields": fields}
    file = folder / f"{FOREIGN}.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return load_contract(file, load_catalogue(), folder)


def chats(seed: int = 7, count: int = 20_000) -> list[bytes]:
    """Encoded chat messages with the simulator's texts, signed, so that hardly any is like another."""
    record, world = load_records()["ChatMessage"], build_world(Plan(200, 10, seed))
    rng = random.Random(seed)
    made = []
    for number in range(count):
        at = _START + timedelta(seconds=number)
        customer = world.anybody(rng)
        text, _ = write(world, rng, FROM_PERSON, customer, at)
        given = {"session_id": f"chat-{number // 6}", "chat_handle": customer.chat_handle, "sender": "person"}
        empty = dict.fromkeys(("customer_number", "client_address", "client_port", "agent_handle"))
        made.append(
            encode(
                record,
                {**empty, **given, "text": f"{text} Mvh {world.anybody(rng).holder.name}", "sent_at": at},
            )
        )
    return made


def holders(tokenizer: Tokenizer) -> pa.Table:
    """Claims of who had each address: a session of start, interim and stop over all of the time."""
    record = load_records()["AddressAssignment"]
    chance = random.Random(7)
    tagger = Tagger(tokenizer, "0" * 12, load_company().kinds, load_company().catalogue.placeholders)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = []
    for number, address in enumerate(addresses()):
        customer = str(chance.randrange(_CUSTOMERS))
        for kind, day in (("start", 0), ("interim", _DAYS // 2), ("stop", _DAYS)):
            at = _START + timedelta(days=day)
            given = {"kind": kind, "address": address, "session_id": f"s{number}", "nas": "bras1"}
            names = (field["name"] for field in record.json["fields"])
            value = (
                dict.fromkeys(names) | given | {"customer_number": customer, "session_seconds": day * 86_400}
            )
            value |= {"source": "radius", "purpose": "operations", "occurred_at": at}
            bodies.append(split_frame(encode(record, value))[1])
    where = Coordinates(np.zeros(len(bodies), np.int32), np.arange(len(bodies)))
    return tagger.tag(record, "network.assignments", decoder.decode(Bodies.of(bodies)), where).claims.table


def fill(bootstrap: str, events: int) -> int:
    """Send so many visits, the same as JSON, and chats beside them; bytes of the visits."""
    sample, talk = messages(), chats()
    foreign = as_json(sample)
    with EventProducer(Connection(bootstrap), linger_ms=50) as producer:
        for number in range(events):
            producer.send(TOPIC, sample[number % len(sample)], partition=number // 1_000 % PARTITIONS)
            producer.send(FOREIGN, foreign[number % len(foreign)], partition=number // 1_000 % PARTITIONS)
        for number in range(chats_beside(events)):
            producer.send(CHATS, talk[number % len(talk)], partition=number // 1_000 % PARTITIONS)
    return sum(map(len, sample)) * events // len(sample)


def chats_beside(events: int) -> int:
    """How many chats `fill` sends beside so many visits."""
    return events // _VISITS_TO_A_CHAT
