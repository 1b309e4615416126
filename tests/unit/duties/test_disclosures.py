"""A disclosure that lacks what it needs breaks the duty, with the event as evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.company import load_company
from schemas.layers import COMPANIES
from sinks.ports.lineage import Span
from streams.duties.check import Verdict
from tests.support.index import NOW
from tests.support.kinds import KINDS
from tests.support.looking import Watched
from tests.support.putting import TOKENIZER

FOUNDED, AGREED = "disclosures_founded", "recipients_under_agreement"
KARI = "100007"
AT = NOW - timedelta(days=10)
LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def disclosed(**other: Any) -> dict[str, Any]:
    return {
        "disclosure_id": "U-1",
        "customer_number": KARI,
        "recipient": "Oslo politidistrikt",
        "recipient_class": "police",
        "instrument": "statutory_order",
        "basis": "ekomloven § 3-14",
        "categories": ["C-17"],
        "disclosed_at": AT,
        **other,
    }


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"recipient_class": "a neighbour"}, "unknown/recipient"),
        ({"instrument": "a promise"}, "police/instrument"),
        ({"instrument": "dpa"}, "police/dpa"),
        ({"categories": []}, "police/categories"),
        ({"categories": ["everything"]}, "police/categories"),
        ({"basis": " "}, "police/basis"),
    ],
)
def test_one_event_that_lacks_something_breaks_it_and_its_deletion_mends_it(
    watched: Watched, wrong: dict[str, Any], key: str
) -> None:
    """Since the event, which is the evidence; one that lacks nothing is none."""
    watched.put("privacy.disclosures", disclosed(), disclosed(**wrong))
    (found,) = watched.run(FOUNDED)
    assert (found.key, found.since) == (key, AT)
    assert [(item.topic, item.offset) for item in found.evidence] == [("privacy.disclosures", 1)]
    gone = {item.tags.id: None for item in watched.sinks.held.held()}
    watched.sinks.eraser.forget([Span(TOKENIZER.token(KINDS["customer_number"], KARI))], gone)
    assert watched.check(FOUNDED).verdict is Verdict.KEPT


@pytest.mark.parametrize(
    ("given", "key"), [({"categories": ["C-17"]}, "C-17"), ({"disclosed_at": LONG_AGO}, "C-21")]
)
def test_what_no_agreement_of_the_time_covers_breaks_it(
    watched: Watched, given: dict[str, Any], key: str
) -> None:
    """Another category than was agreed, and a day before the agreement."""
    agreed = {"recipient_class": "cloud_provider", "instrument": "dpa", "categories": ["C-21"]}
    watched.put("privacy.disclosures", disclosed(**agreed), disclosed(**(agreed | given)))
    (found,) = watched.run(FOUNDED)
    assert (found.key, found.evidence[0].offset) == (f"cloud_provider/{key}", 1)


def test_no_word_of_an_event_is_in_what_a_check_says(watched: Watched) -> None:
    """A producer may write a name where an id belongs."""
    watched.put(
        "privacy.disclosures", disclosed(recipient_class="Kari", instrument="Kari", categories=["Kari"])
    )
    assert "Kari" not in repr(watched.check(FOUNDED))


def test_the_promise_of_an_agreement_with_everybody_is_broken_by_the_police(watched: Watched) -> None:
    """What the law allows breaks what the policy says literally; that is shown and not hidden."""
    watched.put(
        "privacy.disclosures",
        disclosed(recipient_class="cloud_provider", instrument="dpa", categories=["C-21"]),
        disclosed(disclosed_at=AT + timedelta(days=1)),
    )
    assert watched.check(FOUNDED).verdict is Verdict.KEPT
    (found,) = watched.run(AGREED)
    assert (found.key, found.since) == ("police/statutory_order", AT + timedelta(days=1))


def test_a_company_without_such_events_cannot_say() -> None:
    """Silence would be taken for a promise that is kept."""
    minimal = Watched(company=load_company(COMPANIES / "minimal"))
    for name in (FOUNDED, AGREED, "third_party_notices", "device_storage_consented"):
        found = minimal.check(name)
        assert found.verdict is Verdict.NOT_OBSERVABLE
        assert "docs/contracts.md" in found.why
