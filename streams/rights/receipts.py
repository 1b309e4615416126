"""What systems of record answer: taken into the ledger, or set aside with why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schemas.company import Company
from schemas.errors import KeyUnavailable
from schemas.messages import ErasureReceipt, RightsReceipt
from schemas.vocabulary import ReceiptState
from sinks.ports.lineage import Filter, IndexReader
from streams.answers.clocks import anchors_of_shown
from streams.rights.case import CaseFile
from streams.rights.copies import Copies
from streams.rights.protocol.answering import answer_of
from streams.rights.protocol.command import Command
from streams.rights.protocol.copying import copy_fault
from streams.rights.protocol.receipts import as_counts, aside, fault, has_the_key, repeats, unlawful, unproven
from streams.rights.protocol.request import RequestState


class Receipts:
    """May raise Overtaken, IndexUnavailable."""

    def __init__(
        self, file: CaseFile, reader: IndexReader, company: Company, copies: Copies | None = None
    ) -> None:
        self._file = file
        self._reader = reader
        self._copies = copies
        self._catalogue = company.catalogue
        self._records = frozenset(company.every_record)

    def take(
        self, request: RequestState, given: ErasureReceipt | RightsReceipt, written: Mapping[str, Any]
    ) -> RequestState:
        """The request after the answer of a system, and with each copy that is whole by it. `written`: the same, as its
        signature covers it."""
        request = self._taken(request, given, written)
        return request if self._copies is None else self._copies.completed(request)

    def _taken(
        self, request: RequestState, given: ErasureReceipt | RightsReceipt, written: Mapping[str, Any]
    ) -> RequestState:
        command = request.commands.get(given.command_id)
        receipt = given if isinstance(given, ErasureReceipt) else as_counts(given)
        if command is not None and isinstance(given, ErasureReceipt) != (command.kind is None):
            form = "is of another form than its command asks for; erasures and other rights have receipts of their own"
            return self._file.note(request.request_id, aside(receipt, form, self._catalogue))
        if isinstance(given, RightsReceipt) and (wrong := copy_fault(given)) is not None:
            return self._file.note(request.request_id, aside(receipt, wrong, self._catalogue))
        unlawful = self._unlawful(request, receipt, command)
        why = self._unproven(receipt, written, command) or fault(
            receipt, command, self._catalogue, self._file.now(), self._records, unlawful
        )
        if why is not None or command is None:
            return self._file.note(request.request_id, aside(receipt, why or "", self._catalogue))
        if repeats(receipt, command, unlawful) and not _other_copy(given, command):
            return request
        known = None
        # A plan from before anybody counted is counted at the end; what is known there is asked now.
        if (
            command.kind is None
            and receipt.state is ReceiptState.DONE
            and receipt.erased > (command.planned or 0)
        ):
            known = self._known(request, command)
        answer = answer_of(receipt, known, unlawful)
        if isinstance(given, RightsReceipt) and given.copy_digest is not None:
            answer = replace(answer, parts=given.parts, copy_digest=given.copy_digest.hex())
        return self._file.decide(request, answer)

    def _unlawful(
        self, request: RequestState, receipt: ErasureReceipt, command: Command | None
    ) -> str | None:
        if receipt.state is not ReceiptState.WITHHELD:
            return None
        if command is not None and command.kind is not None:
            return "whether it may is for a person to say"
        plan = request.plan or {}
        # As the plan counted: what events say since then is not what the system was told by.
        known = plan.get("clocks")
        anchors = anchors_of_shown(known) if known else self._file.anchors(request.request_id)
        return unlawful(receipt, command, plan, anchors, self._catalogue)

    def _unproven(
        self, receipt: ErasureReceipt, written: Mapping[str, Any], command: Command | None
    ) -> str | None:
        if command is None or receipt.system != command.system:
            return None
        try:
            keys = self._file.system_keys(command.system)
            return unproven(written, keys) or has_the_key(written, keys)
        except KeyUnavailable:
            return "cannot be checked, as the key of that system is not readable here; see `innsyn doctor`"

    def _known(self, request: RequestState, command: Command) -> int:
        """Events of the person that the index knows of a system by now, whatever becomes of them; of what has run out
        for everybody, those that were planned: some may have come since."""
        if request.of_everybody:
            return command.told_events
        system = command.system
        spans = request.identity.spans if request.identity else ()
        # A span that the plan cut short goes on: what happened since may be erased as well.
        whole = [replace(item, until=None) if item.until == request.planned_at else item for item in spans]
        return self._reader.find(whole, Filter(systems=[system])).total_events if whole else 0


def _other_copy(given: ErasureReceipt | RightsReceipt, command: Command) -> bool:
    """Whether it tells of other parts than those that are waited for: a job that died after it answered sent anew."""
    if not isinstance(given, RightsReceipt) or given.copy_digest is None or command.copied:
        return False
    return (given.parts, given.copy_digest.hex()) != (command.parts, command.copy_digest)
