"""What rests on consent is broken by an event without one, and by nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sinks.ports.lineage import Span
from streams.duties.check import Verdict
from tests.support.index import NOW
from tests.support.kinds import KINDS
from tests.support.looking import Watched
from tests.support.putting import TOKENIZER

CHECK = "consent_at_event_time"
KARI, OLA, COOKIE = "100007", "100015", "c-1"
DAY = timedelta(days=1)
START = NOW - 100 * DAY


@pytest.fixture
def watched() -> Watched:
    return Watched()


def viewing(days: int, customer: str = KARI) -> dict[str, Any]:
    return {
        "customer_number": customer,
        "kind": "live",
        "device_serial": f"SN-{customer}",
        "started_at": START + days * DAY,
    }


def decision(days: int, said: str = "given", **who: Any) -> dict[str, Any]:
    who = who or {"customer_number": KARI}
    at = START + days * DAY
    return {
        **who,
        "purpose": "P-PERSONAL",
        "decision": said,
        "text_version": "1",
        "channel": "tv",
        "decided_at": at,
    }


def test_a_viewing_without_consent_breaks_it_and_its_deletion_mends_it(watched: Watched) -> None:
    """With the event as evidence, since its time; whoever consented is not concerned."""
    watched.put("privacy.consents", decision(0))
    watched.put("tv.viewings", viewing(1), viewing(2, OLA), viewing(3, OLA))
    (found,) = watched.run(CHECK)
    assert (found.key, found.since) == ("tv.viewings/TvViewing/P-PERSONAL/none", START + 2 * DAY)
    assert [(item.topic, item.offset) for item in found.evidence] == [("tv.viewings", 1), ("tv.viewings", 2)]
    assert "2 events of TvViewing on tv.viewings for P-PERSONAL without a consent, of 1 person." in found.says
    spans = [
        Span(TOKENIZER.token(KINDS[kind], value))
        for kind, value in (("customer_number", OLA), ("device_serial", f"SN-{OLA}"))
    ]
    gone = {item.tags.id: None for item in watched.sinks.held.held() if item.tags.topic == "tv.viewings"}
    watched.sinks.eraser.forget(spans, gone)
    assert watched.check(CHECK).verdict is Verdict.KEPT


@pytest.mark.parametrize(
    ("decisions", "broken"),
    [
        ([(0, "given")], []),
        ([(5, "given")], []),
        ([(6, "given")], ["none"]),
        ([(0, "given"), (4, "withdrawn")], ["withdrawn"]),
        ([(0, "given"), (6, "withdrawn")], []),
        ([(0, "refused")], ["refused"]),
        ([(0, "given"), (1, "withdrawn"), (2, "given")], []),
        ([(5, "withdrawn"), (5, "given")], []),
    ],
)
def test_what_counts_is_the_newest_decision_at_the_time_of_the_event(
    watched: Watched, decisions: list[tuple[int, str]], broken: list[str]
) -> None:
    """Withdrawal is not retroactive (GDPR Art. 7(3)), and neither is a consent."""
    watched.put("privacy.consents", *(decision(*item) for item in decisions))
    watched.put("tv.viewings", viewing(5))
    found = watched.check(CHECK).violations
    assert [item.key.rpartition("/")[2] for item in found] == broken


def test_a_consent_counts_that_was_given_in_a_browser_of_the_customer(watched: Watched) -> None:
    """Once a login ties the cookie to the customer, also if that is learnt afterwards."""
    watched.put("privacy.consents", decision(2, cookie_id=COOKIE))
    watched.put("tv.viewings", viewing(5))
    assert watched.check(CHECK).verdict is Verdict.BROKEN
    login = {
        "username": "kari",
        "customer_number": KARI,
        "cookie_id": COOKIE,
        "client_address": "192.0.2.1",
        "result": "ok",
        "occurred_at": START + DAY,
    }
    watched.put("web.logins", login)
    assert watched.check(CHECK).verdict is Verdict.KEPT


def test_a_consent_to_another_purpose_is_none(watched: Watched) -> None:
    watched.put("privacy.consents", {**decision(0), "purpose": "P-MARKETING"})
    watched.put("tv.viewings", viewing(1))
    assert watched.check(CHECK).verdict is Verdict.BROKEN


def test_where_nothing_rests_on_consent_it_is_kept(watched: Watched) -> None:
    assert watched.check(CHECK).verdict is Verdict.KEPT


def login(days: int) -> dict[str, Any]:
    return {
        "username": "kari",
        "customer_number": KARI,
        "cookie_id": COOKIE,
        "client_address": "192.0.2.1",
        "result": "ok",
        "occurred_at": START + days * DAY,
    }


def test_a_withdrawal_counts_that_was_made_in_a_browser_of_the_customer(watched: Watched) -> None:
    """The viewing names the customer, whose own newest decision was to consent."""
    watched.put("web.logins", login(1))
    watched.put("privacy.consents", decision(0), decision(3, "withdrawn", cookie_id=COOKIE))
    watched.put("tv.viewings", viewing(2), viewing(5), viewing(6, OLA))
    watched.put("privacy.consents", decision(0, customer_number=OLA))
    (found,) = watched.run(CHECK)
    assert found.key.endswith("/withdrawn")
    assert [item.offset for item in found.evidence] == [1]


@pytest.mark.parametrize("purpose", ["p-personal", "", "everything"])
def test_a_withdrawal_of_nobody_knows_what_is_of_everything(watched: Watched, purpose: str) -> None:
    """And is itself a finding: somebody has to ask what was meant."""
    watched.put("privacy.consents", decision(0), {**decision(2, "withdrawn"), "purpose": purpose})
    watched.put("tv.viewings", viewing(5))
    assert [item.key.rpartition("/")[2] for item in watched.check(CHECK).violations] == ["withdrawn"]
    assert "privacy.consents/purpose" in {item.key for item in watched.check("consents_provable").violations}


def test_what_lies_behind_the_first_page_is_looked_at(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many events before it turn out to be consented to."""
    asked = watched.sinks.duties.unconsented
    monkeypatch.setattr(watched.sinks.duties, "unconsented", lambda of, after=None: asked(of, after, 2))
    watched.put("web.logins", login(0))
    watched.put("privacy.consents", decision(1, cookie_id=COOKIE))
    watched.put("tv.viewings", *(viewing(day) for day in range(2, 9)), viewing(9, OLA))
    (found,) = watched.run(CHECK)
    assert [item.offset for item in found.evidence] == [7]
