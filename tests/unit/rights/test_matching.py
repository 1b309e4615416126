"""What links found matches in its time, behind its ports and of nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.records import load_records
from sinks.ports.identity import ALL_PORTS
from streams.rights.protocol.messages import Named, identifiers_from_json, identifiers_json
from streams.rights.reference_job.store import SqliteStore
from tests.support.kinds import KINDS

NINE, TEN = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
ADDRESS = "192.0.2.7"
FORMS: list[tuple[Named, Any]] = [
    (Named("email", "kari@example.no"), ["email", "kari@example.no"]),
    (Named("ip", ADDRESS, NINE), ["ip", ADDRESS, "2026-03-01T09:00:00Z", None]),
    (Named("ip", ADDRESS, None, 443), ["ip", ADDRESS, None, 443]),
    (
        Named("ip", ADDRESS, since=NINE, until=TEN - TICK, ports=(1000, 1999), proof="subscriber"),
        {
            "kind": "ip", "value": ADDRESS, "from": "2026-03-01T09:00:00Z", "until": "2026-03-01T09:59:59.999Z",
            "ports": [1000, 1999], "proof": "subscriber",
        },
    ),
    (
        Named("ip", "2001:db8::/56", until=TEN, proof="line_owner", prefix=True),
        {"kind": "ip", "prefix": "2001:db8::/56", "until": "2026-03-01T10:00:00Z", "proof": "line_owner"},
    ),
    (Named("cookie_id", "c-1", proof="user"), {"kind": "cookie_id", "value": "c-1", "proof": "user"}),
]  # fmt: skip


@pytest.mark.parametrize(("named", "stored"), FORMS)
def test_each_form_is_read_as_it_was_written(named: Named, stored: Any) -> None:
    """A list where there is no limit but a second and a port, as it always was; else an object."""
    assert identifiers_json([named]) == [stored]
    assert identifiers_from_json(json.loads(json.dumps([stored]))) == [named]


@pytest.mark.parametrize(
    "stored",
    [
        {"kind": "ip", "value": ADDRESS, "days": ["monday"]},
        {"kind": "ip", "value": ADDRESS, "prefix": "2001:db8::/56"},
        {"kind": "ip", "from": "2026-03-01T09:00:00Z"},
        {"value": ADDRESS},
        {"kind": "ip", "value": ADDRESS, "ports": [1]},
    ],
)
def test_a_limit_that_is_not_understood_is_not_taken_for_none(stored: Any) -> None:
    """The command fails, and nothing is erased by half of what it says."""
    with pytest.raises(ValueError, match=r"."):
        identifiers_from_json([stored])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "web.sqlite", load_records(), KINDS)
    yield made
    made.close()


def visit(
    when: datetime | str, address: str = ADDRESS, port: int | None = None, **more: Any
) -> dict[str, Any]:
    return {"occurred_at": when, "client_address": address, "client_port": port, **more}


def count(store: SqliteStore, *named: Named) -> int:
    return store.count(named)


@pytest.mark.parametrize(
    ("when", "matches"),
    [(NINE - TICK, 0), (NINE, 1), (TEN - TICK, 1), (TEN, 0), ("2026-03-01T10:30:00+01:00", 1), ("soon", 0)],
)
def test_an_address_matches_in_its_interval(store: SqliteStore, when: datetime | str, matches: int) -> None:
    """From the first moment on and not at the last, in whatever zone; a record without a time in none."""
    store.put("WebVisit", visit(when))
    assert count(store, Named("ip", ADDRESS, since=NINE, until=TEN, proof="subscriber")) == matches
    assert count(store, Named("ip", ADDRESS)) == 1


@pytest.mark.parametrize("port", [None, 0, 999, 1000, 1999, 2000, 70_000])
def test_ports_match_as_the_index_knows_them(store: SqliteStore, port: int | None) -> None:
    """A port that is none is unknown: 0, which a range of others does not hold."""
    store.put("WebVisit", visit(NINE, port=port))
    known = port if port and port < 65_536 else 0
    for low, high in ((1000, 1999), (0, 0), (0, 999), ALL_PORTS):
        named = Named("ip", ADDRESS, ports=(low, high), proof="subscriber")
        assert count(store, named) == (low <= known <= high)


def test_a_record_without_a_port_is_behind_no_range(store: SqliteStore) -> None:
    """It might be anybody's who had a part of the ports."""
    store.put("Equipment", {"device_serial": "STB-2219-004417", "occurred_at": NINE})
    serial = Named("device_serial", "STB-2219-004417", proof="subscriber")
    assert count(store, serial) == 1
    assert count(store, serial._replace(ports=(1, 9))) == 0


def test_a_prefix_matches_every_address_in_it(store: SqliteStore) -> None:
    """However they are written; nothing beside it, and no address of the other family."""
    for address in ("2001:db8:0:0::7", "2001:db8:0:ff::1", "2001:db8:0:100::1", ADDRESS):
        store.put("WebVisit", visit(NINE, address))
    assert count(store, Named("ip", "2001:db8::/56", proof="subscriber", prefix=True)) == 2
    assert count(store, Named("ip", "2001:db8::/56", since=TEN, proof="subscriber", prefix=True)) == 0


@pytest.mark.parametrize(
    ("said", "matches"),
    [
        ({}, 1),
        ({"username": "kari"}, 1),
        ({"username": "ola"}, 0),
        ({"username": "kari", "customer_number": "k-300400"}, 0),
        ({"cookie_id": "c-unknown"}, 1),
    ],
)
def test_whoever_else_is_named_at_an_address_that_links_found_stays(
    store: SqliteStore, said: dict[str, str], matches: int
) -> None:
    """A device names nobody, a user name does. What was given by the person is taken as it is."""
    store.put("Login", {"occurred_at": NINE, "client_address": ADDRESS, "result": "ok", **said})
    kari = Named("username", "kari", since=TEN, proof="holder")
    assert count(store, Named("ip", ADDRESS, proof="subscriber"), kari) == matches
    assert count(store, Named("ip", ADDRESS, NINE), kari) == 1
