"""Histories of every right at once: restriction and its end, objection, rectification, withdrawal, access with copies.

What `tests.support.histories` makes up of erasures goes on beside them, of the same person. Beyond what holds there: no
request is done before each system has answered, and each recipient was told; a restriction holds until somebody lifts
it; a copy counts once its receipt and all its parts are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from schemas.codec import decode, encode
from schemas.company import Company
from schemas.own import own_record
from schemas.vocabulary import CommandKind, RestrictionGround, Right, ToldBy
from sinks.memory.copies import MemoryCopies
from sinks.ports.lineage import Holding
from streams.rights.protocol.command import Command
from streams.rights.protocol.messages import DELETION, REQUESTS, decoded, receipt_message
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.scope import EVERYTHING, Scope
from streams.rights.service import RightsService
from tests.support import histories
from tests.support.company import delivering
from tests.support.copying import copy_of
from tests.support.histories import KINDS, RECORDS, Histories
from tests.support.processes import NUMBERS, WORKERS, Fate, keyring
from tests.support.receipts import job_key
from tests.unit.rights.test_service import KARI, holding

SYSTEMS = ("billing", "tv_middleware", "web")
"""The first and the last do all rights by command; at the other one people do what is no erasure."""
ASKED: Mapping[Right, tuple[Scope, dict[str, Any] | None]] = {
    Right.ERASURE: (EVERYTHING, None),
    Right.ACCESS: (EVERYTHING, None),
    Right.PORTABILITY: (EVERYTHING, None),
    Right.RESTRICTION: (Scope(ground=RestrictionGround.ACCURACY), None),
    Right.OBJECTION: (EVERYTHING, None),
    Right.RECTIFICATION: (Scope(fields=("Invoice.amount_ore",)), {"Invoice.amount_ore": 7}),
    Right.WITHDRAWAL: (EVERYTHING, None),
}
_DONE = (State.COMPLETED, State.ANSWERED)


@dataclass
class Copying(MemoryCopies):
    """Where parts of copies are kept; who is killed is so at these writes too."""

    fate: Fate

    def __post_init__(self) -> None:
        super().__init__()

    def keep(self, part: Any) -> None:
        self.fate.write(lambda: MemoryCopies.keep(self, part))


@cache
def company() -> Company:
    """Of which two systems deliver copies."""
    found = histories.company()
    return replace(found, catalogue=delivering(found.catalogue, ["billing", "web"]))


@cache
def _decoded(topic: str, message: bytes) -> dict[str, Any]:
    record = "RightsRequest" if topic == REQUESTS else "RightsCommand"
    return decode(RECORDS["ErasureCommand" if topic.startswith(DELETION) else record], message)


def consented() -> Holding:
    """Viewings that are kept on a consent alone."""
    found = holding("TvViewing", "tv.viewings")
    tags = replace(found.tags, purposes=("P-PERSONAL",), legal_basis={"P-PERSONAL": "a"})
    return replace(found, tags=tags)


class HistoriesOfRights(Histories):
    """`answered`: commands whose system has said that all is done; `lifts`: restrictions that somebody lifted."""

    def __init__(self) -> None:
        super().__init__()
        self.copies = Copying(self.fate)
        self.world.holdings.append(consented())
        self.services = [self._process(), self._process()]
        self.answered: set[str] = set()
        self.notified: dict[str, set[str]] = {}
        self.lifts: set[str] = set()
        self.restricted: set[str] = set()
        self.parts: list[tuple[str, list[bytes]]] = []

    def _process(self) -> RightsService:
        world, given = self.world, (keyring(), company(), self.world.send, lambda: self.now, self._random)
        copies = getattr(self, "copies", None) or Copying(self.fate)
        return RightsService(world.log, world, world, world, *given, copies=copies)

    # What may happen.

    @precondition(lambda self: len(self.made) < 4)
    @rule(worker=WORKERS, right=st.sampled_from(sorted(ASKED)))
    def ask_for(self, worker: int, right: Right) -> None:
        scope, corrections = ASKED[right]

        def create(service: RightsService) -> RequestState:
            said: Any = {
                "channel": "web",
                "received_at": self.now,
                "scope": scope,
                "corrections": corrections,
            }
            return service.create(right, KARI, reason=None, **said)

        made = self._does(worker, create)
        if made is not None:
            self.made.add(made.request_id)

    @precondition(lambda self: self._told_of_rights())
    @rule(worker=WORKERS, number=NUMBERS, kind=st.sampled_from([*sorted(KINDS), "full", "full", "receipt"]))
    def answer_of_right(self, worker: int, number: int, kind: str) -> None:
        """Of any attempt that ever was sent. `receipt`: without the parts that it tells of."""
        told = self._told_of_rights()
        self._hear_of_right(worker, told[number % len(told)], kind)

    @precondition(lambda self: self.parts)
    @rule(worker=WORKERS, number=NUMBERS, reverse=st.booleans())
    def parts_come(self, worker: int, number: int, reverse: bool) -> None:
        """Those of a copy: late, again, in another order."""
        command_id, messages = self.parts[number % len(self.parts)]
        self.answered.add(command_id)
        for message in messages[::-1] if reverse else messages:
            self._hand(worker, message)

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS)
    def lift(self, worker: int, number: int) -> None:
        self._lift(worker, self._one(number))

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS, which=NUMBERS)
    def notify(self, worker: int, number: int, which: int) -> None:
        name = self._one(number)
        waiting = self._state(name).to_notify
        if waiting:
            self._notify(worker, name, waiting[which % len(waiting)])

    @precondition(lambda self: self.made)
    @rule(worker=WORKERS, number=NUMBERS, system=st.sampled_from(SYSTEMS))
    def accept(self, worker: int, number: int, system: str) -> None:
        self._accept(worker, self._one(number), system)

    @rule()
    def the_clock_is_set_back(self) -> None:
        """By what clocks of two machines are apart."""
        self.now -= timedelta(minutes=4)

    # The model, and what must hold.

    def to_the_end(self, right: Right) -> dict[str, tuple[Any, ...]]:
        """A request of the right, carried out and, where it restricts, lifted again: by type how it ended."""
        while not self.made:
            self.ask_for(0, right)
        self.carry_out()
        for name in sorted(self.made):
            while self._state(name).restricts:
                self._lift(0, name)
        self.carry_out()
        return {
            request.type: (request.state, sorted(request.commands), request.lifting, len(request.held))
            for request in self.services[0].requests()
        }

    def _told(self) -> list[dict[str, Any]]:
        return [_decoded(topic, message) for topic, message in self.world.sent if topic.startswith(DELETION)]

    def _told_of_rights(self) -> list[dict[str, Any]]:
        """Every command of another right that was ever sent."""
        return [
            _decoded(topic, message)
            for topic, message in self.world.sent
            if topic != REQUESTS and not topic.startswith(DELETION)
        ]

    def _hand(self, worker: int, message: bytes) -> None:
        value = decoded(own_record("CopyPart"), message)
        self._does(worker, lambda service: service.on_copy(value, message))

    def _hear_of_right(self, worker: int, told: Mapping[str, Any], kind: str) -> None:
        name, command_id = told["request_id"], told["command_id"]
        key = job_key(keyring(), told["system"])
        said: dict[str, Any] = {"state": "done", "records": told["expected"]}
        messages: list[bytes] = []
        if told["kind"] == CommandKind.ACCESS and kind in ("full", "receipt", "forged"):
            records = [
                (item["record"], {"n": number})
                for item in told["expected"]
                for number in range(item["count"])
            ]
            messages, copied = copy_of(told, records, key, self.now, each=1)
            said |= copied
        if kind not in ("full", "receipt", "forged"):
            said = {name: item for name, item in KINDS[kind].items() if name not in ("erased", "held")}
            said["records"] = []
            if kind == "lawful":
                said["review_date"] = (self.now + timedelta(days=30)).date()
        whole = {
            **dict.fromkeys(("ground", "citation", "review_date", "reason", "retryable", "copy_digest")),
            "parts": 0,
            "reported_at": self.now,
            **{name: told[name] for name in ("command_id", "request_id", "system", "attempt")},
            **said,
        }
        value = decoded(
            own_record("RightsReceipt"), encode(own_record("RightsReceipt"), receipt_message(whole, key))
        )
        if kind == "forged":
            value = {**value, "records": [{"record": "Invoice", "count": 1_000}]}
        else:
            self.heard.append(value)
        command = self._state(name).commands.get(command_id)
        if kind == "full" or (command is not None and _settles(command, kind)):
            self.answered.add(command_id)
        if kind == "receipt":
            self.parts.append((command_id, messages))
            if not messages:
                self.answered.add(command_id)
        elif kind == "full":
            for message in messages:
                self._hand(worker, message)
        self._does(worker, lambda service: service.on_receipt(value))

    def _lift(self, worker: int, name: str) -> None:
        request = self._state(name)
        if request.restricts:
            self.lifts.add(name)
        self._does(worker, lambda service: service.lift(name, ToldBy.LETTER, "the address was right"))

    def _notify(self, worker: int, name: str, recipient: str) -> None:
        self.notified.setdefault(name, set()).add(recipient)
        self._does(worker, lambda service: service.notify(name, recipient, ToldBy.EMAIL))

    def _accept(self, worker: int, name: str, system: str) -> None:
        for command in self._state(name).commands.values():
            if command.system == system and (command.by_hand or command.doubtful or command.copies):
                self.answered.add(command.command_id)
                self.settled.setdefault(name, set()).add(system)
        self._does(worker, lambda service: service.accept(name, system, "looked there"))

    def _look(self) -> None:
        super()._look()
        for request in self.services[0].requests():
            # What was answered and came back is looked at when it is done again.
            if request.state in _DONE:
                self._look_at_commands(request)
            self._look_at_restriction(request)

    def _look_at_commands(self, request: RequestState) -> None:
        of_rights = [
            item
            for item in request.commands.values()
            # Of a restriction that was lifted half-way it is its end that counts.
            if item.kind is not None and not (request.lifting and item.kind is CommandKind.RESTRICT)
        ]
        missing = {item.command_id for item in of_rights} - self.answered
        assert not missing, f"{request.type} {request.state} although {missing} did not answer"
        told = request.state is State.COMPLETED and not request.closing and not request.lifting
        if told and of_rights:
            untold = {*(request.plan or {}).get("recipients", ())} - self.notified.get(
                request.request_id, set()
            )
            assert not untold, f"{request.type} completed although {untold} were not told"

    def _look_at_restriction(self, request: RequestState) -> None:
        name = request.request_id
        kinds = {item.kind for item in request.commands.values()}
        if request.state is State.COMPLETED and CommandKind.RESTRICT in kinds and name not in self.lifts:
            self.restricted.add(name)
        if name in self.restricted and name not in self.lifts:
            assert request.restricts, "a restriction ended that nobody lifted"
        if request.lifting and request.state is State.COMPLETED:
            ends = [item for item in request.commands.values() if item.kind is CommandKind.LIFT]
            assert all(item.settled for item in ends)

    def _answer_all(self) -> None:
        super()._answer_all()
        for name in sorted(self.made):
            for command in self._state(name).commands.values():
                if command.settled:
                    continue
                if command.by_hand:
                    self._accept(0, name, command.system)
                elif command.kind is not None and command.attempt:
                    told = [
                        item for item in self._told_of_rights() if item["command_id"] == command.command_id
                    ]
                    self._hear_of_right(0, told[-1], "full")
            for recipient in self._state(name).to_notify:
                self._notify(0, name, recipient)

    def _hear(self, worker: int, told: Mapping[str, Any], kind: str) -> None:
        command = self._state(told["request_id"]).commands.get(told["command_id"])
        if command is not None and command.kind is None:
            super()._hear(worker, told, kind)


def _settles(command: Command, kind: str) -> bool:
    """Whether such an answer is enough, by what was counted there."""
    nothing = command.planned is not None and command.total == 0
    return (kind == "short" and (nothing or command.planned is None)) or (kind == "nothing" and nothing)
