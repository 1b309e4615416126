"""Events of the ledger as classes: what earlier versions stored is read as it was meant, and stored alike."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from schemas.keys import Keyring
from schemas.messages import ErasureReceipt, Outcome
from schemas.policy import RetentionAnchors
from schemas.vocabulary import ReceiptState, Resolution
from sinks.memory.requests import MemoryRequests
from sinks.ports.requests import RequestEvent
from streams.rights.case import CaseFile
from streams.rights.protocol import events
from streams.rights.protocol.answering import Copied, Escalated, ReviewDue, answer_of
from streams.rights.protocol.came_back import CameBack, SuppressionLifted
from streams.rights.protocol.events import (
    KINDS,
    Attention,
    KeyDestroyed,
    Lifting,
    Received,
    Unclear,
    Widened,
    content_of,
    event_of,
)
from streams.rights.protocol.expiring import Expired, Expiring, KeptSince
from streams.rights.protocol.handling import (
    Approved,
    Checked,
    Extended,
    IdentityAsked,
    Notified,
    Told,
    Waived,
)
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.states import fold, summary
from tests.support.pages import ROOT

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
LEDGERS: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "fixtures" / "ledgers" / "before_classes.json").read_text("utf-8")
)


def stored(ledger: dict[str, Any]) -> list[RequestEvent]:
    return [
        RequestEvent(ledger["request_id"], number, kind, datetime.fromisoformat(at), content)
        for number, kind, at, content in ledger["events"]
    ]


SINCE = {
    item.kind
    for item in (
        IdentityAsked,
        Checked,
        Extended,
        Told,
        Approved,
        Escalated,
        ReviewDue,
        Lifting,
        Widened,
        Notified,
        Copied,
        CameBack,
        SuppressionLifted,
        KeptSince,
        Expiring,
        Expired,
        Unclear,
        Waived,
    )
}
"""Kinds that there were not before classes."""


def test_the_ledgers_of_before_have_every_kind() -> None:
    """Else a kind could change unseen."""
    assert {event.kind for ledger in LEDGERS for event in stored(ledger)} >= set(KINDS) - SINCE


def test_what_is_decided_again_after_something_else_counts_again(tmp_path: Path) -> None:
    """To wait for a person, or for another request: each time it comes to stand so, and no more than once."""
    file = CaseFile(MemoryRequests(), Keyring(tmp_path / "keys").made(), lambda: NOON)
    sealed = file.seal("r-1", [], None)
    file.receive("r-1", "erasure", "test", NOON, sealed, RetentionAnchors())

    def unclear() -> RequestState:
        return file.stand(file.get("r-1"), "whose it is", Resolution.AMBIGUOUS)

    def waits() -> RequestState:
        return file.decide(file.get("r-1"), events.Behind(("r-0",), file.length("r-1")))

    for length in (2, 4, 6):
        assert unclear().state is State.ATTENTION
        assert (unclear().problem, file.length("r-1")) == ("whose it is", length)
        waiting = waits()
        assert (waiting.state, waiting.problem, waiting.behind) == (State.RECEIVED, None, ("r-0",))


def within(whole: Any, part: Any) -> bool:
    """Whether JSON says all that another says; of what is new there, nothing is asked."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and within(whole[name], item) for name, item in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(within, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda ledger: ledger["events"][-1][1])
def test_a_ledger_from_before_there_were_classes_says_what_it_said(ledger: dict[str, Any]) -> None:
    """The summary is the one that the version of then gave."""
    request = fold(stored(ledger))
    assert request is not None
    assert request.unread == ()
    assert within(json.loads(json.dumps(summary(request))), ledger["summary"])


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda ledger: ledger["events"][-1][1])
def test_what_is_stored_has_the_form_it_had(ledger: dict[str, Any]) -> None:
    """So another process of the version before reads it. What is added is what a reader may pass over."""
    for event in stored(ledger):
        read = event_of(event)
        if read is not None:
            again = json.loads(json.dumps(content_of(read)))
            assert event_of(dataclasses.replace(event, content=again)) == read
            missing = {
                name for name in event.content.keys() - again.keys() if event.content[name] is not None
            }
            assert missing == set()
            assert {name: again[name] for name in event.content.keys() & again.keys()}.keys() <= again.keys()


def test_an_event_of_a_version_to_come_changes_nothing() -> None:
    """A kind that is not known is no event; a field that is not known is passed over."""
    assert event_of(RequestEvent("r", 1, "praised", NOON, {})) is None
    more = {"reason": "none", "colour": "blue"}
    assert event_of(RequestEvent("r", 1, "attention", NOON, more)) == Attention("none")


@pytest.mark.parametrize(
    "content", [{}, {"reason": 7}, {"reason": None}, {"reason": "x", "resolution": "maybe"}]
)
def test_an_event_that_does_not_fit_is_refused_without_quoting_it(content: dict[str, Any]) -> None:
    """The line names the kind alone."""
    with pytest.raises(ValueError, match=r"^no content of attention$"):
        event_of(RequestEvent("r", 1, "attention", NOON, content))


def test_a_receipt_is_kept_without_what_its_sender_wrote() -> None:
    """A reason that is no word of the list may name somebody."""
    receipt = ErasureReceipt(
        command_id="r-1/web", request_id="r-1", system="web", state=ReceiptState.PARTIAL, erased=1, held=2,
        ground="T18", review_date=date(2029, 3, 5), reason="Kari Nordlie asked us not to", reported_at=NOON,
        outcomes=(Outcome("WebVisit", 1, 0, ("owner",)),), attempt=2, signature=b"secret",
    )  # fmt: skip
    assert content_of(answer_of(receipt, known=7)) == {
        "command_id": "r-1/web", "state": "partial", "erased": 1, "held": 2, "ground": "T18",
        "review_date": "2029-03-05", "reason": "unlisted", "reported_at": "2026-03-09T12:00:00Z", "attempt": 2,
        "outcomes": [{"record": "WebVisit", "deleted": 1, "redacted": 0, "stayed_for": ["owner"]}], "known": 7,
    }  # fmt: skip
    assert "known" not in content_of(answer_of(receipt))


def test_what_is_not_said_is_not_stored() -> None:
    """A field that is None by default; one that has to be said is stored as null."""
    assert content_of(KeyDestroyed()) == {}
    assert content_of(Attention("none", Resolution.AMBIGUOUS)) == {
        "reason": "none", "resolution": "ambiguous", "broke": False,
    }  # fmt: skip
    assert content_of(Received("access", "web", NOON, anchors={"contract_end": "2026-02-01"})) == {
        "type": "access", "channel": "web", "received_at": "2026-03-09T12:00:00Z", "sealed": "",
        "anchors": {"contract_end": "2026-02-01"},
    }  # fmt: skip


def test_every_class_has_a_kind_of_its_own() -> None:
    """Two of one kind: the events of one would be read as the other's."""
    found = (item for item in vars(events).values() if dataclasses.is_dataclass(item))
    # Of a part of an event `kind` may be a field.
    classes = [item for item in found if isinstance(getattr(item, "kind", None), str)]
    assert {getattr(item, "kind", ""): item for item in classes} == dict(KINDS)
    assert len(classes) == len(KINDS)
    assert all(get_type_hints(item) for item in classes)


def test_a_request_whose_beginning_cannot_be_read_follows_none(tmp_path: Path) -> None:
    """Its id is taken, so a follow-up takes the next one; what the person gave is not there to open."""
    log = MemoryRequests()
    log.append("r-1", 0, "received", NOON, {"type": "access"})
    file = CaseFile(log, Keyring(tmp_path / "keys").made(), lambda: NOON)
    assert file.follows("r-1") is None
    with pytest.raises(ValueError, match="no content of received"):
        file.sealed("r-1")
