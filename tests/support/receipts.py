"""Receipts as jobs write them: of the attempt that was sent last, signed with the key of their system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from schemas.codec import encode
from schemas.errors import InputError
from schemas.ids import is_id
from schemas.jobkeys import JobKey
from schemas.keys import Keyring
from schemas.own import own_record
from streams.rights.protocol.messages import decoded, receipt_message
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService

if TYPE_CHECKING:
    from tests.support.office import Office


def proven(receipt: Mapping[str, Any], keyring: Keyring, attempt: int = 1) -> dict[str, Any]:
    """The receipt, signed by the job of the system that it names."""
    system = receipt["system"] if is_id("system", receipt["system"]) else "web"
    return receipt_message({"attempt": attempt, **receipt}, job_key(keyring, system))


def job_key(keyring: Keyring, system: str) -> JobKey:
    """With what the job of a system signs, made where there is none."""
    keyring.systems.made(system)
    return keyring.systems.job(system).current


def hear(
    service: RightsService, receipt: Mapping[str, Any], attempt: int | None = None
) -> RequestState | None:
    """What the service makes of a receipt that its job wrote, of the attempt sent last or of another."""
    try:
        command = service.get(receipt["request_id"]).commands.get(receipt["command_id"])
    except InputError:
        command = None
    if attempt is None:
        attempt = command.attempt if command else 1
    return service.on_receipt(proven(receipt, service._file._keyring, attempt))


def answer(office: Office, command: Mapping[str, Any], **said: Any) -> RequestState:
    """The system answers a RightsCommand: done, with as many records as it was told are there, or what is `said`.

    The request then.
    """
    whole = {
        "state": "done",
        "records": command["expected"],
        "parts": 0,
        "copy_digest": None,
        **dict.fromkeys(("ground", "citation", "review_date", "reason", "retryable")),
        "reported_at": office.now,
        **{name: command[name] for name in ("command_id", "request_id", "system", "attempt")},
        **said,
    }
    receipt = receipt_message(whole, job_key(office.keyring, command["system"]))
    record = own_record("RightsReceipt")
    # Through Avro, as it comes from Kafka, read as the topic is.
    office.service.on_receipt(decoded(own_record("ErasureReceipt"), encode(record, receipt)))
    office.deliver()
    return office.service.get(command["request_id"])
