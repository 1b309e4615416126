"""When people are looked at of whom something may have run out, and of whom nobody can say who they are."""

from __future__ import annotations

from datetime import timedelta

from sinks.ports.lineage import Span
from tests.support.office import NOW
from tests.unit.rights.test_people_expiry import DAY, KARI, LONG_AGO, OLA, Expiring, office

__all__ = ["office"]


def test_the_clock_begins_at_its_hour(office: Expiring) -> None:
    """By the company's zone: it is 13 o'clock in Oslo."""
    office.left()
    assert office.service.people_on_clock(office.now, 14, 10) is None
    begun = office.service.people_on_clock(office.now, 13, 10)
    assert begun is not None
    assert len(begun.requests) == 1


def test_what_may_be_anybodys_is_counted_and_does_not_go(office: Expiring) -> None:
    """Two customers share an address, and a chat of long ago says no port."""
    at = NOW - 500 * DAY
    for number, low, high in ((KARI, 1024, 2047), (OLA, 2048, 3071)):
        office.customer(number)
        office.contract("started", LONG_AGO, f"A-{number}", number)
        block = {"kind": "start", "address": "192.0.2.7", "customer_number": number, "nas": "cgn-1"}
        block |= {"session_id": f"s-{number}", "source": "cgnat", "purpose": "operations"}
        office.put("network.assignments", {**block, "port_from": low, "port_to": high, "occurred_at": at})
    said = {"session_id": "c-1", "text": "", "sender": "person", "client_address": "192.0.2.7"}
    office.put("support.chats", {**said, "sent_at": at + timedelta(hours=1)})
    address = office.token("ip", "192.0.2.7")
    begun = office.service.expire_people(office.now, 10)
    office.deliver()
    assert (begun.through, begun.unclear) == (True, 1)
    chats = [
        item
        for item in office.index.reader.find([Span(address)]).holdings
        if item.tags.record == "ChatMessage"
    ]
    assert len(chats) == 1
