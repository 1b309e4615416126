"""Receipts as jobs write them: of the attempt that was sent last, signed with the key of their system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import InputError
from schemas.ids import is_id
from schemas.jobkeys import JobKey
from schemas.keys import Keyring
from streams.rights.protocol.messages import receipt_message
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService


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
