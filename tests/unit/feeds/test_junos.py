"""Port blocks of Junos with a stamp: what was lost is rebuilt, whatever the form and the clock."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.feeds import Fed, fill, in_memory
from schemas.catalogue import load_catalogue
from schemas.keys import Keyring
from streams.feeds.lines.record import Record
from streams.identity.identities import Identities, given
from tests.support.company import model_feed
from tests.support.feeds import only, outcomes, reasons
from tests.support.kinds import IP

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
CGNAT = model_feed("cgnat-syslog")
TEN, NOON, TWO = (datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (10, 12, 14))
# Ten o'clock, noon, and two of that day.
STAMPS = {TEN: "69a55fa0", NOON: "69a57bc0", TWO: "69a597e0"}


def events(*lines: str, **options: Any) -> list[dict[str, Any]]:
    found = outcomes(model_feed("cgnat-syslog", **options), *lines)
    assert not [outcome for _, outcome in found if isinstance(outcome, str)], found
    return [event for _, outcome in found for event in outcome if isinstance(event, dict)]


def structured(verb: str, at: datetime, stamp: datetime | None = None, header: str = "") -> str:
    epoch = f' epoch-time-64="{STAMPS[stamp]}"' if stamp else ""
    return (
        f"{header or f'<14>1 {at:%Y-%m-%dT%H:%M:%S}.000Z'} cgn-2 RT_NAT - RT_SRC_NAT_PBA_{verb} "
        '[junos@2636.1.1.1.2.129 internal-ip="100.64.2.10" block-used="1" block-max-per-host="4" '
        'block-port-low="2048" block-port-high="2303" reflexive-ip="198.51.100.20" nat-pool-name="cgn] x" '
        f'logical-system-id="0"{epoch}]'
    )


def plain(verb: str, header: str, stamp: datetime | None = None) -> str:
    word = {"ALLOC": "allocates", "RELEASE": "releases", "INTERIM": "uses"}[verb]
    epoch = f" epoch 0x{STAMPS[stamp]}" if stamp else ""
    return (
        f"{header} cgn-2 RT_NAT: RT_SRC_NAT_PBA_{verb}: Subscriber 100.64.2.10 used/maximum [1/4] blocks, {word} port "
        f"block [2048-2303] from 198.51.100.20 in source pool cgn lsys_id: 0{epoch}"
    )


def old(verb: str, header: str, stamp: datetime | None = None) -> str:
    epoch = f" 0x{STAMPS[stamp]}" if stamp else ""
    return (
        f"{header} cgn-1 nat: JSERVICES_NAT_PORT_BLOCK_{verb}: 100.64.2.10 -> 198.51.100.20:2048-2303{epoch}"
    )


def test_the_forms_of_newer_junos_are_read() -> None:
    """Structured and as text."""
    lines = (CASES / "02-junos-pba.log").read_text().splitlines()
    found = [
        (
            e["kind"],
            e["inside_address"],
            e["port_from"],
            e["port_to"],
            f"{e['occurred_at']:%H:%M}",
            e["session_seconds"],
        )
        for e in events(*lines)
    ]
    assert found == [
        ("alloc", "100.64.2.10", 2048, 2303, "10:00", None),
        ("interim", "100.64.2.10", 2048, 2303, "12:00", 7_200),
        ("release", "100.64.2.10", 2048, 2303, "14:00", None),
        ("alloc", "100.64.2.11", 2304, 2559, "10:30", None),
    ]
    assert {(e["address"], e["nas"]) for e in events(*lines)} == {("198.51.100.20", "cgn-2.isp.example")}


@pytest.mark.parametrize(
    ("line", "began"),
    [
        (structured("INTERIM", NOON, TEN), TEN),
        (structured("RELEASE", NOON, TEN), TEN),
        (structured("RELEASE", NOON, NOON), None),
        (structured("INTERIM", NOON), None),
        (structured("INTERIM", NOON, TWO), None),
        (structured("ALLOC", NOON, NOON), None),
        (plain("INTERIM", "2026-03-02T12:00:00Z", TEN), TEN),
        (plain("RELEASE", "2026-03-02T12:00:00Z", NOON), None),
        (plain("RELEASE", "2026-03-02T12:00:00Z"), None),
        (old("ACTIVE", "2026-03-02T12:00:00Z", TEN), TEN),
        (old("RELEASE", "2026-03-02T12:00:00Z", TEN), TEN),
        (old("RELEASE", "2026-03-02T12:00:00Z"), None),
        (old("ALLOC", "2026-03-02T12:00:00Z", TEN), None),
        (old("RELEASE", "2026-03-02T12:00:00Z") + " 0x0000000a", None),
        (old("RELEASE", "2026-03-02T12:00:00Z") + " 0xffffffffffff", None),
    ],
)
def test_a_stamp_is_when_the_block_was_given(line: str, began: datetime | None) -> None:
    """Unless it is the line's own time, or one that cannot be."""
    (event,) = events(line)
    assert event["session_seconds"] == (None if began is None else (NOON - began).total_seconds())
    assert event["occurred_at"] == NOON


@pytest.mark.parametrize(
    "header",
    [
        "Mar  2 10:00:00 2026",
        "Mar  2 2026 10:00:00",
        "Mar  2 10:00:00.123 2026",
        "<14>Mar  2 2026 10:00:00:",
        "Mar 02 10:00:00 2026",
    ],
)
def test_the_year_may_stand_before_or_behind_the_time(header: str) -> None:
    """Without zone it is UTC, which is said; or the zone that the operator names."""
    for line in (plain("ALLOC", header), old("ALLOC", header)):
        assert events(line)[0]["occurred_at"].replace(microsecond=0) == TEN
        assert events(line, zone="Europe/Oslo")[0]["occurred_at"].hour == 9
        assert events(line, zone="-03:30")[0]["occurred_at"].hour == 13
    reader = CGNAT.reader()
    reader.read(Record(1, 1, (old("ALLOC", header),)))
    assert reader.remarks == {"zone_assumed"}


@pytest.mark.parametrize(
    "header",
    [
        "Mar  2 11:00:00 2026 CET",
        "Mar  2 2026 11:00:00.5 CET:",
        "Mar  2 05:00:00 2026 EST",
        "Mar  2 11:00:00 2026 +01:00",
    ],
)
def test_a_zone_may_stand_behind_the_time(header: str) -> None:
    """It is neither the host nor left out."""
    (event,) = events(old("ALLOC", header))
    assert (event["occurred_at"].replace(microsecond=0), event["nas"]) == (TEN, "cgn-1")
    reader = CGNAT.reader()
    reader.read(Record(1, 1, (old("ALLOC", header),)))
    assert not reader.remarks


def test_an_hour_that_comes_twice_is_refused() -> None:
    """The clock goes back on 25 October 2026, and forward on 29 March."""
    feed = model_feed("cgnat-syslog", zone="Europe/Oslo")
    lines = [old("ALLOC", f"{day} 02:30:00 2026") for day in ("Oct 25", "Mar 29", "Mar  2")]
    assert reasons(feed, *lines) == [(1, "clock_change"), (2, "clock_change")]


def test_a_stamp_tells_the_year_and_how_far_a_clock_without_zone_is_from_utc() -> None:
    """The log of a router whose clock shows an hour more than UTC."""
    lines = [
        old("RELEASE", "Mar  2 15:00:00", TEN),
        old("ALLOC", "Mar  2 11:00:00", TEN),
        old("ACTIVE", "Mar  2 13:00:00", TEN),
    ]
    assert [event["occurred_at"] for event in events(*lines)] == [TWO, TEN, NOON]
    assert [event["session_seconds"] for event in events(*lines)] == [14_400, None, 7_200]
    assert reasons(CGNAT, old("ACTIVE", "Mar  2 13:00:00")) == [(1, "no_year")]
    (late,) = events(old("RELEASE", "Jan  1 00:00:00", TEN), now=lambda: 2_000_000_000_000)
    assert late["occurred_at"].year == 2027


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (structured("ALLOC", TEN).replace("2048", "70000"), "bad_number"),
        (structured("ALLOC", TEN).replace("2048", "2304"), "end_before_start"),
        (structured("ALLOC", TEN).replace("reflexive-ip", "other"), "not_a_port_block"),
        (structured("ALLOC", TEN).replace("198.51.100.20", "198.51.100.300"), "bad_address"),
        (plain("ALLOC", "2026-03-02T12:00:00Z").replace("[2048-2303]", ""), "not_a_port_block"),
        (
            "2026-03-02T12:00:00Z fw1 kernel: IN=eth0 OUT=eth1 SRC=100.64.0.1 DST=192.0.2.1 PROTO=TCP SPT=1",
            "other_vendor",
        ),
        ("2026-03-02T12:00:00Z a10 NAT-TCP-C: 100.64.0.1:1024 -> 192.0.2.1:2048", "other_vendor"),
        ("no time NAT-UDP-C: 100.64.0.1:1024 -> 192.0.2.1:2048", "other_vendor"),
    ],
)
def test_what_cannot_be_read_has_a_reason(line: str, reason: str) -> None:
    """Lines of other makers among those of Junos are counted too."""
    good = structured("ALLOC", TEN)
    assert reasons(CGNAT, good, line) == [(2, reason)]


def holder(folder: Path, lines: list[str], at: datetime, port: int) -> set[str]:
    """The inside addresses that a public address and port lead to."""
    found = [(CGNAT, event) for number, line in enumerate(lines) for event in _read(number, line)]
    index, keyring = in_memory(), Keyring(folder).made()
    tokenizer = keyring.tokenizer()
    fed = Fed(events=defaultdict(list, {"cgnat.log.gz": found}))
    assert fill(fed, index, tokenizer, "assignments first") == 0
    identities = Identities(index.claims, load_catalogue().identity_sources)
    asked = given(tokenizer, IP, "198.51.100.30", at, port)
    person = identities.person([asked], at)
    inside = {f"100.64.2.{n}": tokenizer.token(IP, f"100.64.2.{n}") for n in (30, 31)}
    return {name for name, token in inside.items() if token in person.subjects}


def _read(number: int, line: str) -> list[dict[str, Any]]:
    return list(CGNAT.reader().read(Record(number + 1, number + 1, (line,))).events)


@pytest.mark.parametrize("lost", [set(), {0}, {1}])
def test_a_block_whose_first_line_was_lost_is_somebodys_from_its_stamp_on(
    tmp_path: Path, lost: set[int]
) -> None:
    """Whichever of the later lines is left."""
    lines = (CASES / "02b-junos-alloc-lost.log").read_text().splitlines()
    kept = [line for number, line in enumerate(lines) if number not in lost]
    assert holder(tmp_path, kept, datetime(2026, 3, 2, 11, tzinfo=UTC), 3100) == {"100.64.2.30"}
    assert holder(tmp_path, kept, datetime(2026, 3, 2, 9, 59, tzinfo=UTC), 3100) == set()
    assert holder(tmp_path, kept, datetime(2026, 3, 2, 11, tzinfo=UTC), 3400) == {"100.64.2.31"}


def test_a_release_is_none_of_a_line_of_its_own() -> None:
    """It finds the session that its block opened."""
    opened, closed = events(structured("ALLOC", TEN, TEN), structured("RELEASE", TWO, TWO))
    assert opened["session_id"] == closed["session_id"]
    assert only(CGNAT, structured("RELEASE", TWO, TWO))["kind"] == "release"
