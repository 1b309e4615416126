"""The copy of the person's data: every system is asked for it, and what comes is put together and looked at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from console.demo.handled import MADE_BY, done_by_people
from console.wiring.clock import now
from console.wiring.local import LocalInstance
from console.wiring.mentions import mentions_in
from schemas.vocabulary import ToldBy
from streams.rights.bundle import Written
from streams.rights.protocol.states import RequestState, State

Await = Callable[[Callable[[], bool], str], None]
"""Return once it is true; what is waited for, in words."""


def asked_copy(
    instance: LocalInstance, asked_by: Sequence[tuple[str, str]], patiently: Await
) -> RequestState:
    """A request for access of the person, once every system has delivered."""
    rights = instance.rights
    made = rights.create(
        "access", [*asked_by], reason=None, channel="demo", received_at=now(), by=MADE_BY
    ).request_id

    def answered() -> bool:
        request = rights.get(made)
        done_by_people(rights, request)
        return request.state is State.ANSWERED

    patiently(answered, "the systems' copies")
    return rights.get(made)


def written_copy(instance: LocalInstance, request: RequestState, to: Path) -> Written:
    """Write the archive that the person is sent, and note that it was sent."""
    mentions = mentions_in(instance.answering.company.kinds)
    with to.open("wb") as file:
        written = instance.rights.bundle(request.request_id, file, "en", frozenset(), mentions)
    instance.rights.tell(request.request_id, ToldBy.EMAIL)
    return written


def delivered(archive: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the archive says of each system that delivered: `records` by kind, `blanked`, `left_out`."""
    with zipfile.ZipFile(archive) as whole:
        report = json.loads(whole.read("report.json"))
    return {item["system"]: item for item in report["copies"] if "file" in item}
