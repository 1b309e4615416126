"""GDPRBench's customer and controller mixes, restated over the API. `python -m bench.gdprbench`.

A record is an event about a user in a system of record and in the index; its purpose is that of its schema. To change
data is a further event, to change metadata is to withdraw the consent to a purpose, to delete is an erasure with a job
that answers at once. To delete by expiry is a retention run: it takes what is too old of all users. Each answer is held
against a model in plain Python; every wrong one is printed and counted. Mixes of GDPRBench at 94d399c (its
`src/workloads`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import structlog

from console.api.app import create_app
from console.api.protection.doors import Doors
from console.api.services import Services
from schemas.records import RecordSchema, load_records
from sinks.clickhouse.migrate import migrate
from tests.support.api import services
from tests.support.asgi import InProcess
from tests.support.index import memory_index, running, sql_index
from tests.support.office import NOW, Office

_VISIT = {"client_address": "192.0.2.7", "page": "/", "cookie_consent": "all", "method": "GET"}
_LOGIN = {"client_address": "192.0.2.7", "result": "ok"}
TOKEN, APPROVER = "an-invented-token-for-tests", "an-invented-token-of-approvers"
CONSENTED = "P-ANALYTICS"
MIXES: Mapping[str, Mapping[str, int]] = {
    "controller": {"insert": 25, "delete": 10, "expire": 10, "withdraw": 55},
    "customer": {
        "read": 20,
        "read_by_purpose": 10,
        "read_by_user": 10,
        "insert": 20,
        "withdraw": 20,
        "delete": 20,
    },
}
"""Per cent of each operation. Withdrawals stand for updates of metadata by purpose and by user, and for deletion by
purpose."""
YOUNG, OLD = timedelta(days=20), timedelta(days=120)
"""Page views are kept for 90 days (T30)."""


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.gdprbench", description=__doc__)
    wanted.add_argument("--users", type=int, default=200)
    wanted.add_argument("--records", type=int, default=1_000, help="before the first operation")
    wanted.add_argument("--operations", type=int, default=300, help="of each mix")
    wanted.add_argument("--memory", action="store_true", help="an index in memory instead of ClickHouse")
    asked = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    measured = {}
    for mix in MIXES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            run = Run(folder, stack, users=asked.users, memory=asked.memory, zipf=mix == "customer")
            measured[mix] = run.measure(MIXES[mix], asked.records, asked.operations)
    print(json.dumps(measured, indent=1))
    return int(any(item["wrong"] for item in measured.values()))


@dataclass
class Held:
    """What the model knows of a user: events for the consented purpose, those that have run out, and events of
    logins."""

    visits: int = 0
    old: int = 0
    logins: int = 0

    @property
    def every(self) -> int:
        return self.visits + self.old + self.logins


class Run:
    """An installation with its API, and the model of it."""

    def __init__(self, folder: Path, stack: ExitStack, *, users: int, memory: bool, zipf: bool) -> None:
        if memory:
            index = memory_index()
        else:
            database, _ = stack.enter_context(running("chdb", folder / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        self.office = Office(folder, index, stack, records=_records())
        self.office.jobs_answer = True
        self.api = self._client(folder)
        self.chance = np.random.default_rng(5)
        self.users, self.zipf = users, zipf
        self.held: defaultdict[int, Held] = defaultdict(Held)
        self.known: set[int] = set()
        self.clock = 0
        self.wrong: list[str] = []

    def _client(self, folder: Path) -> httpx.Client:
        office = self.office
        made: Services = services(
            folder / "api",
            reader=office.index.reader,
            identities=office.service._tools.identities,
            tokens=office.keyring.tokenizer,
            rights=office.service,
            approver_token=APPROVER,
            # No user waits for the next one.
            doors=Doors(lookups=1e9, burst=10**9),
            clock=lambda: office.now,
            company=office.service._company,
        )
        return httpx.Client(
            transport=InProcess(create_app(made)),
            base_url="http://innsyn",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def measure(self, mix: Mapping[str, int], records: int, operations: int) -> dict[str, Any]:
        """Seconds of each operation, and how many answers were wrong."""
        self.fill(records)
        names, shares = list(mix), np.array(list(mix.values())) / 100
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        doing: Mapping[str, Callable[[int], None]] = {
            "insert": self.insert,
            "read": self.read,
            "read_by_user": self.read_by_user,
            "read_by_purpose": self.read_by_purpose,
            "withdraw": self.withdraw,
            "delete": self.delete,
            "expire": self.expire,
        }
        for name in self.chance.choice(names, operations, p=shares):
            user, began = self._user(), time.perf_counter()
            doing[str(name)](user)
            seconds[str(name)].append(time.perf_counter() - began)
        for user in range(self.users):
            self.read_by_user(user)
        return {
            "operations": operations,
            "wrong": len(self.wrong),
            "what_was_wrong": self.wrong[:5],
            "median_ms": {
                name: round(1000 * float(np.median(took)), 1) for name, took in sorted(seconds.items())
            },
            "per_second": {name: round(len(took) / sum(took), 2) for name, took in sorted(seconds.items())},
            "counted": Counter({name: len(took) for name, took in seconds.items()}),
        }

    def fill(self, records: int) -> None:
        """Events of any users, written as a tagger writes what it reads: many at once."""
        by_topic: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for _ in range(records):
            topic, event = self._event(self._user())
            by_topic[topic].append(event)
        for topic, events in by_topic.items():
            self.office.put(topic, *events)

    def insert(self, user: int) -> None:
        """One more event of the user, alone in its batch."""
        topic, event = self._event(user)
        self.office.put(topic, event)

    def _event(self, user: int) -> tuple[str, Mapping[str, Any]]:
        """The next event, of which the model knows now, and its topic."""
        self.clock += 1
        age = OLD if self.clock % 4 == 0 else YOUNG
        at = NOW - age + timedelta(seconds=self.clock)
        if self.clock % 3:
            self.held[user].visits += age is YOUNG
            self.held[user].old += age is OLD
            return "web.visits", {**_VISIT, "cookie_id": _cookie(user), "occurred_at": at}
        at = NOW - YOUNG + timedelta(seconds=self.clock)
        self.held[user].logins += 1
        return "web.logins", {**_LOGIN, "cookie_id": _cookie(user), "occurred_at": at}

    def read(self, user: int) -> None:
        """The whole answer to the user (Art. 15)."""
        answer = self._ask("/v1/access", _person(user))
        counted = answer["total_events"]
        self._expect("access", user, counted, self.held[user].every)

    def read_by_user(self, user: int) -> None:
        answer = self._ask("/v1/lineage/query", _person(user))
        held = self.held[user].every
        self._expect("lineage", user, answer["total_events"], held)
        self._expect("stored", user, self.office.stored("web", ("cookie_id", _cookie(user))), held)

    def read_by_purpose(self, user: int) -> None:
        answer = self._ask("/v1/lineage/query", {**_person(user), "purposes": [CONSENTED]})
        self._expect("purpose", user, answer["total_events"], self.held[user].visits + self.held[user].old)

    def withdraw(self, user: int) -> None:
        """The user's consent to the purpose: what rested on it alone is deleted."""
        self._request(user, "withdrawal", purposes=[CONSENTED])
        self.held[user].visits = self.held[user].old = 0
        self.read_by_purpose(user)

    def delete(self, user: int) -> None:
        """Everything of the user; the deletion is verified."""
        self._request(user, "erasure", anchors={"contract_end": "2020-01-31"})
        self.held[user] = Held()
        self.read_by_user(user)

    def expire(self, user: int) -> None:
        """What is too old, of everybody; the deletion is verified for the user, and at the end for all."""
        begun = self._ask("/v1/retention/runs", {})["run"]
        self._expect("expiry", user, begun is not None, any(held.old for held in self.held.values()))
        if begun is not None:
            self.office.deliver()
            run = self.api.get(f"/v1/requests/{begun}").json()
            if run["state"] == "planned":
                self._ask(f"/v1/requests/{begun}/approve", {"digest": run["digest"]}, APPROVER)
                self.office.deliver()
            state = self.api.get(f"/v1/requests/{begun}").json()["state"]
            self._expect("expiry", user, state, "completed")
        for held in self.held.values():
            held.old = 0
        self.read_by_user(user)

    def _request(self, user: int, right: str, **more: Any) -> None:
        made = self._ask("/v1/requests", {**_person(user), "type": right, "channel": "bench", **more})
        self.office.deliver()
        state = self.api.get(f"/v1/requests/{made['request_id']}").json()["state"]
        # Where nothing is held, and no request of before says that nothing can be, a person looks.
        known = self.held[user].every or user in self.known
        self._expect(right, user, state, "completed" if known else "attention")
        if known:
            self.known.add(user)

    def _ask(self, path: str, body: Mapping[str, Any], token: str = TOKEN) -> dict[str, Any]:
        answer = self.api.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code >= 300:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        said: dict[str, Any] = answer.json()
        return said

    def _expect(self, what: str, user: int, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{what} of user {user}: {found} instead of {expected}")

    def _user(self) -> int:
        """Uniform for the controller, by a Zipf law for customers."""
        number = int(self.chance.zipf(1.2)) if self.zipf else int(self.chance.integers(1, self.users + 1))
        return (number - 1) % self.users


def _cookie(user: int) -> str:
    return f"u-{user:06}"


def _person(user: int) -> dict[str, Any]:
    return {"identifiers": [{"kind": "cookie_id", "value": _cookie(user)}]}


def _records() -> dict[str, RecordSchema]:
    """The model company's, page views for one purpose by consent."""
    records = load_records()
    visit = records["WebVisit"]
    said = visit.annotation.model_copy(update={"purposes": (CONSENTED,), "legal_basis": {CONSENTED: "a"}})
    return {**records, "WebVisit": replace(visit, annotation=said)}


if __name__ == "__main__":
    sys.exit(main())
