"""What the rights workflow writes to Kafka: requests announced, systems told. Stored when a method returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.messages import RecordCount, RightsRequest, encoded
from schemas.vocabulary import CommandKind, CommandState, ErasureReason, Right
from streams.answers.plan import Plan, plan_from_json
from streams.answers.run_plan import RunPlan, run_from_json, told_of
from streams.answers.telling import counted_aloud, cut_off, telling_of
from streams.answers.unnamed import records_by_key
from streams.rights.case import CaseFile
from streams.rights.keyed import kept_by_key
from streams.rights.protocol.answering import Commanded
from streams.rights.protocol.command import Command
from streams.rights.protocol.messages import (
    DELETION,
    REQUESTS,
    Beside,
    Identifiers,
    Send,
    command_message,
    retention_message,
)
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.rights_commands import TOPICS, Asked, rights_command
from streams.rights.subject import SubjectFinder


class Sending:
    """Every method may raise BrokerUnavailable, IndexUnavailable, KeyUnavailable."""

    def __init__(
        self,
        file: CaseFile,
        subjects: SubjectFinder,
        send: Send,
        may_tell: Callable[[RequestState], object] = lambda _: None,
        kept: Callable[[RequestState, RunPlan, str], tuple[RequestState, Identifiers]] = lambda run, *_: (
            run,
            (),
        ),
    ) -> None:
        """`may_tell`: raises InputError where no system may be told to erase or correct now. `kept`: see
        `streams.rights.kept_named.KeptPeople.told`."""
        self._kept = kept
        self._may_tell = may_tell
        self._file = file
        self._subjects = subjects
        self._send = send

    def announce(self, request: RequestState) -> None:
        """Whoever carries requests out goes on with it: a repeated announcement changes nothing else."""
        request_id, sealed = request.request_id, self._file.sealed(request.request_id)
        message = RightsRequest(
            request_id=request_id,
            type=Right(request.type),
            sealed_identifiers=sealed,
            channel=request.channel,
            # It is free text: it travels sealed with the identifiers.
            reason=None,
            received_at=request.received_at,
        )
        self._send(REQUESTS, encoded(message), request_id.encode())

    def command(self, request: RequestState, command_id: str) -> RequestState:
        """Tell one system, in the next attempt; the request then."""
        command = request.commands[command_id]
        if command.kind is not None:
            return self._other(request, command, command.kind)
        if request.of_everybody:
            return self._run_out(request, command)
        plan = plan_from_json(request.plan or {})
        # A system that a newer plan has nothing for is not told again.
        told = next((item for item in plan.commands if item.system == command.system), None)
        if told is None:
            return request
        self._may_tell(request)
        attempt = command.attempt + 1
        key = self._file.system_keys(command.system).current
        by_key = records_by_key(plan, command.system) if command.by_key else ()
        identifiers = self._subjects.named(request, command.system, by_key)
        beside = beside_of(request, plan, command)
        message = command_message(
            request.request_id, told, identifiers, key, attempt, self._file.now(), beside
        )
        self._send(f"{DELETION}{command.system}", encoded(message), request.request_id.encode())
        return self._file.note(request.request_id, Commanded(command_id, attempt))

    def _run_out(self, request: RequestState, command: Command) -> RequestState:
        """Tell one system what has run out, and whose records stay. Raises InputError if somebody of these cannot be
        named to it, by a clock that was set back since the plan, or by other rules than those of the plan."""
        self._may_tell(request)
        plan = run_from_json((request.plan or {})["run"])
        attempt, key = command.attempt + 1, self._file.system_keys(command.system).current
        request, kept = self._kept(request, plan, command.system)
        expected = () if request.kept_since is None else request.kept_since.expected
        records, now = told_of(plan, command.system, expected), self._file.now()
        message = retention_message(
            request.request_id, command.system, records, kept, key, attempt, now, None
        )
        self._send(f"{DELETION}{command.system}", encoded(message), request.request_id.encode())
        return self._file.note(request.request_id, Commanded(command.command_id, attempt))

    def _other(self, request: RequestState, command: Command, kind: CommandKind) -> RequestState:
        """Tell one system what a right other than erasure asks of it; nobody is told what is done by hand."""
        if command.by_hand:
            return request
        if kind is CommandKind.RECTIFICATION:
            self._may_tell(request)
        attempt, key = command.attempt + 1, self._file.system_keys(command.system).current
        plan = request.plan or {}
        told = (*plan.get("restricted", ()), *plan.get("rectified", ()), *plan.get("asked", ()))
        said: Mapping[str, Any] = next((item for item in told if item["system"] == command.system), {})
        asked = Asked(
            command_id=command.command_id,
            request_id=request.request_id,
            system=command.system,
            kind=kind,
            categories=tuple(said.get("categories", ())),
            fields=tuple(said.get("fields", ())),
            copy_key=self._file.copy_key(request.request_id).public if command.copies else None,
            purposes=tuple(said.get("purposes", ())),
            ground=said.get("ground"),
            deadline=request.due,
            # What may not be counted aloud is among no records of these plans.
            expected=command.records,
            content=self._corrections(request, said) if kind is CommandKind.RECTIFICATION else None,
        )
        identifiers = self._subjects.named(request, command.system, kept_by_key(said))
        message = rights_command(asked, identifiers, key, attempt, self._file.now())
        self._send(f"{TOPICS[kind]}{command.system}", encoded(message), request.request_id.encode())
        return self._file.note(request.request_id, Commanded(command.command_id, attempt))

    def _corrections(self, request: RequestState, said: Mapping[str, Any]) -> dict[str, Any]:
        """Those that the plan has for the system: of its own records, or of categories that it holds."""
        corrections = self._file.corrections(request.request_id)
        # A plan from before these were chosen names none.
        names = said.get("corrections") or said.get("fields") or corrections
        return {name: corrections[name] for name in names if name in corrections}

    def untold(self, request: RequestState) -> RequestState:
        """Tell every system that was not told yet; none of them while one has no key."""
        unsent = [
            item
            for item in request.commands.values()
            if item.state is CommandState.UNSENT and not item.settled
        ]
        if not request.ended and not request.closing:
            self._need_keys(unsent)
        for command in unsent:
            if not request.ended and not request.closing:
                request = self.command(request, command.command_id)
        return request

    def again(self, request: RequestState) -> RequestState:
        """Tell every system whose command is not settled, in the next attempt under the same id."""
        unsettled = [item for item in request.commands.values() if not (item.settled or item.by_hand)]
        if not request.ended:
            self._need_keys(unsettled)
        for command in unsettled:
            if not request.ended:
                request = self.command(request, command.command_id)
        return request

    def _need_keys(self, commands: Iterable[Command]) -> None:
        """Raises KeyUnavailable before the first is sent: who has to make a key does it once."""
        for command in commands:
            self._file.system_keys(command.system)


def beside_of(request: RequestState, plan: Plan, command: Command) -> Beside:
    """What a command to erase says beside what goes: nothing of what is only described, as it is for the police."""
    telling = telling_of(plan, command.system)
    expected = counted_aloud(plan, command.system, command.records)
    return Beside(
        reason=ErasureReason.RETENTION if request.runs_out else ErasureReason.REQUEST,
        cut_off=cut_off(plan, command.system),
        purposes=telling.purposes,
        kept=telling.kept,
        deadline=None if request.runs_out else request.due,
        expected=tuple(RecordCount(record, count) for record, count in expected.items()),
    )
