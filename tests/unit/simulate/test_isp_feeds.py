"""The generated feeds: the shape of real ones, and a truth that agrees with them."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.feeds import Fed, read_feeds
from schemas.norwegian import NationalKind, national_number
from tests.support.isp_feeds import TRAFFIC, WEB, Size, write_feeds

SIZE = Size(customers=60, events=1_500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("feeds")
    write_feeds(made, seed=3, size=SIZE)
    return made


@pytest.fixture(scope="module")
def fed(folder: Path) -> Fed:
    return read_feeds(folder)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _sessions(fed: Fed) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Accounting reports by address and session, in the order in which they arrived."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, event in fed.events["radius-detail.gz"]:
        found.setdefault((event["address"], event["session_id"]), []).append(event)
    return found


def _faults(folder: Path, fed: Fed) -> dict[str, list[list[dict[str, Any]]]]:
    """Reports of the sessions by the fault that the truth names."""
    known = {row["customer_number"]: row["username"] for row in _rows(folder / "customers.csv")}
    truth = {
        (row["address"], known[row["customer_number"]], int(row["from_epoch"])): row["fault"]
        for row in _rows(folder / "truth-assignments.csv")
    }
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for (address, _), reports in _sessions(fed).items():
        since = min(item["occurred_at"] // 1_000 - (item["session_seconds"] or 0) for item in reports)
        fault = truth[address, reports[0]["username"], since]
        found.setdefault(fault, []).append(reports)
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_one_gives_others(
    folder: Path, tmp_path: Path
) -> None:
    """Feeds depend on their seed alone, whenever they are written."""
    folders = {seed: tmp_path / f"{seed}" for seed in (3, 4)}
    for seed, made in folders.items():
        made.mkdir()
        write_feeds(made, seed=seed, size=SIZE)
    for file in folder.iterdir():
        assert (folders[3] / file.name).read_bytes() == file.read_bytes()
        assert (folders[4] / file.name).read_bytes() != file.read_bytes()


def test_every_record_of_every_feed_can_be_read(fed: Fed) -> None:
    """What is wrong with the feeds is what they leave out, not how they are written."""
    assert not any(fed.refused.values())
    assert len(fed.events["customers.csv"]) == SIZE.customers
    assert sum(1 for _ in fed.seen()) == SIZE.events


def test_visits_are_of_one_period_and_traffic_of_another(fed: Fed) -> None:
    """Visits name no port, traffic always does, and each lies within its days but for the edges of sessions."""
    for feed, _, at, port in fed.seen():
        since, until = TRAFFIC if feed == "traffic" else WEB
        assert since - 1 <= at / 1_000 <= until + 1
        assert (port > 0) == (feed == "traffic")


def test_each_fault_leaves_out_or_repeats_what_its_name_says(folder: Path, fed: Fed) -> None:
    """A lost Stop, a lost Start, two of each, or a Stop that comes last of all though others were later."""
    faults = _faults(folder, fed)
    wanted = {
        "none": (1, 1),
        "lost_stop": (1, 0),
        "lost_start": (0, 1),
        "reorder": (1, 1),
        "duplicate": (2, 2),
    }
    assert faults.keys() == wanted.keys()
    for fault, (starts, stops) in wanted.items():
        for reports in faults[fault]:
            kinds = Counter(item["kind"] for item in reports)
            assert (kinds["start"], kinds["stop"]) == (starts, stops)


def test_reports_arrive_out_of_order_and_packets_say_how_late_they_are(folder: Path) -> None:
    """The file is in the order of arrival; a packet sent again says how long its sender has been trying."""
    text = gzip.decompress((folder / "radius-detail.gz").read_bytes()).decode()
    arrivals = [int(line.split(" = ")[1]) for line in text.splitlines() if line.startswith("\tTimestamp")]
    assert arrivals == sorted(arrivals)
    assert "Acct-Delay-Time = " in text
    times = [event["occurred_at"] for _, event in read_feeds(folder).events["radius-detail.gz"]]
    assert times != sorted(times)


def test_long_sessions_report_every_six_hours_and_short_ones_every_ten_minutes(fed: Fed) -> None:
    """The interval of interim reports follows from the length of the session, as servers are set up."""
    steps = {
        report["session_seconds"] // number
        for reports in _sessions(fed).values()
        for number, report in enumerate((item for item in reports if item["kind"] == "interim"), 1)
    }
    assert steps == {600, 21_600}


def test_an_address_has_one_holder_at_a_time_unless_its_ports_are_divided(folder: Path) -> None:
    """Sessions on an address follow each other, some at once and some after a rest; only port blocks overlap."""
    held: dict[str, list[tuple[int, int, str]]] = {}
    for row in _rows(folder / "truth-assignments.csv"):
        session = int(row["from_epoch"]), int(row["to_epoch"]), row["fault"]
        held.setdefault(row["address"], []).append(session)
    rests = set()
    for sessions in held.values():
        sessions.sort()
        for (_, until, fault), (since, _, _) in pairwise(sessions):
            if fault != "cgnat":
                assert until <= since
                rests.add(since - until)
    assert {0, 5, 30} <= rests
    shared = [sessions for sessions in held.values() if sessions[0][2] == "cgnat"]
    assert shared
    assert all(len([1 for since, _, _ in sessions if since == WEB[0]]) == 4 for sessions in shared)


def test_the_counts_are_those_of_the_assignments(folder: Path, fed: Fed) -> None:
    """An event counts for whoever alone had its address in that second: nobody's and several people's count nowhere."""
    truth = _rows(folder / "truth-assignments.csv")
    counts: Counter[tuple[str, str]] = Counter()
    holders: Counter[int] = Counter()
    for feed, address, at, _ in fed.seen():
        found = {
            row["customer_number"]
            for row in truth
            if row["address"] == address and int(row["from_epoch"]) <= at // 1_000 < int(row["to_epoch"])
        }
        holders[min(len(found), 2)] += 1
        if len(found) == 1:
            counts[found.pop(), feed] += 1
    assert {key for key, count in holders.items() if count} == {0, 1, 2}
    written = {
        (row["customer_number"], row["feed"]): int(row["events"])
        for row in _rows(folder / "truth-counts.csv")
    }
    assert written == counts


def test_some_events_lie_exactly_on_the_edge_of_a_session(folder: Path, fed: Fed) -> None:
    """Half-open intervals are put to the proof: events in the very millisecond of a begin and of an end."""
    edges = {
        (name, row["address"], int(row[f"{name}_epoch"]) * 1_000)
        for row in _rows(folder / "truth-assignments.csv")
        for name in ("from", "to")
    }
    met = {
        name for _, address, at, _ in fed.seen() for name in ("from", "to") if (name, address, at) in edges
    }
    assert met == {"from", "to"}


def test_the_people_are_invented(folder: Path) -> None:
    """National numbers are synthetic ones with right check digits, phones and addresses nobody's."""
    for row in _rows(folder / "customers.csv"):
        number = national_number(row["fodselsnummer"])
        assert number is not None
        assert number.kind is NationalKind.SYNTHETIC
        assert row["phone"].startswith("+47 4")
        assert row["email"].endswith("@example.no")
