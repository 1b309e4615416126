"""Histories of rights requests, made up rule by rule, and a model of them in plain Python.

Two processes on one ledger, which may be killed at any write; messages that come late, twice, out of order or never;
receipts of every kind, also forged; people who act; clocks that move; events that arrive meanwhile. What must hold is
looked at after each step, and at the end every request has to come to its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from schemas.codec import decode
from schemas.company import Company
from schemas.records import load_records
from schemas.vocabulary import ToldBy
from streams.rights.protocol.command import EVERY
from streams.rights.protocol.messages import DELETION, REQUESTS
from streams.rights.protocol.states import RequestState, State
from streams.rights.service import RightsService
from tests.support.company import delivering, model, with_a_hold_of_everything
from tests.support.processes import NUMBERS, WORKERS, Fate, Log, Processes, keyring
from tests.support.receipts import proven
from tests.unit.rights.test_service import KARI, OnePerson, holding

RECORDS = load_records()
LAWFUL = {"ground": "T98", "citation": "bokføringsloven § 13"}
KINDS: Mapping[str, dict[str, Any]] = {
    "full": {"state": "done"},
    "lawful": {"state": "withheld", **LAWFUL},
    "short": {"state": "done", "erased": 0},
    "accepted": {"state": "accepted", "erased": 0},
    "partial": {"state": "partial", "erased": 1, "held": 1},
    "later": {"state": "failed", "erased": 0, "reason": "store_unavailable", "retryable": True},
    "never": {"state": "failed", "erased": 0, "reason": "unknown_field", "retryable": False},
    "bare": {"state": "withheld", "erased": 0, "held": 1},
    "nothing": {"state": "not_found", "erased": 0},
    "forged": {"state": "done"},
}
"""What a system may say, and what may be written in its name."""


@dataclass
class World(OnePerson):
    """An index with one person, Kafka, and who is killed when."""

    fate: Fate = field(default_factory=Fate)

    def send(self, topic: str, message: bytes, key: bytes) -> None:
        self.fate.write(lambda: OnePerson.send(self, topic, message, key))


@cache
def company() -> Company:
    """Which has a rule by which everything may be withheld."""
    return replace(model(), catalogue=delivering(with_a_hold_of_everything(model().catalogue)))


@cache
def _decoded(topic: str, message: bytes) -> dict[str, Any]:
    return decode(RECORDS["RightsRequest" if topic == REQUESTS else "ErasureCommand"], message)


class Histories(Processes):
    """The rules are what may happen; `_look` and `teardown` are what must hold."""

    def __init__(self) -> None:
        super().__init__()
        start = [holding("Invoice", "billing.invoices"), holding("WebVisit", "web.visits")]
        self.world = World(start, log=Log(self.fate), fate=self.fate)
        self.services = [self._process(), self._process()]
        self.made: set[str] = set()
        self.settled: dict[str, set[str]] = {}
        self.completed: set[str] = set()

    def _process(self) -> RightsService:
        world, given = self.world, (keyring(), company(), self.world.send, lambda: self.now, self._random)
        return RightsService(world.log, world, world, world, *given)

    def _was_recorded(self, name: str) -> None:
        self.made.add(name)

    # What may happen.

    @precondition(lambda self: len(self.made) < 3)
    @rule(worker=WORKERS, right=st.sampled_from(["erasure", "erasure", "access"]))
    def ask(self, worker: int, right: str) -> None:
        made = self._does(
            worker,
            lambda service: service.create(right, KARI, reason=None, channel="web", received_at=self.now),
        )
        if made is not None:
            self.made.add(made.request_id)

    @precondition(lambda self: self.world.sent)
    @rule(worker=WORKERS, number=NUMBERS)
    def deliver(self, worker: int, number: int) -> None:
        """Any message there ever was: early, late, again."""
        topic, message = self.world.sent[number % len(self.world.sent)]
        if topic == REQUESTS:
            self._take(worker, _decoded(topic, message))

    def _take(self, worker: int, value: dict[str, Any]) -> None:
        self._does(worker, lambda service: service.on_request(value))

    @precondition(lambda self: self.world.sent)
    @rule(worker=WORKERS, numbers=st.lists(NUMBERS, min_size=2, max_size=5))
    def deliver_many(self, worker: int, numbers: list[int]) -> None:
        """As a worker takes them that has several before it; the same one may be among them twice."""
        sent = [self.world.sent[number % len(self.world.sent)] for number in numbers]
        values = [_decoded(topic, message) for topic, message in sent if topic == REQUESTS]
        self._does(worker, lambda service: service.on_requests(values))

    @precondition(lambda self: self._told())
    @rule(worker=WORKERS, number=NUMBERS, kind=st.sampled_from(sorted(KINDS)))
    def answer(self, worker: int, number: int, kind: str) -> None:
        """Of any attempt that ever was sent; the same again where it was heard."""
        told = self._told()
        self._hear(worker, told[number % len(told)], kind)

    @precondition(lambda self: self._told())
    @rule(
        worker=WORKERS,
        many=st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(KINDS))), min_size=2, max_size=5),
    )
    def answer_many(self, worker: int, many: list[tuple[int, str]]) -> None:
        """Several answers at once, of several requests and of one."""
        told = self._told()
        values = [self._said(told[number % len(told)], kind) for number, kind in many]
        self._does(worker, lambda service: service.on_receipts(values))

    @rule()
    def kafka_goes_away(self) -> None:
        self.world.away = 1

    @rule()
    def an_event_arrives(self) -> None:
        found = [item for item in self.world.holdings if item.tags.record != "WebVisit"]
        visits = [item.events for item in self.world.holdings if item.tags.record == "WebVisit"]
        new = holding("WebVisit", "web.visits")
        self.world.holdings = [*found, replace(new, events=sum(visits) + 1)]

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS)
    def resend(self, worker: int, number: int) -> None:
        self._resend(worker, self._one(number))

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS, system=st.sampled_from(["billing", "web"]))
    def accept(self, worker: int, number: int, system: str) -> None:
        name = self._one(number)
        # Killed after the write, nobody hears that it was accepted; it may have been.
        doubted = any(item.system == system and item.doubtful for item in self._state(name).commands.values())
        if doubted:
            self.settled.setdefault(name, set()).add(system)
        self._does(worker, lambda service: service.accept(name, system, "looked there"))

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS, months=st.integers(1, 2))
    def extend(self, worker: int, number: int, months: int) -> None:
        name = self._one(number)
        self._does(worker, lambda service: service.extend(name, months, "many systems"))

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS, how=st.sampled_from(["cancel", "close", "tell"]))
    def end(self, worker: int, number: int, how: str) -> None:
        name = self._one(number)
        given = ToldBy.LETTER if how == "tell" else "the person wrote again"
        self._does(worker, lambda service: getattr(service, how)(name, given))

    # The model, and what must hold.

    def _one(self, number: int) -> str:
        return sorted(self.made)[number % len(self.made)]

    def _state(self, name: str) -> RequestState:
        return self.services[0].get(name)

    def _told(self) -> list[dict[str, Any]]:
        """Every command that was ever sent."""
        return [_decoded(topic, message) for topic, message in self.world.sent if topic.startswith(DELETION)]

    def _newest(self, command_id: str) -> int:
        return max(int(item["attempt"]) for item in self._told() if item["command_id"] == command_id)

    def _hear(self, worker: int, told: Mapping[str, Any], kind: str) -> None:
        value = self._said(told, kind)
        self._does(worker, lambda service: service.on_receipt(value))

    def _said(self, told: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """An answer to what was told, which the model knows of from now on."""
        name, command_id, attempt = told["request_id"], told["command_id"], told["attempt"]
        command = self._state(name).commands[command_id]
        whole = max(command.total, command.least.get(EVERY, 0))
        review = (self.now + timedelta(days=30)).date() if kind == "lawful" else None
        said = {
            "command_id": command_id,
            "request_id": name,
            "system": told["system"],
            "erased": 0 if kind == "lawful" else whole,
            "held": whole if kind == "lawful" else 0,
            "ground": None,
            "reason": None,
            "review_date": review,
            "citation": None,
            "retryable": None,
            "reported_at": self.now,
            **KINDS[kind],
        }
        value = proven(said, keyring(), attempt)
        if kind == "forged":
            value = {**value, "erased": whole + 1}
        else:
            self.heard.append(value)
        # One that a killed process sent and did not write down is not known to be the newest.
        if kind in ("full", "lawful") and attempt >= self._newest(command_id) - 1:
            self.settled.setdefault(name, set()).add(told["system"])
        if kind == "short" and whole == 0:
            self.settled.setdefault(name, set()).add(told["system"])
        return value

    def _resend(self, worker: int, name: str) -> None:
        reviews = self._state(name).reviews
        for command_id in reviews:
            # Whatever it withheld is asked of it anew.
            self.settled.setdefault(name, set()).discard(command_id.rpartition("/")[2])
        self._does(worker, lambda service: service.resend(name))

    def _look(self) -> None:
        requests = {request.request_id: request for request in self.services[0].requests()}
        assert self.made <= requests.keys(), "a request is lost"
        # One of a process that was killed before it could say so.
        self.made |= requests.keys()
        for name, request in requests.items():
            assert not request.unread, request.unread
            assert request.state is not State.COMPLETED or request.completed_at is not None
            done = request.state is State.COMPLETED and request.erases
            if done and name not in self.completed:
                self._look_at_end(request)
            (self.completed.add if done else self.completed.discard)(name)

    def _look_at_end(self, request: RequestState) -> None:
        asked = {item.system for item in request.commands.values()}
        missing = asked - self.settled.get(request.request_id, set())
        assert not missing, f"completed although {missing} did not answer"
        left = [item.tags for item in self.world.holdings if not item.tags.held_only]
        kept = all(request.withheld.keeps(tags.system, tags.record) for tags in left)
        assert kept, f"completed although {[tags.system for tags in left]} is there"

    def teardown(self) -> None:
        """Everybody answers, and nobody is killed any more: each request comes to its end, and stays there."""
        self.fate.left, self.world.away = None, 0
        self.carry_out()
        ends = self._ends()
        for topic, message in list(self.world.sent):
            if topic == REQUESTS:
                self.services[1].on_request(_decoded(topic, message))
        for value in self.heard:
            self.services[1].on_receipt(value)
        assert self._ends() == ends, "a replay changed something"

    def carry_out(self) -> None:
        """What was sent comes, everybody answers and people do their part, until each request has ended."""
        for _ in range(12):
            for topic, message in list(self.world.sent):
                if topic == REQUESTS:
                    self._take(0, _decoded(topic, message))
            self.resume(0)
            self._answer_all()
            if all(self._state(name).ended for name in self.made):
                break
        else:
            raise AssertionError(
                [(self._state(name).state, self._state(name).problems) for name in self.made]
            )

    def _answer_all(self) -> None:
        for name in sorted(self.made):
            request = self._state(name)
            if request.state is State.ANSWERED:
                self._tell(name)
            if request.state is State.ATTENTION:
                self._resend(0, name)
            for command in self._state(name).commands.values():
                if not command.settled and command.attempt:
                    told = {"request_id": name, "command_id": command.command_id, "system": command.system}
                    self._hear(0, {**told, "attempt": command.attempt}, "full")

    def _tell(self, name: str) -> None:
        self._does(0, lambda service: service.tell(name, ToldBy.EMAIL))

    def _ends(self) -> dict[str, tuple[State, date, datetime | None, int]]:
        return {
            item.request_id: (item.state, item.due, item.completed_at, len(item.held))
            for item in self.services[0].requests()
        }
