"""The service: repeatable steps, honest states, nothing personal in what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.errors import BrokerUnavailable, InputError, InvalidIdentifier, KeyUnavailable
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from schemas.vocabulary import Proof, Resolution
from sinks.memory.requests import MemoryRequests
from sinks.ports.erasure import NOTHING_GONE, Forgotten, RecordsGone
from sinks.ports.lineage import NO_LIMITS, Counts, CountsQuestion, Filter, Found, Holding, Others, Span
from streams.identity.model import Given, Link, ResolvedSubject
from streams.rights.case import Recorded
from streams.rights.protocol.messages import Named, opened
from streams.rights.protocol.states import RequestState, State, summary
from streams.rights.service import RightsService
from tests.support.company import copies_by_hand
from tests.support.pairs import ReadyKeyring
from tests.support.receipts import hear

CATALOGUE = load_catalogue()
RECORDS = load_records()
NOW = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
MARCH = datetime(2026, 3, 5, tzinfo=UTC)
KARI = [("customer_number", "K-100200"), ("email", "Kari.Nordlie@example.no")]


ADDRESS = b"a" * 16
"""Under which events lie that are the person's by link."""


@dataclass
class OnePerson:
    """A log of requests, an index with one person, and a broker that may be away."""

    holdings: list[Holding]
    log: MemoryRequests = field(default_factory=MemoryRequests)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    away: int = 0
    spans: Sequence[Span] = ()
    stubborn: bool = False

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        self.spans = spans
        found = [
            item
            for item in self.holdings
            if (not limits.tag_sets or item.tags.id in limits.tag_sets)
            and (not limits.systems or item.tags.system in limits.systems)
            and (limits.since is None or item.last_seen >= limits.since)
            and (Proof.SUBSCRIBER not in item.proofs or any(span.token == ADDRESS for span in spans))
        ]
        return Found(found, sum(item.events for item in found))

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        events = self.find(spans, Filter(tag_sets=tag_sets), known_at).total_events
        return Counts(events, events)

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        asked = [item for item in questions if item.spans and item.tag_sets]
        found = {id(item): self.counts(item.spans, item.tag_sets, item.known_at) for item in asked}
        return [found.get(id(item), Counts()) for item in questions]

    def person(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> ResolvedSubject:
        tokens = frozenset(item.token for item in givens)
        linked = {ADDRESS for item in self.holdings if Proof.SUBSCRIBER in item.proofs}
        return ResolvedSubject(
            Resolution.UNIQUE, len(tokens), tokens, [Span(token) for token in sorted(tokens | linked)], (), ()
        )

    def links(self, givens: Sequence[Given], known_at: datetime | None = None) -> Sequence[Sequence[Link]]:
        return [()] * len(givens)

    chains = links

    def each(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> Sequence[ResolvedSubject]:
        return [self.person([item], now) for item in givens]

    def ever(self, givens: Sequence[Given]) -> Sequence[frozenset[bytes]]:
        return [frozenset()] * len(givens)

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        return ()

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        decided = [(item, kept.get(item.tags.id, item.tags)) for item in self.holdings]
        narrowed = sum(tags is not None and tags.id != item.tags.id for item, tags in decided)
        return Forgotten(sum(tags is None for _, tags in decided), narrowed)

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        done = self.going(spans, kept)
        if self.stubborn:
            return Forgotten()
        narrowed = [
            Holding(tags, item.events, item.first_seen, item.last_seen)
            for item in self.holdings
            if (tags := kept.get(item.tags.id, item.tags)) is not None
        ]
        self.holdings = narrowed
        return done

    def send(self, topic: str, message: bytes, key: bytes) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("away")
        self.sent.append((topic, message))


def holding(record: str, topic: str) -> Holding:
    version = CATALOGUE.version
    tags = tag_set(RECORDS[record], topic, "owner", catalogue_version=version, key_id="k1")
    return Holding(tags, 2, MARCH, MARCH)


@pytest.fixture
def memory() -> OnePerson:
    return OnePerson([holding("Invoice", "billing.invoices"), holding("WebVisit", "web.visits")])


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return ReadyKeyring(tmp_path / "keys").made()


@pytest.fixture
def service(memory: OnePerson, keyring: Keyring) -> RightsService:
    def random(size: int) -> bytes:
        return len(memory.log.stored).to_bytes(size, "big")

    return RightsService(
        memory.log, memory, memory, memory, keyring, copies_by_hand(), memory.send, lambda: NOW, random
    )


def ask(service: RightsService, type: str = "erasure") -> str:
    request = service.create(type, KARI, reason="Kari ber om sletting", channel="email", received_at=NOW)
    return request.request_id


def receipt(request_id: str, system: str, state: str, at: datetime = NOW, **more: Any) -> dict[str, Any]:
    nothing = {"erased": 2, "held": 0, "ground": None, "review_date": None, "reason": None}
    said = {"command_id": f"{request_id}/{system}", "request_id": request_id, "system": system}
    return {**nothing, **said, "state": state, "reported_at": at, **more}


def end(service: RightsService, request_id: str) -> RequestState:
    for system in ("billing", "web"):
        hear(service, receipt(request_id, system, "done"))
    return service.get(request_id)


def test_an_erasure_ends_with_what_is_held(service: RightsService, memory: OnePerson) -> None:
    """Announced, planned, commanded, answered, forgotten, verified: each once."""
    request_id = ask(service)
    assert [topic for topic, _ in memory.sent] == ["rights.requests"]
    service.on_request(decode(RECORDS["RightsRequest"], memory.sent[0][1]))
    assert [topic for topic, _ in memory.sent[1:]] == ["deletion.billing", "deletion.web"]
    request = end(service, request_id)
    assert request.state is State.COMPLETED
    assert {(part["category"], part["rule"]) for part in request.held} == {("C-06", "T01"), ("C-07", "T01")}
    # Only what had happened before the plan was planned away, so only that is forgotten.
    assert {span.until for span in memory.spans} == {NOW.replace(microsecond=123_000)}
    assert service.requests() == [request]


def test_what_only_a_link_makes_the_persons_stays_visible(service: RightsService, memory: OnePerson) -> None:
    """The system cannot be told such events by the identifiers given: the request says so until it has erased them."""
    invoice, visit = memory.holdings
    memory.holdings = [replace(invoice, proofs=(Proof.HOLDER,)), replace(visit, proofs=(Proof.SUBSCRIBER,))]
    request_id = ask(service)
    request = service.advance(request_id)
    assert request is not None
    assert request.by_link == ("web",)
    assert summary(request)["by_link"] == ["web"]
    hear(service, receipt(request_id, "web", "done", erased=1))
    (line,) = service.get(request_id).problems
    assert line.startswith("web: planned 2, reported 1 erased")
    assert end(service, request_id).state is State.COMPLETED


def test_nothing_personal_is_written(service: RightsService, memory: OnePerson, keyring: Keyring) -> None:
    """Neither ledger nor messages hold a value in clear; the job opens its own with the system's key."""
    request_id = ask(service)
    service.advance(request_id)
    end(service, request_id)
    written = repr(memory.log.stored) + repr(memory.sent)
    for value in ("K-100200", "k-100200", "kari", "Kari", "nordlie"):
        assert value not in written
    command = decode(RECORDS["ErasureCommand"], memory.sent[1][1])
    assert command["fields"] == ["Invoice.name", "Invoice.email", "Invoice.phone"]
    told = opened(command, keyring.systems.job("billing").current)
    assert told == [
        Named("customer_number", "k-100200"),
        Named("email", "kari.nordlie@example.no"),
    ]
    with pytest.raises(KeyUnavailable):
        opened(command, keyring.systems.job("web").current)


def test_every_step_may_be_repeated(service: RightsService, memory: OnePerson) -> None:
    """A second delivery of anything adds no event and no message."""
    request_id = ask(service)
    announced = decode(RECORDS["RightsRequest"], memory.sent[0][1])
    for _ in range(2):
        service.on_request(announced)
        service.advance(request_id)
        hear(service, receipt(request_id, "web", "accepted"))
    assert len(memory.sent) == 3
    once = len(memory.log.stored[request_id])
    assert [event.kind for event in memory.log.stored[request_id]].count("receipt") == 1
    service.resume()
    assert len(memory.log.stored[request_id]) == once
    completed = end(service, request_id)
    for _ in range(2):
        assert end(service, request_id) == service.advance(request_id) == completed


@pytest.mark.parametrize("away", [1, 2, 3])
def test_a_broker_that_is_away_loses_nothing(service: RightsService, memory: OnePerson, away: int) -> None:
    """Wherever sending fails, `resume` goes on from the ledger, with the same command ids."""
    memory.away = away
    with pytest.raises(Recorded, match=r"recorded as r-\w+, .* do not ask again"):
        ask(service)
    for _ in range(away - 1):
        with pytest.raises(BrokerUnavailable):
            service.resume()
    (request,) = service.resume()
    assert request.state is State.COMMANDED
    commands = [decode(RECORDS["ErasureCommand"], message) for topic, message in memory.sent]
    assert [command["command_id"] for command in commands] == [
        f"{request.request_id}/billing",
        f"{request.request_id}/web",
    ]


@pytest.mark.parametrize("state", ["failed", "partial", "withheld"])
def test_a_refusal_is_kept_and_shown(service: RightsService, memory: OnePerson, state: str) -> None:
    """The index forgets nothing; sent again and done, the request completes."""
    request_id = ask(service)
    service.advance(request_id)
    refusal = receipt(request_id, "web", state, held=1, reason="legal_hold", review_date=date(2027, 1, 1))
    hear(service, receipt(request_id, "billing", "done"))
    hear(service, refusal)
    # "accepted" delivered late hides nothing.
    hear(service, receipt(request_id, "web", "accepted"))
    assert service.get(request_id).state is State.ATTENTION
    (line,) = service.get(request_id).problems
    assert line.startswith(f"web: {state} 1 record held review on 2027-01-01 (the law or a dispute holds it")
    # Withheld it may not be: no rule of the catalogue was named.
    assert ("; by no rule of the catalogue that holds data)" in line) is (state == "withheld")
    assert len(memory.holdings) == 2
    service.resend(request_id)
    assert decode(RECORDS["ErasureCommand"], memory.sent[-1][1])["attempt"] == 2
    hear(service, refusal, attempt=1)
    assert service.get(request_id).state is State.WAITING
    hear(service, receipt(request_id, "web", "done", NOW + timedelta(seconds=1)))
    assert service.get(request_id).state is State.COMPLETED


def test_receipts_nobody_waits_for_change_nothing(service: RightsService, memory: OnePerson) -> None:
    """Of an unknown request, an unknown command, or from the wrong system."""
    request_id = ask(service)
    service.advance(request_id)
    before = service.get(request_id)
    assert hear(service, receipt("r-unknown", "web", "done")) is None
    hear(service, receipt(request_id, "crm", "done"))
    hear(service, {**receipt(request_id, "web", "done"), "system": "billing"})
    after = service.get(request_id)
    assert len(after.problems) == 2
    assert replace(after, set_aside=()) == before


def test_an_index_that_does_not_forget_is_no_success(service: RightsService, memory: OnePerson) -> None:
    """Verification looks itself, and the request stands at attention."""
    memory.stubborn = True
    request_id = ask(service)
    service.advance(request_id)
    request = end(service, request_id)
    assert request.state is State.ATTENTION
    assert "still finds" in request.problems[0]
    memory.stubborn = False
    assert service.advance(request_id).state is State.COMPLETED


def test_a_person_nobody_knows_is_looked_at(service: RightsService, memory: OnePerson) -> None:
    """Nothing held and nobody linked: a mistyped number looks like that. The report says none."""
    memory.holdings = []
    assert service.advance(ask(service)).state is State.ATTENTION
    report = service.advance(ask(service, "access")).report
    assert report is not None
    assert report["resolution"] == "none"


def test_a_request_whose_key_is_gone_needs_a_person(service: RightsService, keyring: Keyring) -> None:
    """It is not retried for ever and not forgotten: it says what is wrong."""
    request_id = ask(service)
    keyring.destroy(f"request-{request_id}")
    for _ in range(2):
        request = service.advance(request_id)
        assert request.state is State.ATTENTION
        assert "not in the keyring" in request.problems[0]
    assert service.resume() == []


def test_bad_requests_are_refused_before_anything_is_written(
    service: RightsService, memory: OnePerson
) -> None:
    """An unknown type or kind, no identifier, an unknown id: one line each."""
    for type, identifiers, error in (
        ("deletion", KARI, InputError),
        ("erasure", [], InputError),
        ("erasure", [("shoe_size", "43")], InvalidIdentifier),
        ("erasure", [("fodselsnummer", "12")], InvalidIdentifier),
    ):
        with pytest.raises(error):
            service.create(type, identifiers, reason=None, channel="api", received_at=NOW)
    with pytest.raises(InputError, match="no request r-1"):
        service.get("r-1")
    assert (memory.log.stored, memory.sent) == ({}, [])
