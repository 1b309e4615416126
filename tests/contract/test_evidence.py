"""The transparency log, the same in memory, on the embedded engine and over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.signingkeys import SigningKeyring
from sinks.clickhouse.audit import ClickHouseAudit
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.evidence import ClickHouseEvidence
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.requests import MemoryRequests
from sinks.ports.audit import AuditEntry, AuditLog
from sinks.ports.evidence import Entry, EvidenceLog, Leaf, Place, Seal, Source, Statement
from sinks.ports.requests import RequestLog
from streams.evidence.heads import leaf_of
from streams.evidence.sealing import Sealer
from tests.support.index import empty, token

NOON = datetime(2026, 3, 9, 12, 0, 0, 250_000, tzinfo=UTC)
CONTENT: dict[str, Any] = {
    "reason": 'sitat " og \\ og linje\nskift, æøå',
    "rows": 3,
    "share": 0.5,
    "held": [None, True],
}


@dataclass(frozen=True)
class Kept:
    """A log, and what it is about."""

    log: EvidenceLog
    requests: RequestLog
    audit: AuditLog


@pytest.fixture
def kept(engine: ClickHouse | None) -> Kept:
    if engine is None:
        requests, audit = MemoryRequests(), MemoryAudit()
        return Kept(MemoryEvidence(requests, audit), requests, audit)
    index = empty(engine)
    return Kept(ClickHouseEvidence(index), ClickHouseRequests(index), ClickHouseAudit(index))


def asked(seconds: int, entry: str) -> AuditEntry:
    at = NOON + timedelta(seconds=seconds)
    who = AuditEntry(at, "POST /v1/access", caller="token 1a2b3c4d", client="2001:db8::7", entry=entry)
    return replace(
        who, kinds=("email", "phone"), identifiers=2, subjects=(token(4), token(1_000)), size=2**40
    )


def recorded(kept: Kept) -> None:
    """Two entries of the ledger, two of the audit record and a statement, not in the order of their moments."""
    kept.audit.write([asked(3, "0b"), asked(1, "0c")])
    kept.requests.append("r-1", 1, "planned", NOON + timedelta(seconds=2), CONTENT)
    kept.requests.append("r-1", 0, "received", NOON, {})
    kept.log.state(Statement("r-1", "purged", NOON + timedelta(seconds=3), '{"æ":1}'))


def places(entries: Sequence[Entry | Leaf]) -> list[str]:
    return [f"{item.place.source} {item.place.key}" for item in entries]


def seal(sequence: int, leaves: Sequence[Leaf] = (), size: int = 1) -> Seal:
    peaks = tuple(bytes([number]) * 31 + b"\x00" for number in range(size.bit_count()))
    return Seal(
        sequence=sequence,
        size=size,
        root=b"\x01" * 31 + b"\x00",
        previous=bytes(32),
        at=NOON,
        key_id="5f2a9c01d7e34b68",
        signature=b"\x02" * 63 + b"\x00",
        peaks=peaks,
        leaves=tuple(leaves),
    )


def test_what_was_recorded_waits_in_the_order_of_moments(kept: Kept) -> None:
    """Then of sources and keys; as many as are asked for."""
    recorded(kept)
    expected = ["request r-1/0", "audit 0c", "request r-1/1", "audit 0b", "statement r-1/purged"]
    assert places(kept.log.waiting(10)) == expected
    assert places(kept.log.waiting(2)) == expected[:2]


def test_an_entry_is_the_same_wherever_it_is_kept(kept: Kept) -> None:
    """All of its content, so that its digest is one: written down here, for good."""
    recorded(kept)
    found = {item.place.key: item for item in kept.log.waiting(10)}
    assert found["r-1/1"].content == {
        "request_id": "r-1",
        "sequence": 1,
        "kind": "planned",
        "content": '{"held":[null,true],"reason":"sitat \\" og \\\\ og linje\\nskift, æøå","rows":3,"share":0.5}',
    }
    assert found["0b"].content["subjects"] == [token(4).hex(), token(1_000).hex()]
    assert found["0b"].at == NOON + timedelta(seconds=3)
    assert {key: leaf_of(item).digest.hex()[:16] for key, item in found.items()} == {
        "r-1/0": "db5e6268e976db55",
        "0c": "e5353cf32a585bdf",
        "r-1/1": "fc8415fc4258e53b",
        "0b": "e5353cf32a585bdf",
        "r-1/purged": "375c45a26f5ff62f",
    }
    wanted = [Place(Source.AUDIT, "0b"), Place(Source.REQUEST, "r-1/0"), Place(Source.REQUEST, "r-1/7")]
    assert sorted(places(kept.log.entries(wanted))) == ["audit 0b", "request r-1/0"]


def test_a_seal_comes_back_as_it_was_and_its_entries_wait_no_more(kept: Kept) -> None:
    """Bytes that end in zeros included; heads come without leaves."""
    recorded(kept)
    first = seal(0, [leaf_of(item) for item in kept.log.waiting(3)], size=3)
    assert kept.log.newest() is None
    assert kept.log.append(first)
    second = seal(1, [Leaf(Place(Source.AUDIT, "0b"), NOON, bytes(32))], size=4)
    assert kept.log.append(second)
    assert list(kept.log.seals(0, 10)) == [first, second]
    assert list(kept.log.seals(0, 1)) == list(kept.log.seals(0, 3)) == [first]
    assert list(kept.log.seals(0, 4)) == [first, second]
    assert list(kept.log.heads_from(0, 10)) == [replace(item, leaves=()) for item in (first, second)]
    assert list(kept.log.heads_from(0, 1)) == [replace(first, leaves=())]
    assert list(kept.log.heads_from(2, 10)) == []
    assert list(kept.log.seals(1, 10)) == [second]
    assert list(kept.log.heads(10)) == [replace(second, leaves=()), replace(first, leaves=())]
    assert kept.log.newest() == replace(second, leaves=())
    assert places(kept.log.waiting(10)) == ["statement r-1/purged"]
    assert (kept.log.unsealed(), list(kept.log.repeated(9))) == (1, [])
    assert not kept.log.waiting(10, sealed=2)
    assert places(kept.log.waiting(10, sealed=1)) == ["statement r-1/purged"]


def test_a_number_is_given_once(kept: Kept) -> None:
    """The second seal of a number changes nothing, and its leaves wait as before."""
    recorded(kept)
    leaves = [leaf_of(item) for item in kept.log.waiting(10)]
    assert kept.log.append(seal(0, leaves[:1]))
    assert not kept.log.append(seal(0, leaves, size=5))
    assert not kept.log.append(seal(0, leaves[:1]))
    assert len(kept.log.waiting(10)) == len(leaves) - 1


def test_it_shows_that_something_new_was_recorded(kept: Kept) -> None:
    recorded(kept)
    before = kept.log.recorded()
    assert kept.log.recorded() == before
    kept.audit.write([asked(9, "0d")])
    assert kept.log.recorded() != before


def test_what_was_published_is_known(kept: Kept) -> None:
    """Also when it is noted late, or twice."""
    assert kept.log.published() == -1
    for sequence, highest in ((0, 0), (4, 4), (2, 4), (4, 4)):
        kept.log.note_published(sequence, NOON)
        assert kept.log.published() == highest


def test_many_statements_at_once_are_stored_as_each_would_be_alone(kept: Kept) -> None:
    """Of several of one kind the first stands, here as well as of what was there before."""
    there, first, again, other, elsewhere = (
        Statement(request, kind, NOON, f'{{"n":{number}}}')
        for number, (request, kind) in enumerate(
            [
                ("r-1", "purged"),
                ("r-1", "certificate"),
                ("r-1", "certificate"),
                ("r-2", "purged"),
                ("r-1", "purged"),
            ]
        )
    )
    assert kept.log.state_each([]) == []
    assert kept.log.state_each([there]) == [True]
    assert kept.log.state_each([first, again, other, elsewhere]) == [True, False, True, False]
    assert kept.log.state_each([again, replace(first)]) == [False, False]
    assert list(kept.log.statements()) == sorted([there, first, other], key=lambda s: (s.request_id, s.kind))


def test_of_each_kind_a_request_has_one_statement(kept: Kept) -> None:
    """The first one, for ever."""
    first = Statement("r-1", "purged", NOON, '{"a": "æ"}')
    assert kept.log.state(first)
    assert not kept.log.state(replace(first, content="{}"))
    other, later = Statement("r-1", "certificate", NOON, "[]"), Statement("r-2", "purged", NOON, "{}")
    assert kept.log.state(later)
    assert kept.log.state(other)
    assert list(kept.log.statements("r-1")) == [other, first]
    assert list(kept.log.statements()) == [other, first, later]
    assert not kept.log.statements("r-3")


def test_of_several_sealers_none_seals_what_another_did(kept: Kept, tmp_path: Any) -> None:
    """Everything is sealed once, whoever is faster, and the heads stand on each other."""
    ring = SigningKeyring(tmp_path)

    def work(name: str) -> None:
        sealer = Sealer(kept.log, ring.key, lambda: NOON, most=3)
        for number in range(6):
            kept.audit.write([asked(number, f"{name}{number}")])
            sealer.seal()

    ring.key()
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, "abc"))
    Sealer(kept.log, ring.key, lambda: NOON).seal()
    seals = kept.log.seals(0, 100)
    assert sorted(places([leaf for item in seals for leaf in item.leaves])) == [
        f"audit {name}{number}" for name in "abc" for number in range(6)
    ]
    assert [item.sequence for item in seals] == list(range(len(seals)))
    assert not kept.log.waiting(10)


def test_what_was_sealed_twice_is_known_without_reading_all(kept: Kept) -> None:
    """In the order in which it was sealed anew, also where that was in one seal."""
    one, two, three = (Leaf(Place(Source.AUDIT, name), NOON, bytes(32)) for name in ("a", "b", "c"))
    same = replace(one, place=Place(Source.STATEMENT, "a"))
    for number, leaves in enumerate([(one, two, three, same), (two,), (three, one), (one,)]):
        kept.log.append(seal(number, leaves, size=number + 1))
    again = [item.key for item in kept.log.repeated(9)]
    assert (again[0], sorted(again)) == ("b", ["a", "b", "c"])
    assert [item.key for item in kept.log.repeated(1)] == ["b"]


@pytest.mark.parametrize("merged", [False, True])
def test_of_two_that_saw_a_number_free_the_first_to_store_wins(
    database: ClickHouse, monkeypatch: pytest.MonkeyPatch, merged: bool
) -> None:
    """The second is told so, and merging the table changes nothing of it."""
    log, insert, said = ClickHouseEvidence(database), database.insert_rows, []

    def late(*given: Any, **named: Any) -> None:
        monkeypatch.setattr(database, "insert_rows", insert)
        said.append(ClickHouseEvidence(database).append(seal(0, size=7)))
        if merged:
            database.command("OPTIMIZE TABLE log_seals FINAL")
        insert(*given, **named)

    monkeypatch.setattr(database, "insert_rows", late)
    assert not log.append(seal(0))
    assert said == [True]
    for _ in range(2):
        assert [item.size for item in log.heads(9)] == [7]
        database.command("OPTIMIZE TABLE log_seals FINAL")
