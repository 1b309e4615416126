"""Claims event by event, in plain words: what the columnar rules are held against."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.errors import InvalidIdentifier
from schemas.records import RecordSchema, load_records
from schemas.tokens import PREFIX_LENGTHS, IdentifierKind, Tokenizer
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import ALL_PORTS, CLAIM_SCHEMA, NOTHING
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagged, Tagger
from tests.support.company import model
from tests.support.kinds import IP, KINDS
from tests.support.records import body_of

EARLIEST, LATEST = 631_152_000_000, 4_102_444_800_000
_MARKS = {"start": 1, "alloc": 1, "interim": 2, "stop": 3, "release": 3, "off": 4, "on": 5}
_NAMES = ("customer_number", "username", "line_id", "inside_address", "mac", "client_id")
_KINDS = {"inside_address": "ip"}
_DOMAINS = {"line_id": "line", "client_id": "client"}
_NOBODY = ("anonymous", "unknown")
_PLACEHOLDERS = ("0.0.0.0", "255.255.255.254", "::", "fe80::/64")
Claim = dict[str, Any]
Event = Mapping[str, Any]


class Oracle:
    """Claims and rows of single events under one key."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def judge(self, record: RecordSchema, event: Event) -> str | None:
        """Why the event is bad, if it is: the first reason of several."""
        if not EARLIEST <= event[record.event_time] < LATEST:
            return "time_out_of_range"
        reports = record.name == "AddressAssignment"
        named = {field.name: field.identifier.kind for field in record.fields if field.identifier}
        keys = {field.name: field.key for field in record.fields if field.key and field.key != "session"}
        if not all(self._is_token(KINDS[kind], event[name]) for name, kind in named.items()):
            return "invalid_identifier"
        if any((event[rule.since] or 0) >= LATEST for rule in record.annotation.identity if rule.since):
            return "time_out_of_range"
        if not all(self._is_key(domain, event[name]) for name, domain in keys.items()):
            return "invalid_identifier"
        if reports and not self._is_token(IP, event["inside_address"]):
            return "invalid_identifier"
        return self._report(event) if reports else None

    def _is_token(self, kind: IdentifierKind, value: str | None) -> bool:
        with suppress(InvalidIdentifier):
            return value is None or bool(self._tokenizer.token(kind, value))
        return False

    def _is_key(self, domain: str, value: str | None) -> bool:
        with suppress(InvalidIdentifier):
            return value is None or bool(self._tokenizer.key(domain, value))
        return False

    def _report(self, event: Event) -> str | None:
        if event["kind"] not in ("on", "off") and not event["session_id"]:
            return "invalid_identifier"
        if event["delegated_prefix"] is not None:
            try:
                network = ipaddress.ip_network(event["delegated_prefix"], strict=False)
            except ValueError:
                return "unsupported_prefix"
            if network.version == 4 or not (44 <= network.prefixlen <= 64 or network.prefixlen == 128):
                return "unsupported_prefix"
        if any((event[name] or 0) < 0 for name in ("session_seconds", "lease_seconds", "interim_seconds")):
            return "bad_assignment"
        if event["occurred_at"] - (event["session_seconds"] or 0) * 1000 < EARLIEST:
            return "bad_assignment"
        ports = (event["port_from"], event["port_to"])
        if ports != (None, None) and (None in ports or not 0 <= ports[0] <= ports[1] <= 65_535):
            return "bad_assignment"
        return None

    def claims(self, record: RecordSchema, event: Event) -> list[Claim]:
        """Claims of a good event, `retained` in each."""
        if record.name == "AddressAssignment":
            return list(self._assignment(event))
        found: list[Claim] = []
        part = -1
        for rule in record.annotation.identity:
            for name in rule.tokens:
                part += 1
                token = self._of(record, name, event)
                first = self._of(record, rule.tokens[0], event)
                subject = next(
                    (s for f in rule.subject if (s := self._of(record, f, event)) != NOTHING), NOTHING
                )
                word = rule.marks.get(event[rule.mark]) if rule.mark else "open"
                if word is None:
                    continue
                mark = Mark(word).code
                label = f"{rule.source}\0{name}\0"
                claim = _claim(event[record.event_time], rule.source, part) | {
                    "form": ClaimForm(rule.form).code,
                    "mark": mark,
                    "token": token,
                    "subject": subject,
                    "proof": Proof(rule.proof).code,
                    "since": max(event[rule.since], EARLIEST)
                    if rule.since and event[rule.since] is not None
                    else None,
                }
                if rule.form == "state" and subject != NOTHING:
                    found.append(claim | {"group": self._tokenizer.key("slot", label + subject.hex())})
                elif rule.form == "merge" and token != NOTHING:
                    found.append(claim | {"group": self._tokenizer.key("slot", label + token.hex())})
                elif rule.form == "login" and NOTHING not in (token, subject):
                    found.append(claim)
                elif rule.form == "session" and NOTHING not in (first, subject):
                    group = self._tokenizer.key("session", label + first.hex() + subject.hex())
                    if token != NOTHING or mark == Mark.CLOSE.code:
                        found.append(claim | {"group": group})
        return found

    def _of(self, record: RecordSchema, name: str, event: Event) -> bytes:
        field = record.find(name)
        assert field is not None
        if event[name] is None:
            return NOTHING
        if field.key:
            return self._tokenizer.key(field.key, event[name])
        assert field.identifier is not None
        return self._tokenizer.token(KINDS[field.identifier.kind], event[name])

    def _assignment(self, event: Event) -> Iterator[Claim]:
        mark = _MARKS[event["kind"]]
        said = _claim(event["occurred_at"], event["source"], 0) | {
            "form": ClaimForm.SESSION.code,
            "mark": mark,
            "retained": event["purpose"] == "retention",
            "server": self._tokenizer.key("server", event["nas"]),
        }
        if event["kind"] in ("on", "off"):
            yield said
            return
        said |= self._holder(event) | self._times(event, mark)
        said["group"] = self._tokenizer.key("session", f"{event['nas']}\0{event['session_id']}\0v4")
        if event["source"] == "radius" and event["line_id"] is not None:
            said["line"] = self._tokenizer.key("line", event["line_id"])
        address, prefix = event["address"], event["delegated_prefix"]
        if address in _PLACEHOLDERS:
            address = None
        if prefix in _PLACEHOLDERS:
            prefix = None
        if address is not None:
            token = self._tokenizer.token(IP, address)
            ports = ALL_PORTS if event["port_from"] is None else (event["port_from"], event["port_to"])
            yield said | {"token": token, "port_from": ports[0], "port_to": ports[1]}
        if prefix is not None:
            for number, (token, length) in enumerate(self._prefixes(prefix)):
                yield said | {"token": token, "length": length, "part": 1 + number}
        if address is None and prefix is None:
            yield said

    def _holder(self, event: Event) -> Claim:
        for name in _NAMES:
            if event[name] is None or (name == "username" and event[name].split("@")[0] in _NOBODY):
                continue
            if name in _DOMAINS:
                subject = self._tokenizer.key(_DOMAINS[name], event[name])
            else:
                subject = self._tokenizer.token(KINDS[_KINDS.get(name, name)], event[name])
            proof = Proof.LINE_OWNER.code if name == "line_id" else Proof.SUBSCRIBER.code
            rank = 1 + _NAMES.index(name)
            if name == "line_id" and "|" in event[name]:
                rank = 8 if event[name].split("|")[1].isdecimal() else 7
            return {"subject": subject, "proof": proof, "rank": rank}
        return {"subject": NOTHING, "proof": Proof.SUBSCRIBER.code, "rank": len(_NAMES)}

    def _times(self, event: Event, mark: int) -> Claim:
        at, times = event["occurred_at"], Claim()
        if event["session_seconds"] is not None:
            times["since"] = at - event["session_seconds"] * 1000
        if mark != Mark.CLOSE.code:
            valid = (
                event["lease_seconds"]
                if event["lease_seconds"] is not None
                else event["interim_seconds"] or None
            )
            if valid is not None:
                times["until"] = at + min(valid, (LATEST - at) // 1000) * 1000
        return times

    def _prefixes(self, text: str) -> Iterator[tuple[bytes, int]]:
        network = ipaddress.IPv6Network(text, strict=False)
        if network.prefixlen == 128:
            yield self._tokenizer.token(IP, str(network.network_address)), 0
            return
        longer = min(length for length in PREFIX_LENGTHS if length >= network.prefixlen)
        for part in network.subnets(new_prefix=longer):
            value = f"{int(part.network_address) >> (128 - longer):x}/{longer}"
            yield self._tokenizer.key("prefix", value), longer


def _claim(at: int, source: str, part: int) -> Claim:
    """A claim that says nothing yet."""
    return {
        **dict.fromkeys(("token", "subject", "group", "line", "server"), NOTHING),
        "mark": Mark.OPEN.code,
        "length": 0,
        "port_from": ALL_PORTS[0],
        "port_to": ALL_PORTS[1],
        "at": at,
        "since": None,
        "until": None,
        "proof": Proof.HOLDER.code,
        "rank": 2,
        "source": source,
        "part": part,
        "retained": False,
    }


TOKENIZER = Tokenizer(bytes(range(32)), "k1")
ORACLE = Oracle(TOKENIZER)
RECORDS = load_records()
ASSIGNMENT = RECORDS["AddressAssignment"]
NOW = 1_770_000_000_000
QUIET: Claim = {field.name: None for field in ASSIGNMENT.fields} | {
    "kind": "start",
    "session_id": "0A00004F-17",
    "nas": "bras1.bgo",
    "source": "radius",
    "purpose": "operations",
    "occurred_at": NOW,
}


def tagged(record: RecordSchema, events: Sequence[Mapping[str, Any]], *, slow: bool = False) -> Tagged:
    """Tag events that lie at offset 100 and up, alternately in partitions 0 and 1."""
    tagger = Tagger(TOKENIZER, "v1", KINDS, placeholders=model().catalogue.placeholders)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([body_of(record, event) for event in events])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    count = len(events)
    at = Coordinates(np.arange(count, dtype=np.int32) % 2, np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at)


def plain(table: pa.Table, *, retained: bool = False) -> list[dict[str, Any]]:
    """Claims of a table with times as milliseconds, in order of their identity."""
    assert table.schema == CLAIM_SCHEMA
    table.validate(full=True)
    claims = table.to_pylist()
    for claim in claims:
        claim["retained"] = retained
        for name in ("at", "since", "until"):
            claim[name] = _milliseconds(claim[name])
    return sorted(claims, key=lambda claim: (claim["offset"], claim["part"]))


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.replace(tzinfo=UTC).timestamp() * 1000)


def token(kind: str, value: str) -> bytes:
    return TOKENIZER.token(KINDS[kind], value)
