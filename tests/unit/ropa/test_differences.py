"""How records of processing differ from what is declared, and from the month before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from schemas.errors import InputError
from streams.ropa.asked import ProcessingRecords
from streams.ropa.record import Differences
from tests.support.company import model
from tests.support.ropa import APRIL, JUNE, MAY, NOW, Index, all_declared, seen


def said(found: Differences) -> set[tuple[str, str, str, str]]:
    return {
        (item.side, item.kind, item.purpose.id if item.purpose else "", item.value.id) for item in found.items
    }


def test_all_that_is_declared_and_nothing_else_is_no_difference() -> None:
    index = Index(model(), [seen(tags) for tags in all_declared(model())])
    found = ProcessingRecords(index, model()).against_declared(NOW)
    assert found.items == []
    assert found.known_limits


def test_what_was_never_seen_is_declared_only() -> None:
    """A topic that is silent is one line; of a purpose that it alone served there is a line too."""
    index = Index(model(), [seen(tags) for tags in all_declared(model(), but=["tv.viewings"])])
    found = said(ProcessingRecords(index, model()).against_declared(NOW))
    assert ("declared_only", "record", "", "tv.viewings TvViewing") in found
    assert not {item for item in found if item[1] == "category"}
    assert {item[0] for item in found} == {"declared_only"}


def test_what_nobody_declares_is_observed_only() -> None:
    """A category that texts revealed, and a record of a topic that the company has no more, with their days."""
    tag_sets = all_declared(model())
    chat = next(tags for tags in tag_sets if tags.topic == "support.chats" and not tags.of_another)
    unknown = [
        seen(replace(chat, detected=("C-31",)), MAY),
        seen(replace(chat, topic="fax.pages", record="FaxPage", purposes=("P-SUPPORT",)), JUNE),
    ]
    index = Index(model(), [*(seen(tags) for tags in tag_sets), *unknown])
    found = ProcessingRecords(index, model()).against_declared(NOW)
    assert ("observed_only", "record", "", "fax.pages FaxPage") in said(found)
    assert ("observed_only", "category", "P-SUPPORT", "C-31") in said(found)
    (revealed,) = [item for item in found.items if item.value.id == "C-31"]
    assert (revealed.first_day, revealed.before) == ("2026-05-15", None)


def test_a_month_is_compared_with_the_one_before_it() -> None:
    """What began, what ended, and what came back: each month half-open, the last one until today."""
    tag_sets = {tags.topic: tags for tags in all_declared(model()) if not tags.of_another}
    invoices, chats, tv, web = (
        tag_sets[name] for name in ("billing.invoices", "support.chats", "tv.viewings", "web.visits")
    )
    index = Index(
        model(),
        [
            seen(invoices, MAY),
            seen(invoices, JUNE),
            seen(chats, MAY),
            seen(tv, JUNE),
            seen(web, APRIL),
            seen(web, JUNE),
        ],
    )
    found = ProcessingRecords(index, model()).against_month(NOW)
    assert index.asked == [
        (None, date(2026, 5, 1)),
        (date(2026, 5, 1), date(2026, 6, 1)),
        (date(2026, 6, 1), date(2026, 7, 1)),
    ]
    records = {(item.side, item.value.id, item.before) for item in found.items if item.kind == "record"}
    assert records == {
        ("new", "tv.viewings TvViewing", False),
        ("new", "web.visits WebVisit", True),
        ("gone", "support.chats ChatMessage", False),
    }
    assert found.compared is not None
    assert (found.compared.since, found.window.until) == ("2026-05-01", "2026-07-01")


def test_a_change_within_a_record_is_told_by_its_purpose() -> None:
    """A recipient that is new on a record that was there before."""
    invoice = next(tags for tags in all_declared(model()) if tags.topic == "billing.invoices")
    more = replace(invoice, recipients=(*invoice.recipients, "collection_agency"))
    index = Index(model(), [seen(invoice, MAY), seen(more, JUNE)])
    found = ProcessingRecords(index, model()).against_month(NOW)
    assert said(found) == {
        ("new", "recipient", purpose, "collection_agency") for purpose in ("P-BILLING", "P-LEGALREC")
    }


def test_the_beginning_of_time_has_no_month_before_it() -> None:
    records = ProcessingRecords(Index(model(), []), model())
    assert records.against_month(datetime(2026, 3, 30, tzinfo=UTC)).window.since == "2026-02-28"
    with pytest.raises(InputError, match="later day"):
        records.against_month(NOW, date(1, 1, 20))
