"""After a rotation and the end of the older token key it is still said that a person was erased before."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from console.operations.keys import TokenKeys
from console.operations.rotation import Rotation
from schemas.errors import InputError, KeyUnavailable
from schemas.identifiers import IdentifierKind
from schemas.records import load_records
from schemas.tags import tag_set
from schemas.tokens import Tokenizer
from schemas.vocabulary import Role
from sinks.memory.index import MemoryIndex
from sinks.memory.rekey import MemoryRekeyer
from sinks.memory.sinks import memory_sinks
from sinks.ports.keys import Resting
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.offsets import OffsetRange
from sinks.ports.suppression import Ending, Suppressed
from streams.identity.identities import Identities, given
from streams.identity.rekeyed import RekeyedBeside, RekeyedClaims, RekeyedEraser, RekeyedReader, Same
from streams.rights.overlap import erased_of
from streams.rights.protocol.states import RequestState, State
from streams.rights.service import RightsService
from tests.support.api import NOW
from tests.support.company import copies_by_hand, model
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring
from tests.support.receipts import hear

KARI, OLA = ("customer_number", "10042"), ("customer_number", "10099")


def event_of(
    who: tuple[str, str], record: str, topic: str, at: datetime, tokenizer: Tokenizer, **more: Any
) -> LineageBatch:
    """An event of the customer, with `more` of what a batch has."""
    tags = tag_set(load_records()[record], topic, "owner", catalogue_version="1", key_id=tokenizer.key_id)
    row = {
        "token": tokenizer.token(KINDS[who[0]], who[1]),
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "role": Role.OWNER.code,
        "tag_set": tags.id,
        "event_time": at.replace(tzinfo=None),
        "port": 0,
    }
    return LineageBatch(pa.Table.from_pylist([row], schema=ROW_SCHEMA), tag_sets=[tags], **more)


class Installation:
    """An index in memory whose token keys rotate, and the requests over it."""

    def __init__(self, folder: Path) -> None:
        self.sinks = memory_sinks()
        self.keyring = ReadyKeyring(folder).made()
        self.keys = TokenKeys(self.keyring, self.sinks.keys, lambda: NOW)
        self.keys.prove(make=True)
        self.same = Same(self.sinks.pairs, self.keys.rotated, kept_seconds=0.0)
        sources, beside = model().identity_sources, RekeyedBeside(self.sinks.beside, self.same)
        self.people = Identities(RekeyedClaims(self.sinks.claims, self.same), sources, beside)
        self._ids = iter(range(1, 99))
        self.serve()

    def serve(self, **more: Any) -> None:
        """With `more` of what the service takes."""
        self.rights = RightsService(
            self.sinks.requests,
            RekeyedReader(self.sinks.reader, self.same),
            RekeyedEraser(self.sinks.eraser, self.same),
            self.people,
            self.keyring,
            copies_by_hand(),
            lambda *_: None,
            lambda: NOW,
            lambda size: next(self._ids).to_bytes(size, "big"),
            tokenizer=self.keys.tokenizer,
            same=self.same,
            **more,
        )

    def known(self, who: tuple[str, str]) -> None:
        """The index has a chat of the customer."""
        self.keyring.systems.made("contact_centre")
        given = (who, "ChatMessage", "support.chats", NOW, self.keys.tokenizer())
        ranges = [OffsetRange("support.chats", 0, 0, 0, epoch=1)]
        self.sinks.writer().write(event_of(*given, ranges=ranges), lambda: NOW)

    def erase(self, *people: tuple[str, str]) -> RequestState:
        """Every system does what it is told."""
        made = self.rights.create("erasure", list(people), reason=None, channel="email", received_at=NOW)
        for command in self.rights.advance(made.request_id).commands.values():
            names = {"request_id": made.request_id, "command_id": command.command_id}
            counts = {"system": command.system, "state": "done", "erased": command.planned, "held": 0}
            rest = {"ground": None, "review_date": None, "reason": None, "reported_at": NOW}
            hear(self.rights, {**names, **counts, **rest})
        return self.rights.get(made.request_id)

    def gave(self, request_id: str) -> Iterable[tuple[IdentifierKind, str]]:
        """What a request gave."""
        return [(KINDS.parse(item.kind), item.value) for item in self.rights._file.identifiers(request_id)]

    def replace_key(self) -> None:
        """Another key comes into force; the older one, on which nothing rests, is destroyed."""
        old = self.keys.tokenizer().key_id
        rotation = Rotation(self.keyring, self.sinks, lambda: NOW)
        rotation.rotate()
        rotation.move(threading.Event())
        assert rotation.retire(old, self.gave)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    made.known(KARI)
    return made


def test_an_erasure_of_before_is_told_with_the_next_request(installation: Installation) -> None:
    """No event named the person since, so that only the request itself says which tokens are the same."""
    done = installation.erase(KARI)
    assert done.state is State.COMPLETED
    installation.replace_key()
    (line,) = [line for line in installation.erase(KARI).problems if done.request_id in line]
    assert line.startswith("an erasure of this person was completed")
    assert not [line for line in installation.erase(OLA).problems if done.request_id in line]


@pytest.mark.parametrize(
    ("resting", "said"),
    [
        (Resting(0, 0, 0, 0, clocks=3), "still rest 3 clock events;"),
        (
            Resting(1, 2, 1, 0, NOW, 1),
            "still rest 1 row, 3 claims and 1 sealed identifier; the newest event is of",
        ),
        (Resting(0, 0, 0, 2), "still rest 2 prefixes;"),
    ],
)
def test_a_key_is_kept_with_what_rests_on_it_alone(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, resting: Resting, said: str
) -> None:
    old = installation.keys.tokenizer().key_id
    rotation = Rotation(installation.keyring, installation.sinks, lambda: NOW)
    rotation.rotate()
    monkeypatch.setattr(MemoryRekeyer, "resting", lambda _: resting)
    with pytest.raises(InputError, match=said):
        rotation.retire(old, installation.gave)


def test_also_after_two_keys(installation: Installation) -> None:
    """Each time the request says it again; and every other place that asks has the same answer."""
    done = installation.erase(KARI)
    installation.replace_key()
    installation.replace_key()
    named = [given(installation.keys.tokenizer(), KINDS.parse(KARI[0]), KARI[1])]
    person = installation.people.person(named, NOW)
    assert [item.request_id for item in installation.rights.subjects.erased(person, named)] == [
        done.request_id
    ]
    requests = installation.rights.requests()
    assert [item.request_id for item in erased_of(requests, person, named, installation.same)] == [
        done.request_id
    ]
    assert erased_of(requests, person, named) == []


def test_what_cannot_be_read_any_more_holds_nothing_up(installation: Installation) -> None:
    """The key of the request is gone, and with the token key whoever could recognise the person."""
    done = installation.erase(KARI)
    installation.keyring.destroy(f"request-{done.request_id}")
    with pytest.raises(KeyUnavailable):
        installation.gave(done.request_id)
    installation.replace_key()
    index = installation.sinks.pairs
    assert isinstance(index, MemoryIndex)
    assert not index.pairs_known
    assert not [line for line in installation.erase(KARI).problems if done.request_id in line]


def test_a_key_by_which_alone_erased_people_are_recognised_stays_until_somebody_decides(
    installation: Installation,
) -> None:
    """An address that the request did not give, and that no event named since; what it gave is known under both."""
    ledger, ring = installation.sinks.suppression, installation.keyring
    done = installation.erase(KARI)
    old = installation.keys.tokenizer()
    tokens = [old.token(KINDS[kind], value) for kind, value in (KARI, ("ip", "192.0.2.7"))]
    spans = [Span(token, until=NOW) for token in tokens]
    ledger.enter(Suppressed(done.request_id, spans, (), NOW, NOW + timedelta(days=9)))
    rotation = Rotation(ring, installation.sinks, lambda: NOW)
    rotation.rotate()
    with pytest.raises(InputError, match=r"^1 identifier of erased people can be recognised by token key"):
        rotation.retire(old.key_id, installation.gave)
    assert next(state.key_id for state in rotation.states()) == old.key_id
    assert rotation.retire(old.key_id, installation.gave, end_look_out=True)


def test_what_is_not_looked_out_for_any_more_holds_no_key_up(installation: Installation) -> None:
    ledger = installation.sinks.suppression
    done = installation.erase(KARI)
    token = installation.keys.tokenizer().token(KINDS["ip"], "192.0.2.7")
    ledger.enter(Suppressed(done.request_id, [Span(token)], (), NOW, NOW + timedelta(days=9)))
    ledger.end(done.request_id, Ending.LIFTED, NOW)
    installation.replace_key()
