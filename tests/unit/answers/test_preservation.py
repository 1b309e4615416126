"""Preservation orders: whom they hold, until when, and what becomes of what is sealed in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from schemas.calendars import NORWEGIAN
from schemas.errors import InputError, KeyUnavailable
from schemas.keys import Keyring
from sinks.memory.preservation import MemoryPreservation
from sinks.ports.lineage import Span
from streams.answers.frozen import Frozen
from streams.answers.preservation import Preservation, key_of
from streams.answers.question import Identifier
from streams.identity.identities import Identities
from tests.support.kinds import KINDS
from tests.support.town import KARI, OLA, SHARED, town

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = date(2027, 2, 1)
CASE = "sak 4711-2026"


class Desk:
    """Orders about the people of the town."""

    def __init__(self, folder: Path) -> None:
        self.town = town(folder)
        services = self.town.services()
        self.log = MemoryPreservation()
        self._made = count(1)
        self.keyring = Keyring(folder / "preservation").made()
        self.tokenizer = services.tokenizer
        assert isinstance(services.identities, Identities)
        self.orders = Preservation(
            self.log, self.keyring, services.identities, lambda: services.tokenizer, KINDS, NORWEGIAN
        )

    def spans(self, value: str, at: datetime | None = None) -> list[Span]:
        kind = "customer_number"
        return [Span(self.tokenizer.token(KINDS[kind], value), at)]

    def add(self, value: str = KARI, until: date = UNTIL) -> str:
        about = [Identifier(KINDS["customer_number"], value)]
        return self.orders.add(f"p-{next(self._made)}", about, until, CASE, NOW).order_id


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_order_holds_the_person_and_nobody_else(desk: Desk) -> None:
    """Until its last day, and by everything that is linked to the person."""
    assert not desk.orders.frozen(NOW)
    order_id = desk.add()
    frozen = desk.orders.frozen(NOW)
    assert frozen.holds(desk.spans(KARI))
    assert not frozen.holds(desk.spans(OLA))
    assert len(frozen.tokens) > 1
    with pytest.raises(InputError, match="held by law \\(straffeprosessloven § 215 a\\)") as refused:
        frozen.refuse(desk.spans(KARI))
    assert order_id not in str(refused.value)
    assert CASE not in str(refused.value)
    last = datetime(2027, 2, 1, 20, tzinfo=UTC)
    assert desk.orders.frozen(last).holds(desk.spans(KARI))
    assert not desk.orders.frozen(last + timedelta(hours=6))


def test_what_is_sealed_is_nowhere_in_clear_and_goes_with_the_order(desk: Desk) -> None:
    """Its key is destroyed when it is lifted, and by the next run once it has run out."""
    lifted, run_out = desk.add(), desk.add(OLA)
    stored = repr([(item, item.content) for item in desk.log.entries()])
    assert KARI not in stored
    assert CASE not in stored
    opened = desk.orders.opened(desk.orders.get(lifted))
    assert opened
    assert [item.value for item in opened.identifiers] == [KARI]
    assert opened.reference == CASE
    ended = desk.orders.lift(lifted, NOW)
    assert ended.lifted_at == NOW
    assert desk.orders.opened(ended) is None
    assert desk.orders.destroy_keys(NOW) == []
    assert desk.orders.destroy_keys(NOW + timedelta(days=100)) == [run_out]
    assert desk.orders.opened(desk.orders.get(run_out)) is None
    assert not desk.orders.frozen(NOW + timedelta(days=100))


def test_nothing_is_free_while_nobody_can_say_whom_an_order_is_about(desk: Desk) -> None:
    """A lost key is an error, never an order that holds nobody."""
    desk.keyring.destroy(key_of(desk.add()))
    with pytest.raises(KeyUnavailable):
        desk.orders.frozen(NOW)


def test_an_order_runs_for_ninety_days_at_a_time(desk: Desk) -> None:
    """It can be extended while it runs, from that day on; never shortened so, and not once it has ended."""
    for until in (date(2026, 11, 21), date(2027, 2, 21)):
        with pytest.raises(InputError, match="90 days at most at a time"):
            desk.add(until=until)
    order_id = desk.add(until=date(2026, 12, 1))
    later = NOW + timedelta(days=5)
    assert desk.orders.extend(order_id, date(2027, 2, 25), CASE, later).until == date(2027, 2, 25)
    assert desk.orders.extend(order_id, date(2026, 12, 24), CASE, later).until == date(2027, 2, 25)
    assert desk.orders.get(order_id).extended == 2
    desk.orders.lift(order_id, later)
    with pytest.raises(InputError, match="has ended; add a new order"):
        desk.orders.lift(order_id, later)
    with pytest.raises(InputError, match="has ended; add a new order"):
        desk.orders.extend(order_id, UNTIL, CASE, later)
    with pytest.raises(InputError, match="there is no preservation order p-0"):
        desk.orders.lift("p-0", later)


def test_identifiers_that_may_mean_several_people_make_no_order(desk: Desk) -> None:
    """Whom it is about has to be clear before anything is held."""
    with pytest.raises(InputError, match="may mean several people"):
        desk.orders.add("p-1", [Identifier(KINDS["ip"], SHARED)], UNTIL, CASE, NOW)
    assert desk.log.entries() == []


def test_an_address_holds_in_its_second() -> None:
    """And behind its port, not whoever has it later."""
    at = datetime(2026, 11, 1, 9, tzinfo=UTC)
    frozen = Frozen({Span(b"a" * 16, at, at + timedelta(seconds=1), 1000, 1999): UNTIL})
    held = Span(b"a" * 16, at, None, 1500, 1500)
    assert frozen.until([held]) == UNTIL
    assert not frozen.holds([Span(b"a" * 16, at + timedelta(seconds=1))])
    assert not frozen.holds([Span(b"a" * 16, None, at)])
    assert not frozen.holds([Span(b"a" * 16, at, None, 2000, 3000)])
