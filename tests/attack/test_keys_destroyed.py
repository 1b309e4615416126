"""What a person gave is readable no longer than it is needed, and everything that goes on without it still does."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.catalogue import load_catalogue
from schemas.errors import InputError, KeyUnavailable
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from streams.identity.identities import Identities
from streams.kafka.dead_letters import expired_keys, key_name
from streams.rights.case import CaseFile
from streams.rights.protocol.states import State, summary
from streams.rights.service import RightsService
from tests.support.api import EMAIL, NOW, TOTAL, fill
from tests.support.company import copies_by_hand
from tests.support.pairs import ReadyKeyring
from tests.support.telling import advance_and_tell

KEPT = timedelta(days=90)
MINUTE = timedelta(minutes=1)


class Case:
    """A request of the person whose events are in the index, carried out at NOW."""

    def __init__(self, folder: Path) -> None:
        self.keyring = ReadyKeyring(folder / "keys").made()
        self.index, self.ledger, self.now = MemoryIndex(), MemoryRequests(), NOW
        self.learn()
        self.service = self.restarted()
        self.id = self.ask()

    def restarted(self) -> RightsService:
        catalogue = load_catalogue()
        return RightsService(
            self.ledger, self.index, self.index, Identities(self.index, catalogue.identity_sources), self.keyring,
            copies_by_hand(), lambda *_: None, lambda: self.now, keys_kept=KEPT,
        )  # fmt: skip

    def learn(self, first: int = 0) -> None:
        """Events of the person, from that offset on."""
        fill(self.index, self.keyring, first, self.now)

    def ask(self) -> str:
        made = self.service.create(
            "access", [("email", EMAIL)], reason="please", channel="email", received_at=self.now
        )
        assert advance_and_tell(self.service, made.request_id).state is State.COMPLETED
        return made.request_id

    def after(self, passed: timedelta) -> list[str]:
        self.now = NOW + passed
        return self.service.destroy_keys(self.now)

    def readable(self) -> bool:
        try:
            return bool(CaseFile(self.ledger, self.keyring, lambda: self.now).identifiers(self.id))
        except KeyUnavailable:
            return False


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_the_key_goes_when_its_time_has_come(case: Case) -> None:
    """Not a minute before; then at once and for ever, once, and the request says when."""
    assert case.after(KEPT - MINUTE) == []
    assert case.readable()
    assert case.after(KEPT) == [case.id]
    assert not case.readable()
    assert case.after(KEPT + MINUTE) == []
    shown = summary(case.restarted().get(case.id))
    assert datetime.fromisoformat(shown["key_destroyed_at"]) == NOW + KEPT
    assert shown["state"] == "completed"
    assert shown["report"]["total_events"] == TOTAL


def test_a_request_that_goes_on_keeps_its_key(case: Case) -> None:
    """One that has not ended, however old it is."""
    open_one = case.service.create(
        "erasure", [("email", EMAIL)], reason=None, channel="email", received_at=NOW
    )
    assert case.service.advance(open_one.request_id).state is State.COMMANDED
    assert case.after(timedelta(days=3_000)) == [case.id]
    assert f"request-{open_one.request_id}" in case.keyring.sealing_keys()


def test_a_late_finding_keeps_the_key_until_it_is_followed_up(case: Case) -> None:
    """The follow-up needs what the person gave."""
    case.now += MINUTE
    case.learn(100)
    assert [item.request_id for item in case.service.recheck(case.now)] == [case.id]
    assert case.after(KEPT * 2) == []
    case.service.follow_up(case.id)
    assert case.after(KEPT * 2) == [case.id]


def test_late_findings_are_found_without_the_key(case: Case) -> None:
    """By the tokens of then; what nobody can do any more is said, with what to do instead."""
    case.after(KEPT)
    assert case.service.recheck(case.now) == []
    case.learn(100)
    (opened,) = case.service.recheck(case.now)
    assert opened.late_findings[-1].events == TOTAL
    with pytest.raises(InputError, match="its key was destroyed; ask the person"):
        case.service.follow_up(case.id)
    assert case.service.close(case.id, "the person was asked anew").state is State.CLOSED
    assert case.service.get(case.id).notes[-1].reason == "the person was asked anew"
    assert [item.request_id for item in case.service.requests()] == [case.id]


def test_a_crash_between_the_key_and_its_record(case: Case) -> None:
    """The key is gone and nobody wrote so: the next run does."""
    case.keyring.destroy(f"request-{case.id}")
    assert case.after(KEPT) == []
    assert case.service.get(case.id).key_destroyed_at is not None


def test_a_copy_on_another_host(case: Case, tmp_path: Path) -> None:
    """Destroyed there by its own run, and a copy that came back from a backup goes again."""
    shutil.copytree(tmp_path / "keys", tmp_path / "backup")
    assert case.after(KEPT) == [case.id]
    shutil.rmtree(tmp_path / "keys")
    (tmp_path / "backup").rename(tmp_path / "keys")
    assert case.readable()
    assert case.after(KEPT + MINUTE) == [case.id]
    assert not case.readable()
    assert case.keyring.tokenizer().key_id


def test_a_key_that_is_missing_before_its_time(case: Case) -> None:
    """Said, with the request and the mend; not said of one that was destroyed on purpose."""
    assert case.after(MINUTE) == []
    assert case.service.key_problems() == ()
    case.keyring.destroy(f"request-{case.id}")
    assert case.after(MINUTE) == []
    (line,) = case.service.key_problems()
    assert case.id in line
    assert "backup" in line
    case.after(KEPT)
    assert case.service.key_problems() == ()


def test_months_of_dead_letters() -> None:
    """A month's key goes when the topic holds no letter of that month any more, and no other key does."""
    months = [key_name(datetime(2026, month, 28, tzinfo=UTC)) for month in range(1, 13)]
    names = [*months, "request-r-1", "system-web", "dead-letters-x"]
    for day, gone in ((datetime(2026, 6, 1, tzinfo=UTC), 3), (datetime(2026, 6, 30, 23, tzinfo=UTC), 3)):
        assert expired_keys(names, timedelta(days=30), day) == months[:gone]
    assert expired_keys(names, timedelta(days=30), datetime(2026, 3, 30, tzinfo=UTC)) == []
