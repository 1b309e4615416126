"""What GDPRBench has no word for, of erasures: what the law holds stays and nothing else, and a replay brings nobody
back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from bench.gdprbench.installation import Installation
from bench.gdprbench.network import number, person
from bench.gdprbench.score import Operation, Score
from tests.support.office import NOW

BOUGHT = NOW - timedelta(days=40)
LEFT = {"contract_end": "2020-01-31"}
"""The contract ended long ago, so that only bookkeeping holds anything."""
KEPT_FIELDS = {"invoice_number", "customer_number", "account_number", "kid", "amount_ore", "lines"}
KEPT_CATEGORIES, KEPT_PURPOSES = {"C-06", "C-07"}, {"P-LEGALREC", "P-CLAIMS"}
"""What bookkeeping law wants of an invoice (T01): what was sold, for how much, and to which account. Not how to reach
the customer. The same is what a claim rests on until it lapses (T18)."""


class Holds:
    """Some have an invoice, all are in the register and have logged in. Each asks to be erased."""

    def __init__(self, installation: Installation, score: Score, users: int, seed: int = 5) -> None:
        self.there, self.score, self.users = installation, score, users
        chance = np.random.default_rng(seed)
        self.invoices = [int(chance.integers(0, 3)) for _ in range(users)]

    def run(self) -> None:
        self._fill()
        for user in range(self.users):
            with self.score.operation("erase", user) as done:
                self._erase(done, user)
            with self.score.operation("what_stays", user) as done:
                self._look(done, user)
        with self.score.operation("fields_in_the_systems") as done:
            self._fields(done)

    def _fill(self) -> None:
        people = range(self.users)
        self.there.publish("crm.customers", *(_customer(user) for user in people))
        self.there.publish("web.logins", *(_login(user) for user in people))
        bills = [_invoice(user, place) for user in people for place in range(self.invoices[user])]
        if bills:
            self.there.publish("billing.invoices", *bills)

    def _erase(self, done: Operation, user: int) -> None:
        made = self.there.exercise("erasure", person(user), anchors=LEFT)
        done.expect("state", made["state"], "completed")
        held = {(part["system"], part["rule"]) for part in made["held"]}
        done.expect("held", held, {("billing", "T01")} if self.invoices[user] else set())

    def _look(self, done: Operation, user: int) -> None:
        """Of the invoices what bookkeeping holds, and of all else nothing."""
        answer = self.there.look_up(person(user))
        done.expect("events", answer["total_events"], self.invoices[user])
        kept = {name for item in answer["items"] for name in item["categories"]}
        done.expect("categories", kept, KEPT_CATEGORIES if self.invoices[user] else set())
        served = {name for item in answer["items"] for name in item["purposes"]}
        done.expect("purposes", served, KEPT_PURPOSES if self.invoices[user] else set())
        for system in ("crm", "web"):
            done.expect(f"records in {system}", self.there.stored(system, person(user)), 0)
        done.expect("invoices in billing", self.there.stored("billing", person(user)), self.invoices[user])

    def _fields(self, done: Operation) -> None:
        """What stands in the invoices that are left, in the system itself."""
        rows = self.there.stored_fields("billing", "Invoice")
        done.expect("invoices", len(rows), sum(self.invoices))
        impersonal = {"due_date", "issued_at"}
        for row in rows:
            done.expect("fields", {*row} - impersonal, KEPT_FIELDS)


class Replays:
    """Every second one is erased; then every topic is read again from its beginning."""

    def __init__(self, installation: Installation, score: Score, users: int, seed: int = 5) -> None:
        self.there, self.score, self.users = installation, score, users
        chance = np.random.default_rng(seed)
        self.viewings = [int(chance.integers(1, 6)) for _ in range(users)]
        self.erased: dict[int, str] = {}

    def run(self) -> None:
        for user in range(self.users):
            self.there.publish("tv.viewings", *(_viewing(user, at) for at in range(self.viewings[user])))
        for user in range(0, self.users, 2):
            with self.score.operation("erase", user) as done:
                made = self.there.exercise("erasure", person(user), anchors=LEFT)
                done.expect("state", made["state"], "completed")
                self.erased[user] = made["request_id"]
        self.there.later(timedelta(hours=1))
        with self.score.operation("replay"):
            self.there.replay()
        with self.score.operation("erase_again"):
            self.there.minute()
        said = {item["request_id"]: item for item in self.there.get("/v1/suppression", limit=1000)["items"]}
        for user in range(self.users):
            with self.score.operation("ask_again", user) as done:
                self._look(done, user)
            if user in self.erased:
                with self.score.operation("what_is_recorded", user) as done:
                    self._recorded(done, user, said[self.erased[user]])

    def _look(self, done: Operation, user: int) -> None:
        left = 0 if user in self.erased else self.viewings[user]
        done.expect("events", self.there.events(person(user)), left)
        done.expect("records in the system", self.there.stored("tv_middleware", person(user)), left)

    def _recorded(self, done: Operation, user: int, said: dict[str, Any]) -> None:
        """That it came back, by a replay, how much of it, and that it was erased again."""
        origins = {(item["topic"], item["arrival"], item["events"]) for item in said["came_back"]}
        done.expect("origin", origins, {("tv.viewings", "replay", self.viewings[user])})
        follow_up = self.there.get(f"/v1/requests/{self.erased[user]}")["follow_up"]
        done.expect("follow-up", bool(follow_up), True)
        if follow_up:
            done.expect("its state", self.there.get(f"/v1/requests/{follow_up}")["state"], "completed")


def _customer(user: int) -> dict[str, Any]:
    said = {"customer_number": number(user), "name": "Invented", "email": f"u{user}@example.no"}
    return {**said, "updated_at": BOUGHT}


def _login(user: int) -> dict[str, Any]:
    said = {"customer_number": number(user), "client_address": "192.0.2.7", "result": "ok"}
    return {**said, "occurred_at": NOW - timedelta(days=20) + timedelta(seconds=user)}


def _invoice(user: int, place: int) -> dict[str, Any]:
    return {
        "invoice_number": f"F-{user}-{place + 1}",
        "customer_number": number(user),
        "account_number": "86011117947",
        "kid": f"{user}{place}",
        "amount_ore": 49_900,
        "lines": [{"product": "fibre", "amount_ore": 49_900}],
        "due_date": BOUGHT.date(),
        "name": "Invented",
        "email": f"u{user}@example.no",
        "phone": "+4740000000",
        "issued_at": BOUGHT,
    }


def _viewing(user: int, place: int) -> dict[str, Any]:
    said = {"customer_number": number(user), "device_serial": f"STB{number(user)}0001", "kind": "live"}
    return {**said, "started_at": NOW - timedelta(days=2) + timedelta(minutes=place)}
