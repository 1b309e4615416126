"""After a rotation of the token key the requests of before still say whose data stay."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from console.operations.rotation import Rotation
from schemas.calendars import NORWEGIAN
from schemas.tokens import Tokenizer
from sinks.memory.index import MemoryIndex
from sinks.ports.clocks import CLOCK_SCHEMA
from streams.answers.clocks import Clocks
from streams.answers.keeping import Keeping
from streams.identity.rekeyed import RekeyedClocks, RekeyedExpiry
from streams.identity.values import Value
from streams.rights import people_expiry, person_expiry
from streams.rights.protocol.states import RequestState, State
from streams.rights.right import Clocked
from tests.support.api import NOW
from tests.support.approved_rules import approve_rules
from tests.support.kinds import KINDS
from tests.unit.rights.test_erased_after_rotation import KARI, Installation, event_of

DAY = timedelta(days=1)


class OneNumber:
    """Every token stands for Kari's number."""

    realms = ()

    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]:
        return {token: Value(*KARI) for token in tokens}

    def addresses(self, _: object) -> dict[bytes, Any]:
        return {}

    def record_keys(self, _: object) -> list[Any]:
        return []


class Expiring(Installation):
    """Kari's contract ended long ago; topics are read anew under a new key."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        sinks, same = self.sinks, self.same
        self.serve(
            values=OneNumber(),
            keeping=Keeping(Clocks(RekeyedClocks(sinks.clocks, same), NORWEGIAN)),
            clocked=Clocked(sinks.clocks, RekeyedExpiry(sinks.expiry, same)),
        )
        approve_rules(self.rights, NOW)
        self.keyring.systems.made("crm")
        self.left(self.keys.tokenizer())

    def left(self, tokenizer: Tokenizer) -> None:
        ended = (NOW - 400 * DAY).replace(tzinfo=None)
        clock = {"token": tokenizer.token(KINDS[KARI[0]], KARI[1]), "partition": 0, "offset": 0}
        clock |= {"topic": "orders.contracts", "clock": "contract_end", "thing": bytes(16), "part": 0}
        clock |= {"event_time": ended, "since": None, "started": ended}
        clocks = pa.Table.from_pylist([clock], schema=CLOCK_SCHEMA)
        given = (KARI, "CustomerDetails", "crm.customers", NOW - 900 * DAY, tokenizer)
        self.sinks.writer().write(event_of(*given, clocks=clocks, key_id=tokenizer.key_id), lambda: NOW)

    def replace_key(self) -> None:
        """As `innsyn keys rotate`, `rekey` and `retire`."""
        old, index = self.keys.tokenizer().key_id, self.sinks.reader
        rotation = Rotation(self.keyring, self.sinks, lambda: NOW)
        rotation.rotate()
        assert isinstance(index, MemoryIndex)
        index.rows, index.clocks = {}, {}
        self.left(self.keys.tagging())
        rotation.move(threading.Event())
        assert rotation.retire(old, self.gave)

    def ask(self, right: str) -> RequestState:
        made = self.rights.create(right, [KARI], reason=None, channel="email", received_at=NOW)
        return self.rights.advance(made.request_id)

    def restricted(self) -> RequestState:
        request = self.ask("restriction")
        if not request.ended:
            request = self.rights.close(request.request_id, "done by hand")
        return self.rights.get(request.request_id)


@pytest.fixture
def installation(tmp_path: Path) -> Expiring:
    return Expiring(tmp_path)


@pytest.mark.parametrize("replaced", [0, 1, 2])
@pytest.mark.parametrize("restricted", [False, True])
def test_a_restriction_of_before_keeps_what_has_run_out(
    installation: Expiring, replaced: int, *, restricted: bool
) -> None:
    """GDPR Art. 18(2). Of whom nothing restricts it goes."""
    if restricted:
        assert installation.restricted().restricts
    for _ in range(replaced):
        installation.replace_key()
    begun = installation.rights.expire_people(NOW, 10)
    assert (len(begun.requests), begun.through) == (0 if restricted else 1, True)


@pytest.mark.parametrize("planned", [False, True])
def test_neither_its_plan_nor_a_command_goes_past_a_restriction_of_before(
    installation: Expiring, monkeypatch: pytest.MonkeyPatch, *, planned: bool
) -> None:
    """As if it had begun before, or had been planned."""
    restriction = installation.restricted()
    installation.replace_key()
    monkeypatch.setattr(people_expiry, "kept_by", lambda _: [])
    if planned:
        monkeypatch.setattr(person_expiry, "kept_by", lambda _: [])
    (begun,) = installation.rights.expire_people(NOW, 10).requests
    request = installation.rights.advance(begun.request_id)
    assert request.state is (State.ATTENTION if planned else State.COMPLETED)
    assert f"{restriction.request_id} restricts the processing" in str((request.problems, request.remarks))
    assert [item.attempt for item in request.commands.values()] == ([0] if planned else [])
