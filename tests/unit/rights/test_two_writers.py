"""Two processes that serve the same requests: nothing is lost, nothing is decided on what is no longer so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.errors import Unavailable
from schemas.policy import RetentionAnchors
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.rights.case import CaseFile, Overtaken
from streams.rights.protocol.events import Attention
from streams.rights.protocol.states import State
from streams.rights.service import RightsService
from tests.support.api import EMAIL, EVENTS, fill
from tests.support.company import copies_by_hand
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring
from tests.support.receipts import hear

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SYSTEMS = {"web": 3, "billing": 1, "provisioning": 1}


class Rivalled(MemoryRequests):
    """A ledger on which somebody else does something just before an event of ours is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.rivals: list[Callable[[], object] | None] = []

    def append(self, *given: Any, **named: Any) -> bool:
        if self.rivals and (rival := self.rivals.pop(0)):
            waiting, self.rivals = self.rivals, []
            rival()
            self.rivals = waiting
        return super().append(*given, **named)


class Office:
    """Two services on one ledger and one index, and every command either of them sent."""

    def __init__(self, folder: Path) -> None:
        self.index, self.ledger = MemoryIndex(), Rivalled()
        self.keyring = ReadyKeyring(folder / "keys").made()
        fill(self.index, self.keyring)
        self.sent: Counter[str] = Counter()
        self.one, self.other = self._service(), self._service()
        ended = RetentionAnchors(contract_end=date(2022, 4, 1))
        self.request_id = self.one.create(
            "erasure", [("email", EMAIL)], reason=None, channel="api", received_at=NOW, anchors=ended
        ).request_id

    def _service(self) -> RightsService:
        catalogue = load_catalogue()
        identities = Identities(self.index, catalogue.identity_sources)
        return RightsService(
            self.ledger,
            self.index,
            self.index,
            identities,
            self.keyring,
            copies_by_hand(),
            lambda topic, *_: self.sent.update([topic]),
            lambda: NOW,
        )

    def receipt(self, system: str, state: str) -> dict[str, Any]:
        names = {"request_id": self.request_id, "command_id": f"{self.request_id}/{system}", "system": system}
        counts = {"erased": SYSTEMS[system] if state == "done" else 0, "held": 0}
        rest = {"ground": None, "review_date": None, "reason": None, "reported_at": NOW}
        return {**names, **counts, **rest, "state": state}

    def kinds(self) -> Sequence[str]:
        return [event.kind for event in self.ledger.events(self.request_id)]

    def contents(self, kind: str) -> Sequence[Mapping[str, Any]]:
        return [event.content for event in self.ledger.events(self.request_id) if event.kind == kind]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_plan_that_another_process_made_first_is_the_plan(office: Office) -> None:
    """Ours was decided on a ledger without it, so it is dropped, and its commands are not sent twice for it."""
    office.ledger.rivals = [lambda: office.other.advance(office.request_id)]
    office.one.advance(office.request_id)
    assert office.kinds().count("planned") == 1
    assert {topic: count for topic, count in office.sent.items() if topic.startswith("deletion.")} == {
        f"deletion.{system}": 1 for system in SYSTEMS
    }


def test_a_receipt_is_kept_whoever_writes_at_that_moment(office: Office) -> None:
    """Two receipts at once: the second finds its number taken and takes the next."""
    office.one.advance(office.request_id)
    office.ledger.rivals = [lambda: hear(office.other, office.receipt("billing", "done"))]
    hear(office.one, office.receipt("web", "failed"))
    commands = {item.system: item.state for item in office.one.get(office.request_id).commands.values()}
    assert commands == {"billing": "done", "web": "failed", "provisioning": "sent"}


def test_what_was_decided_on_an_older_state_is_not_written(office: Office) -> None:
    """Neither before nor while it is stored."""
    file = CaseFile(office.ledger, office.keyring, lambda: NOW)
    read = file.get(office.request_id)
    office.other.advance(office.request_id)
    with pytest.raises(Overtaken):
        file.decide(read, Attention("none"))
    read = file.get(office.request_id)
    office.ledger.rivals = [lambda: hear(office.other, office.receipt("web", "accepted"))]
    with pytest.raises(Overtaken):
        file.decide(read, Attention("none"))
    assert "attention" not in office.kinds()


def test_a_ledger_that_others_write_to_all_the_time_is_an_error(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event is given up in silence: whoever calls is told to repeat."""
    monkeypatch.setattr(MemoryRequests, "append", lambda *_: False)
    with pytest.raises(Unavailable, match="other processes keep writing"):
        office.one.advance(office.request_id)
    with pytest.raises(Unavailable, match="repeat"):
        office.one.create("access", [("email", EMAIL)], reason=None, channel="api", received_at=NOW)


STEPS = st.sampled_from(
    [
        *((system, state) for system in SYSTEMS for state in ("accepted", "failed", "done")),
        ("", "advance"),
        ("", "resume"),
    ]
)


@settings(max_examples=25)
@given(st.lists(st.tuples(STEPS, st.booleans(), st.lists(st.none() | STEPS, max_size=3)), max_size=8))
def test_whatever_two_processes_do_at_once_adds_up(
    steps: list[tuple[tuple[str, str], bool, list[tuple[str, str] | None]]],
) -> None:
    """One plan, at most one end, nothing forgotten before every system was done, every answer in the ledger."""
    with TemporaryDirectory() as folder:
        office = Office(Path(folder))
        office.one.advance(office.request_id)
        said: list[tuple[str, str]] = []

        def act(service: RightsService, step: tuple[str, str]) -> None:
            system, what = step
            if what == "advance":
                service.advance(office.request_id)
            elif what == "resume":
                service.resume()
            else:
                hear(service, office.receipt(system, what))
                # Anything else may be out of date when its turn comes.
                if what == "done":
                    said.append(step)

        for step, first, rivals in steps:
            office.ledger.rivals = [
                None if rival is None else partial(act, office.other, rival) for rival in rivals
            ]
            act(office.one if first else office.other, step)
        office.ledger.rivals = []
        for system in SYSTEMS:
            hear(office.one, office.receipt(system, "done"))
        request = office.one.get(office.request_id)
        assert request.state is State.COMPLETED
        kinds = office.kinds()
        assert (kinds.count("planned"), kinds.count("completed")) == (1, 1)
        done = {item["command_id"] for item in office.contents("receipt") if item["state"] == "done"}
        assert len(done) == len(SYSTEMS)
        numbers = [event.sequence for event in office.ledger.events(office.request_id)]
        assert numbers == list(range(len(numbers)))
        last = max(number for number, kind in enumerate(kinds) if kind == "receipt")
        assert last < kinds.index("forgetting")
        written = {
            (item["command_id"].partition("/")[2], item["state"]) for item in office.contents("receipt")
        }
        assert set(said) <= written
        token = office.keyring.tokenizer().token(KINDS["email"], EMAIL)
        assert all(item.tags.held_only for item in office.index.find([Span(token)]).holdings)
        assert sum(count for _, count in EVENTS.values()) == sum(SYSTEMS.values())
