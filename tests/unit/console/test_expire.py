"""What the clock begins of what has run out, and what it says of people of whom nothing goes."""

from __future__ import annotations

from datetime import timedelta

import structlog.testing

from console.wiring.rights import Expire
from tests.support.office import NOW
from tests.unit.rights.test_people_expiry import DAY, KARI, OLA, Expiring, office
from tests.unit.rights.test_people_looked import unseen

__all__ = ["office", "unseen"]


def lines(office: Expiring, expire: Expire) -> list[dict[str, object]]:
    with structlog.testing.capture_logs() as said:
        expire()
    office.deliver()
    return [dict(line) for line in said]


def test_why_nothing_of_people_goes_is_said_once_a_day(unseen: Expiring) -> None:
    unseen.left()
    expire = Expire(unseen.service, 0, lambda: unseen.now)
    first = lines(unseen, expire)
    (why,) = [str(line["why"]) for line in first if "why" in line]
    assert "is not planned yet" in why
    # The run is planned by now, and awaits approval.
    (line,) = lines(unseen, expire)
    assert (line["log_level"], "awaits approval of the rules" in str(line["why"])) == ("warning", True)
    assert lines(unseen, expire) == []
    unseen.now += DAY
    (line,) = lines(unseen, expire)
    assert "awaits approval of the rules" in str(line["why"])


def test_of_how_many_nobody_can_say_who_they_are_is_said_once_a_day(office: Expiring) -> None:
    """Two customers share an address, and a chat of long ago says no port. Also where nobody's data go."""
    at = NOW - 500 * DAY
    for number, low, high in ((KARI, 1024, 2047), (OLA, 2048, 3071)):
        office.customer(number)
        office.contract("started", at - 500 * DAY, f"A-{number}", number)
        block = {"kind": "start", "address": "192.0.2.7", "customer_number": number, "nas": "cgn-1"}
        block |= {"session_id": f"s-{number}", "source": "cgnat", "purpose": "operations"}
        office.put("network.assignments", {**block, "port_from": low, "port_to": high, "occurred_at": at})
    said = {"session_id": "c-1", "text": "", "sender": "person", "client_address": "192.0.2.7"}
    office.put("support.chats", {**said, "sent_at": at + timedelta(hours=1)})
    expire = Expire(office.service, 0, lambda: office.now)
    office.service.retention_on_clock(office.now, 0)
    office.deliver()
    found = [line for line in lines(office, expire) if line["log_level"] == "warning"]
    assert [line.get("unclear") for line in found] == [1]
    assert lines(office, expire) == []
