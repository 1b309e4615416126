"""What has run out goes from PostgreSQL, files and a compacted topic by the SDK's jobs, some of them killed.

Of everybody by the day of the event, and on the same day of one whose contract has ended.

INNSYN_TEST_KILLS=50 kills fifty times instead of three.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgresql import Server, server
from tests.support.product import Up, innsyn, up
from tests.support.real_jobs import (
    Event,
    Jobs,
    Stores,
    anywhere,
    fill,
    ingested,
    on_disk,
    rolled,
    state,
)
from tests.support.time_bounds import await_that

pytestmark = pytest.mark.kafka

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
KARI, OLA, LISE, NILS = "700104", "700105", "700106", "700107"
"""Kari's contract has ended; Ola's goes on; an order holds what Lise has; Nils wants to see his."""
PEOPLE = {KARI: "kari", OLA: "ola", LISE: "lise", NILS: "nils"}
KILLS = int(os.environ.get("INNSYN_TEST_KILLS", "3"))
APPROVER = "token-of-a-second-person-0123456789"


def at(days: int, minutes: int = 0) -> str:
    """So many days ago."""
    return (NOW - timedelta(days=days) + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


STORES = Stores(
    tables={"crm": ("CustomerDetails",), "orders": ("ContractEvent",), "credit_gateway": ("CreditCheck",)},
    lines="Login",
    parquet="WebVisit",
    compacted=("tv_middleware", "TvViewing"),
    nobodys={"kind": "live", "started_at": at(0)},
)


def events() -> Iterator[Event]:
    for number, name in PEOPLE.items():
        person = {"customer_number": number, "username": f"user-{name}", "name": f"Name-{name}"}
        yield "CustomerDetails", {**person, "updated_at": at(900)}
        contract = {"contract_id": f"K-{name}", "customer_number": number, "product": "fibre"}
        started = {**contract, "kind": "started", "address": f"Street-{name}", "occurred_at": at(900)}
        yield "ContractEvent", started
        if number == KARI:
            yield "ContractEvent", {**contract, "kind": "ended", "occurred_at": at(400)}
        yield from lately(number, name, "old", 200)
        if number != KARI:
            yield from lately(number, name, "young", 5)


def lately(number: str, name: str, age: str, days: int) -> Iterator[Event]:
    """What each leaves on a day: of each kind that runs out by the day."""
    cookie = {"cookie_id": f"cookie-{age}-{name}", "client_address": "192.0.2.99"}
    yield "Login", {**cookie, "username": f"user-{name}", "result": "ok", "occurred_at": at(days)}
    visit = {"method": "GET", "cookie_consent": "all", "status": 200, "page": f"/{age}-{name}"}
    yield "WebVisit", {**cookie, **visit, "occurred_at": at(days, 5)}
    check: dict[str, Any] = {
        "reference": f"CC-{age}-{name}",
        "customer_number": number,
        "fodselsnummer": "01810012345",
    }
    check |= {"bureau": "b", "outcome": "approved", "automated": True, "requested_at": at(days)}
    yield "CreditCheck", check
    viewing = {"customer_number": number, "device_serial": f"STB-{name}", "kind": "live"}
    yield "TvViewing", {**viewing, "channel": f"tv-{age}-{name}", "started_at": at(days)}


def test_what_has_run_out_goes_from_three_kinds_of_stores(home: Path) -> None:
    """But for what is younger, what is held, and what people have whose data are kept."""
    folder = home.parent / "jobs"
    folder.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(server())
        running = stack.enter_context(up(home, {"INNSYN_APPROVER_TOKEN": APPROVER}))
        ingested(folder, home, [*events()])
        fill(folder, running, database, STORES, [*events()])
        await_that(lambda: counts(running) == {KARI: 7, OLA: 10, LISE: 10, NILS: 10}, "all events tagged")
        jobs = Jobs(folder, running, database, STORES)
        stack.callback(jobs.end)
        keep_two(home, running)
        begun = told(home, "retention", "run", "--json")
        run = begun["run"]
        await_that(lambda: running_out(running, run)["awaits_approval"], "the first run is planned")
        assert "awaits approval" in told(home, "retention", "run", "--json")["people_why"]
        digest = running_out(running, run)["digest"]
        second = {"INNSYN_API_TOKEN": APPROVER}
        told(home, "retention", "approve", run, "--digest", digest, "--json", settings=second)
        for system in STORES.systems:
            jobs.start(system)
        killed(jobs)
        await_that(lambda: state(running, run) == "completed", "the run completes")
        begun = told(home, "retention", "run", "--json")
        assert begun["people"] == 1, begun
        (person,) = [
            item["request_id"] for item in got(running, "/v1/requests")["items"] if item["channel"] == "clock"
        ]
        killed(jobs)
        await_that(lambda: state(running, person) == "completed", "what ran out of one person is deleted")
        assert counts(running) == {KARI: 2, OLA: 7, LISE: 10, NILS: 10}
        assert got(running, "/v1/retention/runs")["overdue"] == 0
        searched(home, folder, running, database)
        for name in (run, person):
            certified(home, running, folder / f"{name}.json", name)
        assert all(jobs.kill(system, signal.SIGTERM) == 0 for system in STORES.systems)
        assert running.end(signal.SIGTERM) == 0, running.output.read_text()


def keep_two(home: Path, running: Up) -> None:
    """An order holds what Lise has, and Nils wants to see his: until he is told the request is open."""
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    order = ("preserve", "add", "--id", f"customer_number={LISE}", "--until", until)
    told(home, *order, "--reference", "case 1", "--json")
    body = {"type": "access", "identifiers": [{"kind": "customer_number", "value": NILS}]}
    answer = running.http.post("/v1/requests", json=body)
    assert answer.status_code == 201, answer.text


def killed(jobs: Jobs) -> None:
    rng = random.Random(20261127)
    for _ in range(KILLS):
        system = rng.choice(STORES.systems)
        time.sleep(rng.uniform(0.0, 1.0))
        jobs.kill(system)
        jobs.start(system)


def searched(home: Path, folder: Path, running: Up, database: Server) -> None:
    """What is left in the files of the databases, in those of the folder, and in the topic's."""
    young = [f"{mark}-young-{name}" for mark in ("CC", "cookie") for name in ("ola", "lise", "nils")]
    young += [f"/young-{name}" for name in ("ola", "lise", "nils")]
    old = [f"{mark}old-{name}" for mark in ("CC-", "cookie-", "/") for name in ("lise", "nils")]
    theirs = [f"{mark}-{name}" for mark in ("Name", "Street", "user") for name in ("ola", "lise", "nils")]
    stays = {*young, *old, *theirs, *(f"K-{name}" for name in PEOPLE.values())}
    gone = {f"{mark}old-{name}" for mark in ("CC-", "cookie-", "/") for name in ("ola", "kari")}
    gone |= {f"{mark}-kari" for mark in ("Name", "Street", "user")}
    assert anywhere(database, folder / "web", sorted(stays | gone)) == stays
    with database.connect() as connection:
        query = "SELECT kind FROM orders.\"ContractEvent\" WHERE contract_id = 'K-kari' ORDER BY 1"
        assert connection.execute(query).fetchall() == [("ended",), ("started",)]
    kafka = {"bootstrap.servers": running.run["bootstrap"]}
    for name in ("kari", "ola"):
        await_that(lambda: rolled(home, kafka, STORES, f"tv-old-{name}"), "the topic is compacted")  # noqa: B023
    for name in ("tv-young-ola", "tv-old-lise", "tv-young-lise", "tv-old-nils", "tv-young-nils"):
        assert on_disk(home, STORES, name), name


def certified(home: Path, running: Up, file: Path, request: str) -> None:
    """There is a certificate, once the bytes are gone, and it is good."""
    words = ("certificate", "show", request, "--to", str(file))
    await_that(lambda: sealed(running, request), f"a certificate of {request}")
    shown = innsyn(home, *words)
    assert shown.status == 0, shown.err
    verified = innsyn(home, "certificate", "verify", str(file))
    assert verified.status == 0, verified.err


def sealed(running: Up, request: str) -> bool:
    """Seal what was recorded, as the worker does each minute; whether there is a certificate by now."""
    assert running.http.post("/v1/log/seal").status_code == 200
    return got(running, f"/v1/requests/{request}/certificate")["certificate"] is not None


def told(home: Path, *words: str, settings: dict[str, str] | None = None) -> Any:
    done = innsyn(home, *words, settings=settings)
    assert done.status == 0, (words, done.out, done.err)
    return json.loads(done.out)


def running_out(running: Up, run: str) -> Any:
    return next(item for item in got(running, "/v1/retention/runs")["runs"] if item["run"] == run)


def got(running: Up, path: str) -> Any:
    answer = running.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(running: Up) -> dict[str, int]:
    return {number: running.events({"kind": "customer_number", "value": number}) for number in PEOPLE}
