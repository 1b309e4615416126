"""The parts of copies that systems send: proven, kept, and put together once the receipt of all of them is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.company import Company
from schemas.errors import InputError, KeyUnavailable
from schemas.messages import CopyPart
from sinks.ports.copies import CopyStore, StoredPart
from streams.rights.case import CaseFile
from streams.rights.copies_opened import CopiedRecord, NotReadable, records_of, sealed_of
from streams.rights.protocol.answering import Copied
from streams.rights.protocol.command import Command
from streams.rights.protocol.copying import part_aside, part_fault, repeats_part
from streams.rights.protocol.receipts import unproven
from streams.rights.protocol.request import RequestState


class Copies:
    """May raise Overtaken, IndexUnavailable."""

    def __init__(self, file: CaseFile, store: CopyStore, company: Company) -> None:
        self._file = file
        self._store = store
        self._systems = company.catalogue.systems

    def take(
        self, request: RequestState, part: CopyPart, written: Mapping[str, Any], message: bytes
    ) -> RequestState:
        """The request after a part. `written`: the same, as its signature covers it; `message`: as it came.

        What cannot be one is set aside and shown; what came before changes nothing.
        """
        command = request.commands.get(part.command_id)
        why = self._unproven(part, written, command) or part_fault(
            part, command, ended=request.ended, now=self._file.now()
        )
        if why is not None or command is None:
            return self._file.note(request.request_id, part_aside(part, why or "", self._systems))
        if repeats_part(part, command):
            return request
        self._store.keep(
            StoredPart(
                request_id=part.request_id,
                command_id=part.command_id,
                system=part.system,
                attempt=part.attempt,
                part=part.part,
                parts=part.parts,
                message=message,
                received_at=self._file.now(),
            )
        )
        # Read anew: the receipt of it may have come in another process since, which did not see this part.
        return self.completed(self._file.get(request.request_id))

    def completed(self, request: RequestState) -> RequestState:
        """With each copy of which all parts are here, and are what its receipt says; others are waited for."""
        for command in request.commands.values():
            if command.sent_parts and self._is_whole(command):
                whole = Copied(command.command_id, command.attempt, command.parts)
                request = self._file.decide(request, whole)
        return request

    def is_there(self, command: Command) -> bool:
        """Whether all parts of a copy that was whole are still kept."""
        return self._store.count(command.command_id, command.attempt) >= command.parts

    def records(self, request_id: str, command: Command) -> Callable[[], Iterator[CopiedRecord]]:
        """What opens the records of a whole copy, anew each time. It raises KeyUnavailable, NotReadable."""

        def opened() -> Iterator[CopiedRecord]:
            key = self._file.copy_key(request_id)
            for part in self._parts(command):
                yield from records_of(part, key)

        return opened

    def tidy(self, requests: Collection[RequestState], kept: timedelta, now: datetime) -> list[str]:
        """Take away the parts of requests that ended `kept` ago, or whose key is destroyed. Returns those requests.

        Parts of a request that the ledger does not know are nobody's, and go as well.
        """
        known = {request.request_id: request for request in requests}
        gone = []
        for request_id in self._store.requests():
            request = known.get(request_id)
            if request is None or _over(request, kept, now):
                gone.append(request_id)
        self._store.delete(gone)
        return gone

    def _unproven(self, part: CopyPart, written: Mapping[str, Any], command: Command | None) -> str | None:
        if command is None or part.system != command.system:
            return None
        try:
            return unproven(written, self._file.system_keys(command.system))
        except KeyUnavailable:
            return "cannot be checked, as the key of that system is not readable here; see `innsyn doctor`"

    def _is_whole(self, command: Command) -> bool:
        if self._store.count(command.command_id, command.attempt) < command.parts:
            return False
        found, count = hashlib.sha256(), 0
        try:
            for part in self._parts(command):
                found.update(sealed_of(part))
                count += 1
        except NotReadable:
            # Damaged in the index: it is asked for again when its time has come.
            return False
        return count == command.parts and found.hexdigest() == command.copy_digest

    def _parts(self, command: Command) -> Iterator[StoredPart]:
        """Those of the attempt that was answered, in order; one that died may have left more."""
        for part in self._store.parts(command.command_id, command.attempt):
            if part.part <= command.parts:
                yield part


def _over(request: RequestState, kept: timedelta, now: datetime) -> bool:
    if request.key_destroyed_at is not None:
        return True
    ended = request.ended_at or request.completed_at
    return request.ended and ended is not None and ended + kept <= now


def copies_asked(company: Company, copies: CopyStore | None) -> bool:
    """Whether any system is asked for copies. Raises InputError where there is nowhere to keep them."""
    asked = any(item.delivers_copies for item in company.catalogue.systems.values())
    if asked and copies is None:
        raise InputError("systems.yaml has `access: command`, and there is no store for copies")
    return asked
