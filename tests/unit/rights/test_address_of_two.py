"""Two people behind one address, one of whom is erased: what may have been either's does not become the other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.identity.identities import Identities, given
from streams.identity.model import ResolvedSubject
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import Office
from tests.unit.rights.test_short import LAST_WEEK, visit

KARI, OLA, ADDRESS = "100200", "100201", "192.0.2.7"


def report(number: str, ports: tuple[int, int], kind: str, minutes: int = 0) -> dict[str, Any]:
    """What a translator of addresses says of a block of ports."""
    return {
        "kind": kind,
        "address": ADDRESS,
        "port_from": ports[0],
        "port_to": ports[1],
        "customer_number": number,
        "username": number,
        "session_id": f"s-{number}",
        "nas": "cgn-1",
        "source": "cgnat",
        "purpose": "operations",
        "occurred_at": LAST_WEEK + timedelta(minutes=minutes),
    }


def bare(minute: int) -> dict[str, Any]:
    """A visit of which the address alone is known."""
    return {**visit(minute), "cookie_id": None}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, sealing=True)
        made.put(
            "network.assignments", report(KARI, (1_024, 2_047), "start"), report(OLA, (2_048, 3_071), "start")
        )
        ended = (report(KARI, (1_024, 2_047), "stop", 30), report(OLA, (2_048, 3_071), "stop", 40))
        made.put("network.assignments", *ended)
        # Of the first nobody knows the port.
        made.put("web.visits", bare(1), {**bare(2), "client_port": 2_050})
        yield made


def erase(office: Office, number: str) -> State:
    """Of the customer; what nobody can tell to be theirs is let be."""
    request = office.erase(("customer_number", number))
    if request.unclear is not None:
        office.service.waive(request.request_id, "nobody can tell whose it is")
        office.deliver()
    return office.service.get(request.request_id).state


def person(office: Office, *who: tuple[str, str]) -> ResolvedSubject:
    identities = Identities(office.index.claims, office.catalogue.identity_sources)
    tokenizer = office.keyring.tokenizer()
    asked = [given(tokenizer, KINDS.parse(kind), value) for kind, value in who]
    return identities.person(asked, office.now)


def visits(office: Office, number: str, *, shared: bool = False) -> int:
    """How many are the customer's alone, or may be."""
    found = person(office, ("customer_number", number))
    spans = [*found.spans, *found.shared] if shared else found.spans
    return sum(
        item.events for item in office.index.reader.find(spans).holdings if item.tags.topic == "web.visits"
    )


def test_what_may_have_been_either_s_is_nobody_s_after_one_is_erased(office: Office) -> None:
    assert [visits(office, KARI), visits(office, OLA)] == [0, 1]
    assert [visits(office, KARI, shared=True), visits(office, OLA, shared=True)] == [1, 2]
    assert erase(office, KARI) is State.COMPLETED
    assert [visits(office, OLA), visits(office, OLA, shared=True)] == [1, 2]
    assert visits(office, KARI, shared=True) == 0


def test_after_both_are_erased_nothing_leads_to_them(office: Office) -> None:
    for number in (KARI, OLA):
        assert erase(office, number) is State.COMPLETED
    tokenizer = office.keyring.tokenizer()
    left = office.index.claims.claims([tokenizer.token(KINDS["ip"], ADDRESS)], of="token").to_pylist()
    assert left == []
