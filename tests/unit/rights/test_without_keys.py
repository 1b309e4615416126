"""A system that has no key yet: nobody is told anything, and the request says what to run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import Office, systems_told
from tests.unit.rights.test_receipts import COOKIE
from tests.unit.rights.test_short import GONE, visit

KARI = ("customer_number", "k-100200")
WEEK_BEFORE = datetime(2026, 11, 15, 9, tzinfo=UTC)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A person in two systems."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", visit(1), visit(2))
        made.put("crm.customers", {"customer_number": KARI[1], "name": "Kari", "updated_at": WEEK_BEFORE})
        yield made


@pytest.mark.parametrize("lacking", ["crm", "web"])
def test_no_system_is_told_while_one_has_no_key(office: Office, lacking: str) -> None:
    """Not even those that have one: what is half told is hard to take back. With the key all are told."""
    systems = office.keyring.systems
    systems.path(lacking).unlink()
    request_id = office.erase(KARI, COOKIE, anchors=GONE).request_id
    request = office.service.get(request_id)
    assert (request.state, office.commands) == (State.ATTENTION, [])
    assert f"no command can be sent to {lacking}" in " ".join(request.problems)
    assert f"`innsyn systems add {lacking}`" in " ".join(request.problems)
    systems.add(lacking)
    office.service.resend(request_id)
    office.deliver()
    assert office.service.get(request_id).state is State.COMPLETED
    assert sorted(systems_told(office.commands)) == ["crm", "web"]


def test_a_shared_key_of_an_earlier_version_sends_nothing(office: Office) -> None:
    """Whoever has it could answer for the system: rotated first."""
    systems = office.keyring.systems
    old = {"system": "web", "keys": [{"id": "5f2a9c01", "key": "00" * 32}]}
    systems.path("web").write_text(json.dumps(old))
    request_id = office.erase(COOKIE, anchors=GONE).request_id
    request = office.service.get(request_id)
    assert (request.state, office.commands) == (State.ATTENTION, [])
    assert "`innsyn systems rotate web`" in " ".join(request.problems)
    systems.rotate("web")
    office.service.resend(request_id)
    office.deliver()
    assert office.service.get(request_id).state is State.COMPLETED
