"""A soak: `python -m bench.soak --minutes 20 --seed 1`. A fault every few seconds, and at the end every event once.

An installation of `innsyn up` on a file system of its own gets visits at half the rate it can take, look-ups and
requests, while it is killed, filled, frozen, misled and fed poison in an order that the seed gives. At the end every
address has exactly its events, each customer is linked to them, each request is answered, and nothing is lost.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.soak.faults import Fault, Faults, Place, move, recovered
from bench.soak.load import Load, address, an_hour_ago, customer
from bench.soak.product import Product, Watch, await_that
from streams.kafka.brokers.properties import free_port

_RECOVERY_SECONDS = 120.0
_ANSWERED = ("completed", "reopened")


@dataclass
class Account:
    """What happened, for the log and the verdict."""

    faults: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lookups: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)

    def bad(self, sentence: str) -> None:
        self.wrong.append(sentence)
        print(f"  WRONG: {sentence}", flush=True)


class Questions(threading.Thread):
    """Look-ups twice a second: never fewer events than before, never more than were sent; a request now and then."""

    def __init__(self, product: Product, load: Load, people: int, seed: int, account: Account) -> None:
        super().__init__(name="questions", daemon=True)
        self._product, self._load, self._people, self._account = product, load, people, account
        self._random = random.Random(seed)
        self._seen: dict[int, int] = {}
        self._halt = threading.Event()

    def run(self) -> None:
        turn = 0
        while not self._halt.wait(0.5):
            turn += 1
            try:
                self._look_up()
                if turn % 20 == 0:
                    self._request()
            except (httpx.HTTPError, OSError, ValueError) as error:
                self._account.refused[type(error).__name__] += 1

    def finish(self) -> None:
        self._halt.set()
        self.join()

    def _look_up(self) -> None:
        number = self._random.randrange(self._people)
        before = self._seen.get(number, 0)
        answer = self._product.ask("POST", "/v1/lineage/query", _visits_of(address(number)))
        sent = self._load.sent[number]
        if answer.status_code != 200:
            self._account.refused[str(answer.status_code)] += 1
            return
        found = int(answer.json()["total_events"])
        self._account.lookups += 1
        if not before <= found <= sent:
            self._account.bad(f"address {number}: {found} events, {before} before, {sent} sent")
        self._seen[number] = max(before, found)

    def _request(self) -> None:
        number = self._random.randrange(self._people)
        body = {"type": "access", **_of(customer(number), "customer_number")}
        answer = self._product.ask("POST", "/v1/requests", body)
        if answer.status_code == 201:
            self._account.requests.append(answer.json()["request_id"])
        else:
            self._account.refused[f"request {answer.status_code}"] += 1


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        place = Place.make(Path(folder) / "disk", options.disk_mb)
        clock = Path(folder) / "clock"
        move(clock, 0)
        settings = {
            "INNSYN_LOOKUPS_PER_SECOND": "1000",
            "INNSYN_LOOKUPS_BURST": "10000",
            "INNSYN_LATE_CHECK_SECONDS": "10",
            "SOAK_CLOCK": str(clock),
        }
        product = Product(place.folder / "home", free_port() or 0, settings)
        product.start()
        try:
            _soak(options, product, place, clock)
        finally:
            product.end(signal.SIGTERM, 30)
            product.kill()
            # The log is worth more than the folder.
            options.log.write_bytes(product.output.read_bytes())
            if (engine := clock.with_name("engine.log")).exists():
                options.log.with_suffix(".engine").write_bytes(engine.read_bytes())
            place.leave()


def _soak(options: argparse.Namespace, product: Product, place: Place, clock: Path) -> None:
    began, account = an_hour_ago(), Account()
    assert await_that(product.ready, 90), product.output.read_text()
    load = Load(product.bootstrap(), options.people, options.seed, began)
    load.assign(began)
    load.rate = options.rate or _half_rate(product, load)
    print(f"{load.rate:,.0f} events/s over {options.people} addresses, seed {options.seed}", flush=True)
    faults = Faults(product, load, place, clock)
    watch, questions = Watch(product), Questions(product, load, options.people, options.seed, account)
    for thread in (load, watch, questions):
        thread.start()
    try:
        _strike(options, product, faults, watch, account)
        questions.finish()
        load.finish()
        _judge(options, product, load, account)
        product.end(signal.SIGTERM, 60)
        product.start()
        assert await_that(product.ready, 90), "not ready after the last start"
        _judge(options, product, load, account)
    finally:
        watch.finish()
    _report(options, product, load, faults, watch, account)


def _half_rate(product: Product, load: Load) -> float:
    """Half of what it takes in, with the sender beside it on the same machine."""
    count = 600_000
    begun, before = time.monotonic(), product.metric("innsyn_events_tagged_total")
    load.burst(count)
    assert await_that(lambda: product.metric("innsyn_events_tagged_total") - before >= count, 300)
    return count / (time.monotonic() - begun) / 2


def _strike(
    options: argparse.Namespace, product: Product, faults: Faults, watch: Watch, account: Account
) -> None:
    rng = random.Random(options.seed)
    until = time.monotonic() + options.minutes * 60
    queue: list[Fault] = []
    while time.monotonic() < until:
        if not queue:
            queue = [fault for fault in faults.all() if options.only in fault.name]
            rng.shuffle(queue)
        time.sleep(rng.uniform(2, 8))
        fault = queue.pop()
        at = time.monotonic()
        fault.strike()
        turned = None
        if fault.noticed is not None:
            _await_turn(watch, at, fault.noticed)
        turned = watch.turned(at)
        well = recovered(product, _RECOVERY_SECONDS)
        back = time.monotonic()
        if not well:
            status = product.ended()
            account.bad(f"{fault.name}: not ready again within {_RECOVERY_SECONDS:.0f} s, status {status}")
            if status is not None:
                product.start()
                recovered(product, _RECOVERY_SECONDS)
        if fault.noticed is not None and turned is None:
            account.bad(f"{fault.name}: /readyz did not turn within {fault.noticed:.0f} s")
        account.windows.append((at, back + 1))
        entry = {
            "at": round(at - until + options.minutes * 60, 1),
            "fault": fault.name,
            "turned_after": round(turned.at - at, 1) if turned else None,
            "said": list(turned.problems)[:2] if turned else [],
            "well_after": round(back - at, 1),
            "rss_mb": round(product.rss_mb()) if product.ended() is None else None,
        }
        account.faults.append(entry)
        print(json.dumps(entry, ensure_ascii=False), flush=True)


def _await_turn(watch: Watch, at: float, seconds: float) -> None:
    await_that(lambda: watch.turned(at) is not None, max(0.0, at + seconds - time.monotonic()))


def _judge(options: argparse.Namespace, product: Product, load: Load, account: Account) -> None:
    """Every event in every answer once: by address, and by the customer who had it; every request answered."""
    last = options.people - 1
    await_that(lambda: _count(product, address(last)) == load.sent[last], 180)
    time.sleep(2)
    wrong = [n for n in range(options.people) if _count(product, address(n)) != load.sent[n]]
    for number in wrong[:5]:
        account.bad(f"address {number}: {_count(product, address(number))}, sent {load.sent[number]}")
    if wrong:
        account.bad(f"{len(wrong)} of {options.people} addresses are not right")
    for number in range(0, options.people, max(1, options.people // 50)):
        found = _count(product, customer(number), "customer_number")
        if found != load.sent[number]:
            account.bad(f"customer {number}: {found} linked, sent {load.sent[number]}")
    for request in account.requests:
        if (state := _end_of(product, request)) not in _ANSWERED:
            account.bad(f"request {request} is {state}")
    dead = product.ask("GET", "/v1/deadletters?limit=1000").json()
    letters = [
        item for item in dead.get("items", dead.get("deadletters", ())) if item["topic"] == "web.visits"
    ]
    if len(letters) != load.poison and load.poison < 1000:
        account.bad(f"{len(letters)} dead letters, {load.poison} bad messages sent")
    if load.failed:
        account.bad(f"{load.failed} messages were never stored: the run says nothing")


def _report(
    options: argparse.Namespace, product: Product, load: Load, faults: Faults, watch: Watch, account: Account
) -> None:
    alarms = [
        item
        for item in watch.samples
        if item.status == 503 and not any(first <= item.at <= last for first, last in account.windows)
    ]
    median, worst = watch.slowest_ms(account.windows)
    third = max(1, len(watch.memory) // 3)
    memory = [
        statistics.median(mb for _, mb in watch.memory[k * third : (k + 1) * third] or [(0, 0.0)])
        for k in range(3)
    ]
    summary = {
        "minutes": options.minutes,
        "seed": options.seed,
        "rate": round(load.rate),
        "events": load.total,
        "faults": len(account.faults),
        "restarts": product.restarts,
        "lookups": account.lookups,
        "not answered": dict(account.refused),
        "requests": len(account.requests),
        "poison": load.poison,
        "partitions": faults.partitions,
        "sigterm_seconds": [round(item, 1) for item in faults.ends],
        "not ready outside of faults": len(alarms),
        "said then": sorted({line for item in alarms for line in item.problems})[:5],
        "healthz_ms": {"median": round(median, 1), "worst outside of faults": round(worst, 1)},
        "rss_mb by third": [round(item) for item in memory],
        "left out": faults.missing,
        "wrong": account.wrong,
    }
    print(json.dumps(summary, indent=1, ensure_ascii=False), flush=True)
    raise SystemExit(1 if account.wrong else 0)


def _of(value: str, kind: str = "ip") -> dict[str, Any]:
    return {"identifiers": [{"kind": kind, "value": value}]}


def _visits_of(value: str, kind: str = "ip") -> dict[str, Any]:
    """Of the web server alone: the assignment of the address is an event too."""
    return {**_of(value, kind), "systems": ["web"]}


def _count(product: Product, value: str, kind: str = "ip") -> int:
    try:
        answer = product.ask("POST", "/v1/lineage/query", _visits_of(value, kind))
    except httpx.HTTPError:
        return -1
    return int(answer.json()["total_events"]) if answer.status_code == 200 else -answer.status_code


def _end_of(product: Product, request: str) -> str:
    await_that(lambda: _state(product, request) in _ANSWERED, 30)
    return _state(product, request)


def _state(product: Product, request: str) -> str:
    try:
        return str(product.ask("GET", f"/v1/requests/{request}").json().get("state"))
    except httpx.HTTPError:
        return "no answer"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="events a second; 0: half of what it takes")
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--only", default="", help="faults with these words in their name alone")
    parser.add_argument("--disk-mb", type=int, default=12_000, help="size of the file system it lives on")
    parser.add_argument("--log", type=Path, default=Path("soak-up.log"), help="where its output is kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
