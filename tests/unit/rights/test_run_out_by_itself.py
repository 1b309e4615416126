"""What has run out by its rule is no right that anybody exercises: innsyn begins it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.vocabulary import BY_ITSELF
from sinks.ports.lineage import Span
from streams.rights.protocol.request import RequestState
from tests.support.index import memory_index
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(tmp_path, memory_index(), stack)


@pytest.mark.parametrize("type", BY_ITSELF)
def test_nobody_makes_a_request_of_it(office: Office, type: str) -> None:
    given = [("customer_number", "K-100200")]
    with pytest.raises(InputError, match="no request that is served"):
        office.service.create(type, given, reason=None, channel="web", received_at=office.now)
    assert office.service.requests() == []


@pytest.mark.parametrize("type", BY_ITSELF)
def test_nobody_sends_one_by_kafka(office: Office, type: str) -> None:
    """Not even under the seal of a request that there was."""
    made = office.erase(("customer_number", "K-100200"))
    said = {
        "request_id": "x-20261122-1",
        "type": type,
        "sealed_identifiers": office.ledger.events(made.request_id)[0].content["sealed"].encode(),
        "channel": "web",
        "reason": None,
        "received_at": office.now,
    }
    assert office.service.on_request(said) is None
    assert [item.request_id for item in office.service.requests()] == [made.request_id]


def test_a_run_is_of_everybody_and_a_person_is_not() -> None:
    """By whom it names; other rights are never of everybody."""
    run = RequestState(
        "x-20261122-1", BY_ITSELF[0], "clock", datetime(2026, 11, 22, tzinfo=UTC), date(2026, 12, 22)
    )
    assert run.of_everybody
    assert run.forgets
    assert not run.erases
    assert not replace(run, subjects=frozenset(["0a"])).of_everybody
    assert not replace(run, about=("0a",)).of_everybody
    assert not replace(run, inherited=(Span(b"0" * 16),)).of_everybody
    assert not replace(run, type="erasure").of_everybody
