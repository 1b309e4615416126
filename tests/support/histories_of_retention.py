"""Histories of retention runs: events of some age that come at any time, people who have a request open, and runs of
which processes are killed, receipts come late or twice or are lies, and people approve, cancel and close.

What systems hold is in the model, and jobs delete there what their commands say. Looked at after each step: what left
the index had run out, was nobody's with an open request, and is in no store; what a job deleted had run out; nobody is
told before a run is approved; a run is completed once all have answered. At the end what has run out is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from schemas.errors import Unavailable
from sinks.ports.expiry import Expired, RunOut
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.rights.protocol.command import EVERY
from streams.rights.protocol.messages import DELETION, REQUESTS
from streams.rights.protocol.request import RequestState, State
from streams.rights.right import Clocked, Retention
from streams.rights.service import RightsService
from tests.support.aged import (
    CUSTOMERS,
    NARROWED,
    TOPICS,
    AgedWorld,
    Event,
    announced,
    commanded,
    company,
    not_taken,
)
from tests.support.histories import KINDS as SAID
from tests.support.processes import NUMBERS, WORKERS, Log, Processes, keyring
from tests.support.receipts import proven

BY, OTHER = "web.token", "other.token"
HAPPENED = st.tuples(
    st.sampled_from(sorted(TOPICS)), st.sampled_from(CUSTOMERS), st.sampled_from([0, 20, 60, 100, 400])
)


class HistoriesOfRetention(Processes):
    """The rules are what may happen; `_look` and `teardown` are what must hold.

    `by_hand`: systems of which a person said that all is done. `there`: what the index held when it was last looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = AgedWorld()
        self.index = self.world.index
        self.expire = self.index.expire
        self.index.expire = self._expire  # type: ignore[method-assign]
        self.log = Log(self.fate)
        self.sent: list[tuple[str, bytes]] = []
        self.away = 0
        self.batch = 1_000_000
        self.open_when_sent: dict[bytes, frozenset[str]] = {}
        self.by_hand: set[str] = set()
        self.settled: set[str] = set()
        self.short: set[str] = set()
        self.completed: set[str] = set()
        self.whose: dict[str, str] = {}
        self.open_before: frozenset[str] = frozenset()
        self.there: frozenset[Event] = frozenset()
        self.services = [self._process(), self._process()]

    @initialize(
        batch=st.sampled_from([2, 1_000_000]),
        before=st.lists(HAPPENED, min_size=1, max_size=4),
        begun=st.sampled_from([True, True, False]),
    )
    def a_run_begins(self, batch: int, before: list[tuple[str, str, int]], begun: bool) -> None:
        self.batch = batch
        self.services = [self._process(), self._process()]
        for what in before:
            self.happens(what)
        if begun:
            self.begin(0)

    def _process(self) -> RightsService:
        people = Identities(self.index, company().catalogue.identity_sources)
        given = (keyring(), company(), self._send, lambda: self.now, self._random)
        return RightsService(
            self.log,
            self.index,
            self.index,
            people,
            *given,
            clocked=Clocked(self.index, self.index),
            retention=Retention(self.index, self.index, self.batch),
        )

    def _send(self, topic: str, message: bytes, key: bytes) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("Kafka is away")

        def send() -> None:
            self.sent.append((topic, message))
            self.open_when_sent[message] = self._open()

        self.fate.write(send)

    def _expire(self, run_out: Sequence[RunOut], kept: Sequence[Span] = (), known_at: Any = None) -> Expired:
        self.fate.write(lambda: self.expire(run_out[: len(run_out) // 2], kept, known_at))
        found: Expired = self.fate.write(lambda: self.expire(run_out, kept, known_at))
        return found

    def _before(self) -> None:
        self.open_before = self._open()

    # What may happen.

    @rule(what=HAPPENED)
    def happens(self, what: tuple[str, str, int]) -> None:
        """To a customer, so many days ago, and innsyn hears of it now."""
        self.world.happened(*what, self.now)
        self.there = self.world.held()
        # What comes after a plan has a later moment.
        self.now += timedelta(seconds=1)

    @rule(worker=WORKERS)
    def begin(self, worker: int) -> None:
        self._does(worker, lambda service: service.run_retention(self.now, BY))
        self.resume(worker)

    @rule(worker=WORKERS)
    def undisturbed(self, worker: int) -> None:
        """What was sent comes, and people approve."""
        self._carry_on(worker, announced=True)

    @precondition(lambda self: self._told())
    @rule(worker=WORKERS, number=NUMBERS, kind=st.sampled_from([*sorted(SAID), "full", "full", "full"]))
    def answer(self, worker: int, number: int, kind: str) -> None:
        """Of any attempt that ever was sent."""
        told = self._told()
        self._hear(worker, told[number % len(told)], kind)

    @precondition(lambda self: self._told())
    @rule(worker=WORKERS)
    def all_answer(self, worker: int) -> None:
        self._all_answer(worker)

    @rule()
    def kafka_goes_away(self) -> None:
        self.away = 1

    @precondition(lambda self: len(self._of_people()) < 3)
    @rule(
        worker=WORKERS,
        customer=st.sampled_from(CUSTOMERS),
        right=st.sampled_from(["access", "access", "erasure"]),
    )
    def ask(self, worker: int, customer: str, right: str) -> None:
        given = [("customer_number", customer)]
        said: Any = {"reason": None, "channel": "web", "received_at": self.now}
        self._does(worker, lambda service: service.create(right, given, **said))

    @precondition(lambda self: self.services[0].requests())
    @rule(worker=WORKERS, number=NUMBERS, how=st.sampled_from(["cancel", "close"]))
    def end(self, worker: int, number: int, how: str) -> None:
        every = self.services[0].requests()
        name = every[number % len(every)].request_id
        self._end(worker, name, how)

    @precondition(lambda self: self._runs())
    @rule(worker=WORKERS, number=NUMBERS)
    def resend(self, worker: int, number: int) -> None:
        self._resend(worker, self._run(number))

    @precondition(lambda self: self._runs())
    @rule(worker=WORKERS, number=NUMBERS, which=NUMBERS)
    def accept(self, worker: int, number: int, which: int) -> None:
        self._accept(worker, self._run(number), sorted(self.world.stores)[which % len(self.world.stores)])

    # The model, and what must hold.

    def _runs(self) -> list[RequestState]:
        return [item for item in self.services[0].requests() if item.of_everybody]

    def _of_people(self) -> list[RequestState]:
        return [item for item in self.services[0].requests() if not item.of_everybody]

    def _run(self, number: int) -> str:
        runs = self._runs()
        return runs[number % len(runs)].request_id

    def _customer(self, name: str) -> str:
        if name not in self.whose:
            (given,) = self.services[0]._file.identifiers(name)
            self.whose[name] = given.value
        return self.whose[name]

    def _open(self) -> frozenset[str]:
        return frozenset(self._customer(item.request_id) for item in self._of_people() if not item.ended)

    def _told(self) -> list[tuple[dict[str, Any], bytes]]:
        """Every command that was ever sent to delete something."""
        return [(commanded(message), message) for topic, message in self.sent if topic.startswith(DELETION)]

    def _newest(self, command_id: str) -> int:
        return max(int(told["attempt"]) for told, _ in self._told() if told["command_id"] == command_id)

    def _take(self, worker: int, message: bytes) -> None:
        self._does(worker, lambda service: service.on_request(announced(message)))

    def _end(self, worker: int, name: str, how: str) -> None:
        self._does(worker, lambda service: getattr(service, how)(name, "it was a mistake"))

    def _resend(self, worker: int, name: str) -> None:
        self._does(worker, lambda service: service.resend(name))

    def _approve(self, worker: int, name: str) -> None:
        digest = self.services[0].get(name).digest or ""
        self._does(worker, lambda service: service.approve(name, digest, OTHER))

    def _accept(self, worker: int, name: str, system: str) -> None:
        command = self.services[0].get(name).commands.get(f"{name}/{system}")
        if command is not None and command.doubtful:
            self.by_hand.add(system)
            self.settled.add(command.command_id)
        self._does(worker, lambda service: service.accept(name, system, "looked there"))

    def _hear(self, worker: int, given: tuple[dict[str, Any], bytes], kind: str) -> None:
        """The job does what it says; whoever says `full` has deleted all that the command means."""
        told, message = given
        name, command_id = told["request_id"], told["command_id"]
        command = self.services[0].get(name).commands[command_id]
        whole = max(command.total, command.least.get(EVERY, 0))
        if kind == "full":
            self._deletes(told, message)
        said = {
            **{one: told[one] for one in ("command_id", "request_id", "system")},
            "erased": 0 if kind == "lawful" else whole,
            "held": whole if kind == "lawful" else 0,
            "review_date": (self.now + timedelta(days=30)).date() if kind == "lawful" else None,
            **dict.fromkeys(("ground", "reason", "citation", "retryable")),
            "reported_at": self.now,
            "outcomes": [],
            **SAID[kind],
        }
        value = proven(said, keyring(), told["attempt"])
        if kind == "forged":
            value = {**value, "erased": whole + 1}
        else:
            self.heard.append(value)
        nothing = whole == 0 and kind in ("short", "nothing")
        # One that a killed process sent and did not write down is not known to be the newest.
        newest = told["attempt"] >= self._newest(command_id) - 1
        if nothing or (kind in ("full", "lawful") and newest):
            self.settled.add(command_id)
        elif kind in ("short", "nothing"):
            self.short.add(command_id)
        self._does(worker, lambda service: service.on_receipt(value))

    def _deletes(self, told: Mapping[str, Any], message: bytes) -> None:
        if "sealed_kept" not in told:
            self.world.erase(told["system"], self._customer(told["request_id"]))
            return
        for event in self.world.expire(told):
            assert event.may_be_gone(self.now), f"{event} was to be deleted and had not run out"
            open_then = event.customer in self.open_when_sent[message]
            assert not open_then, f"{event} was to be deleted while its customer had an open request"

    def _look(self) -> None:
        there, stayed = self.world.held(), self.open_before & self._open()
        erased = {self._customer(item.request_id) for item in self._of_people() if item.erases}
        for event in self.there - there:
            if event.customer not in erased:
                assert event.may_be_gone(self.now), f"{event} left the index and had not run out"
                assert event.record != NARROWED, f"{event} left the index, of which only a part runs out"
                assert event.customer not in stayed, f"{event} left the index in spite of an open request"
            left = self.world.in_store(event) and event.system not in self.by_hand
            assert not left, f"{event} left the index, and its system holds it"
        self.there = there
        for request in self._runs():
            self._look_at_run(request, there)

    def _look_at_run(self, run: RequestState, there: frozenset[Event]) -> None:
        name = run.request_id
        assert not run.unread, run.unread
        if run.awaits_approval:
            told = [told for told, _ in self._told() if told["request_id"] == name]
            assert not told, f"{name} was told to systems before it was approved"
        if run.state is not State.COMPLETED or name in self.completed:
            return
        self.completed.add(name)
        # Where all that was to go is kept since, an answer that nothing is gone is enough.
        kept = {item.command_id for item in run.commands.values() if not item.planned}
        missing = run.commands.keys() - self.settled - (self.short & kept)
        assert not missing, f"{name} completed although {missing} did not answer"
        left = not_taken(run, there, self._open())
        assert not left, f"{name} completed although {left} are there"

    def teardown(self) -> None:
        """Nobody has an open request any more, everybody answers, nobody is killed: all that has run out goes."""
        self.fate.left, self.away = None, 0
        for request in self._of_people():
            if not request.ended:
                self._end(0, request.request_id, "close")
        for number in range(40):
            self._carry_out(announced=number == 0)
            begun = self.services[0].run_retention(self.now, BY).run
            if begun is None and all(run.ended for run in self._runs()):
                break
        else:
            raise AssertionError([(item.state, item.problems) for item in self._runs()])
        self._look()
        for event in self.world.events:
            if not event.must_be_gone(self.now):
                continue
            gone = event.record == NARROWED or event not in self.there
            assert gone, f"{event} has run out and is in the index"
            left = self.world.in_store(event) and event.system not in self.by_hand
            assert not left, f"{event} has run out and is in its system"
        self._replay()

    def _carry_on(self, worker: int, *, announced: bool) -> None:
        for topic, message in list(self.sent):
            if topic == REQUESTS and announced:
                self._take(worker, message)
        self.resume(worker)
        for run in self._runs():
            if run.awaits_approval:
                self._approve(worker, run.request_id)

    def _carry_out(self, *, announced: bool) -> None:
        """What was sent comes, people approve, and every system answers."""
        self._carry_on(0, announced=announced)
        for run in self._runs():
            if run.state is State.ATTENTION:
                self._resend(0, run.request_id)
        self._all_answer(0)

    def _all_answer(self, worker: int) -> None:
        newest = {told["command_id"]: (told, message) for told, message in self._told()}
        for command_id, given in newest.items():
            request = self.services[0].get(given[0]["request_id"])
            if not request.ended and not request.commands[command_id].settled:
                self._hear(worker, given, "full")

    def _replay(self) -> None:
        ends = [(item.request_id, item.state, item.completed_at) for item in self.services[0].requests()]
        for topic, message in list(self.sent):
            if topic == REQUESTS:
                self.services[1].on_request(announced(message))
        for value in self.heard:
            self.services[1].on_receipt(value)
        assert [
            (item.request_id, item.state, item.completed_at) for item in self.services[0].requests()
        ] == ends
        assert self.world.held() == self.there, "a replay changed something"
