"""What a person is sent, put together from the answer of a request and the copies that systems delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import IO, Any

from schemas.annotations import RecordSchema
from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.counted import counted
from schemas.errors import InputError
from schemas.tags import tag_set
from schemas.times import iso
from schemas.vocabulary import CommandState
from streams.answers.report import only_described
from streams.identity.values import RecordKey
from streams.rights.bundle import Answer, Delivery, SystemCopy, Written, write_bundle
from streams.rights.case import CaseFile
from streams.rights.copies import Copies
from streams.rights.copies_opened import CopiedRecord, NotReadable
from streams.rights.copies_redacted import Given, Mentions, given
from streams.rights.keyed import kept_by_key
from streams.rights.protocol.command import Command
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState
from streams.rights.subject import SubjectFinder

DESCRIBED, NOT_ASKED = "is kept for the police alone, and described", "is of a kind that was not asked for"


class Bundling:
    """May raise InputError, KeyUnavailable, IndexUnavailable."""

    def __init__(self, file: CaseFile, subjects: SubjectFinder, copies: Copies, company: Company) -> None:
        self._file = file
        self._subjects = subjects
        self._copies = copies
        self._company = company

    def write(
        self, request: RequestState, to: IO[bytes], lang: str, kept: frozenset[str], mentions: Mentions
    ) -> Written:
        """Write the archive of a request that is answered; see `streams.rights.bundle.write_bundle`.

        `mentions`: what a text names. Raises InputError for a request that has no answer, or none that may be sent.
        """
        report = self._answered(request)
        asked = {item["system"]: frozenset(item["fields"]) for item in (request.plan or {}).get("asked", ())}
        records = self._company.every_record

        by_key = {item["system"]: kept_by_key(item) for item in (request.plan or {}).get("asked", ())}

        @cache
        def named(system: str) -> Sequence[Named | RecordKey]:
            return self._subjects.named(request, system, by_key.get(system, ()))

        def give(system: str, copied: CopiedRecord) -> Given | str:
            record = records[copied.record]
            fields = asked.get(system, frozenset())
            if not any(name.partition(".")[0] == record.name for name in fields):
                return NOT_ASKED
            if is_described(record, copied.values, self._company.catalogue):
                return DESCRIBED
            return given(record, copied.values, named(system), self._company.kinds, mentions, kept)

        answer = Answer(
            request={
                "id": request.request_id,
                "type": request.type,
                "takes_along": request.takes_along,
                "received_at": iso(request.received_at),
                "answered_at": iso(request.answered_at) if request.answered_at else None,
            },
            report=report,
            copies=self._systems(request, report),
            company=self._company,
            give=give,
            made_at=self._file.now(),
        )
        try:
            return write_bundle(answer, to, lang, kept)
        except NotReadable as error:
            raise InputError(
                f"{error}; ask the team of that system, then make a new request: its copy is not whole"
            ) from None

    def _answered(self, request: RequestState) -> Mapping[str, Any]:
        if request.report is None:
            waits = f"; it waits for {', '.join(request.waiting_for)}" if request.waiting_for else ""
            raise InputError(
                f"{request.request_id} has no answer to send{waits}; `innsyn requests show {request.request_id}`"
                " says what it needs"
            )
        if request.awaits_approval:
            raise InputError(f"{request.request_id} is not to be sent yet: {'; '.join(request.problems)}")
        if request.key_destroyed_at is not None:
            raise InputError(
                f"the key of {request.request_id} was destroyed, and nobody can read its copies any more"
            )
        return request.report

    def _systems(self, request: RequestState, report: Mapping[str, Any]) -> list[SystemCopy]:
        """Of each system that holds something of the person what came of its copy."""
        commands = {item.system: item for item in request.commands.values() if item.copies}
        locked: dict[str, bool] = {}
        for entry in report["entries"]:
            system = entry["system"]["id"]
            locked[system] = locked.get(system, True) and entry["locked"]
        return [
            self._delivered(request, commands[system])
            if system in commands
            else not_asked(system, only_locked=locked[system])
            for system in sorted({*commands, *locked})
        ]

    def _delivered(self, request: RequestState, command: Command) -> SystemCopy:
        if not command.copied:
            return not_delivered(command)
        if not self._copies.is_there(command):
            raise InputError(
                f"the copy of {command.system} is no longer kept (INNSYN_COPY_DAYS); make a new request for it"
            )
        records = self._copies.records(request.request_id, command)
        if command.state is CommandState.DONE and not command.short:
            return SystemCopy(command.system, Delivery.DELIVERED, records=records)
        why = {
            "nb": f"Systemet leverte en del: {command.erased:,} av {command.total:,} registreringer.",
            "en": f"Of {counted(command.total, 'record')} the system delivered {command.erased:,}.",
        }
        return SystemCopy(command.system, Delivery.PARTIAL, why, records)


def not_delivered(command: Command) -> SystemCopy:
    """What is said in place of a copy that did not come, although a person decided to answer."""
    if command.state is CommandState.NOT_FOUND or (command.state is CommandState.DONE and not command.erased):
        why = {
            "nb": "Systemet fant ingen registreringer om deg å kopiere.",
            "en": "The system found no records of you to copy.",
        }
    elif command.state is CommandState.WITHHELD:
        cited = f" ({command.ground})" if command.ground else ""
        why = {
            "nb": f"Kopien er holdt tilbake{cited}. Spør oss om begrunnelsen.",
            "en": f"The copy is withheld{cited}. Ask us for the reasons.",
        }
    else:
        why = {
            "nb": "Systemet kunne ikke levere kopien. Spør oss, så henter vi den for hånd.",
            "en": "The system could not deliver its copy. Ask us, and we fetch it by hand.",
        }
    return SystemCopy(command.system, Delivery.MISSING, why)


def not_asked(system: str, *, only_locked: bool) -> SystemCopy:
    """What is said of a system that was not asked for a copy."""
    if only_locked:
        why = {
            "nb": "Loven tillater ikke at dette utleveres; det er bare beskrevet over.",
            "en": "The law does not let this be handed out; it is only described above.",
        }
        return SystemCopy(system, Delivery.DESCRIBED, why)
    why = {
        "nb": "Kopien fra dette systemet må hentes for hånd. Den ligger ikke ved her.",
        "en": "The copy of this system has to be fetched by hand. It is not enclosed here.",
    }
    return SystemCopy(system, Delivery.BY_HAND, why)


def is_described(record: RecordSchema, values: Mapping[str, Any], catalogue: Catalogue) -> bool:
    """Whether a record is kept for the police alone, by the rules of its variant: no copy has it (ekomloven § 3-14)."""
    variant = None
    for name, symbols in record.annotation.variants.items():
        if (symbol := values.get(name)) in symbols:
            variant = record.variant(name, str(symbol))
    tags = tag_set(record, record.name, "owner", catalogue_version="", key_id="", variant=variant)
    return only_described(tags, catalogue)
