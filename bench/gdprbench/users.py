"""GDPRBench's mixes, restated over the API: customers, controllers, processors and the regulator.

A record is an event about a user in a system of record and in the index; its purpose is that of its schema. To change
data is a further event, to change metadata is to withdraw the consent to a purpose, to delete is an erasure with a job
that answers at once. To delete by expiry is a retention run: it takes what is too old of all users. Mixes of GDPRBench
at 94d399c (its `src/workloads`), which has the reads of the regulator's alone (46 per cent): the rest is logs and
verification, as its paper has it (PVLDB 13(7), 2020).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np

from bench.gdprbench.installation import AUDITED, QUERY, Installation, Person, about
from bench.gdprbench.score import Operation, Score
from schemas.records import RecordSchema, load_records
from tests.support.office import NOW

_VISIT = {"client_address": "192.0.2.7", "cookie_consent": "all", "method": "GET"}
_LOGIN = {"client_address": "192.0.2.7", "result": "ok"}
CONSENTED, SHARED_WITH = "P-ANALYTICS", "cloud_provider"
MIXES: Mapping[str, Mapping[str, int]] = {
    "customer": {
        "read": 20,
        "read_by_purpose": 10,
        "read_by_user": 10,
        "insert": 20,
        "withdraw": 20,
        "delete": 20,
    },
    "controller": {"insert": 25, "delete": 10, "expire": 10, "withdraw": 55},
    "processor": {
        "read_by_key": 20,
        "read_by_purpose": 20,
        "read_by_objection": 10,
        "read_by_recipient": 10,
        "read_by_user": 40,
    },
    "regulator": {"read_by_user": 46, "logs": 31, "verify_deletion": 23},
}
"""Per cent of each operation. Withdrawals stand for updates of metadata by purpose and by user, and for deletion by
purpose; of a processor's reads by metadata a half goes by purpose, the rest by objection and by recipient."""
ZIPF = ("customer", "regulator")
YOUNG, OLD = timedelta(days=20), timedelta(days=120)
"""Page views are kept for 90 days (T30)."""


@dataclass
class Held:
    """What the model knows of a user: keys of events for the consented purpose, those that have run out, and how many
    events of logins there are. `objects`: to what rests on legitimate interests. `erased_by`: which request."""

    visits: set[str] = field(default_factory=set)
    old: set[str] = field(default_factory=set)
    logins: int = 0
    objects: bool = False
    erased_by: str | None = None

    @property
    def every(self) -> int:
        return len(self.visits) + len(self.old) + self.logins


class Users:
    """One mix, on an installation whose users are known by a cookie."""

    def __init__(self, installation: Installation, score: Score, users: int, mix: str, seed: int = 5) -> None:
        self.there, self.score, self.users, self.mix = installation, score, users, mix
        self.chance = np.random.default_rng(seed)
        self.held: defaultdict[int, Held] = defaultdict(Held)
        self.known: set[int] = set()
        self.gone: list[str] = []
        self._made = 0

    def run(self, records: int, operations: int) -> None:
        """Fill, prepare, do the operations, and ask about everybody once more."""
        self.fill(records)
        if self.mix == "processor":
            for user in range(0, self.users, 3):
                self.do("object", user)
        if self.mix == "regulator":
            for user in range(0, self.users, 4):
                self.do("delete", user)
        names, shares = list(MIXES[self.mix]), np.array(list(MIXES[self.mix].values())) / 100
        for name in self.chance.choice(names, operations, p=shares):
            self.do(str(name), self._user())
        for user in range(self.users):
            self.do("everybody_again", user)
            if self.mix == "processor":
                self.do("objections_again", user)

    def do(self, name: str, user: int) -> None:
        doing: Mapping[str, Callable[[Operation, int], None]] = {
            "insert": self._insert,
            "read": self._read,
            "read_by_key": self._read_by_key,
            "read_by_user": self._read_by_user,
            "read_by_purpose": self._read_by_purpose,
            "read_by_objection": self._read_by_objection,
            "read_by_recipient": self._read_by_recipient,
            "withdraw": self._withdraw,
            "object": self._object,
            "delete": self._delete,
            "expire": self._expire,
            "logs": self._logs,
            "verify_deletion": self._verify_deletion,
            "everybody_again": self._read_by_user,
            "objections_again": self._read_by_objection,
        }
        with self.score.operation(name, user) as done:
            doing[name](done, user)

    def fill(self, records: int) -> None:
        """Events of any users, many at once as a tagger reads them."""
        by_topic: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for _ in range(records):
            topic, event = self._event(self._user())
            by_topic[topic].append(event)
        for topic, events in by_topic.items():
            self.there.publish(topic, *events)

    def _insert(self, done: Operation, user: int) -> None:
        """One more event of the user, alone in its batch."""
        topic, event = self._event(user)
        self.there.publish(topic, event)

    def _event(self, user: int) -> tuple[str, Mapping[str, Any]]:
        """The next event, of which the model knows now, and its topic."""
        self._made += 1
        held, old = self.held[user], self._made % 4 == 0
        if self._made % 3:
            key = f"visit-{self._made}"
            (held.old if old else held.visits).add(key)
            at = NOW - (OLD if old else YOUNG) + timedelta(seconds=self._made)
            return "web.visits", {**_VISIT, "page": key, "cookie_id": _cookie(user), "occurred_at": at}
        held.logins += 1
        at = NOW - YOUNG + timedelta(seconds=self._made)
        return "web.logins", {**_LOGIN, "cookie_id": _cookie(user), "occurred_at": at}

    def _read(self, done: Operation, user: int) -> None:
        """The whole answer to the user (Art. 15)."""
        answer = self.there.ask("/v1/access", about(person(user)))
        done.expect("events", answer["total_events"], self.held[user].every)

    def _read_by_user(self, done: Operation, user: int) -> None:
        held = self.held[user].every
        done.expect("events", self.there.events(person(user)), held)
        done.expect("records in the system", self.there.stored("web", person(user)), held)

    def _read_by_purpose(self, done: Operation, user: int) -> None:
        found = self.there.events(person(user), purposes=[CONSENTED])
        done.expect("events", found, len(self.held[user].visits) + len(self.held[user].old))

    def _read_by_objection(self, done: Operation, user: int) -> None:
        """What may not be used as the user objected, and what may."""
        held = self.held[user]
        objected = held.logins if held.objects else 0
        done.expect("objected", self.there.events(person(user), restricted=True), objected)
        done.expect("usable", self.there.events(person(user), restricted=False), held.every - objected)

    def _read_by_recipient(self, done: Operation, user: int) -> None:
        held = self.held[user]
        shared = self.there.events(person(user), recipients=[SHARED_WITH])
        done.expect("shared", shared, len(held.visits) + len(held.old))
        done.expect("with others", self.there.events(person(user), recipients=["police"]), 0)

    def _read_by_key(self, done: Operation, user: int) -> None:
        """One record by its own key; of a user without any, one that nobody has."""
        keys = sorted(self.held[user].visits | self.held[user].old)
        key = keys[int(self.chance.integers(len(keys)))] if keys else "visit-of-nobody"
        body = {"record_key": {"record": "WebVisit", "value": key}}
        answer = self.there.ask("/v1/lineage/record", body)
        done.expect("events", answer["total_events"], int(bool(keys)))

    def _withdraw(self, done: Operation, user: int) -> None:
        """The user's consent to the purpose: what rested on it alone is deleted."""
        self._request(done, user, "withdrawal", purposes=[CONSENTED])
        self.held[user].visits, self.held[user].old = set(), set()
        self._read_by_purpose(done, user)

    def _object(self, done: Operation, user: int) -> None:
        """To what rests on legitimate interests; a user of whom there is nothing such asks no one."""
        if self.held[user].logins:
            self._request(done, user, "objection")
            self.held[user].objects = True

    def _delete(self, done: Operation, user: int) -> None:
        """Everything of the user; the deletion is verified."""
        self._request(done, user, "erasure", anchors={"contract_end": "2020-01-31"})
        self.held[user] = Held(erased_by=self.held[user].erased_by)
        self._read_by_user(done, user)

    def _expire(self, done: Operation, user: int) -> None:
        """What is too old, of everybody; the deletion is verified for the user, and at the end for all."""
        due = any(held.old for held in self.held.values())
        done.expect("how the run ended", self.there.expire(), "completed" if due else None)
        for held in self.held.values():
            held.old = set()
        self._read_by_user(done, user)

    def _logs(self, done: Operation, user: int) -> None:
        """Every look-up that was made stands in the record of questions, with how much it told."""
        sizes = [item["size"] for item in self.there.audited(AUDITED)]
        done.expect("look-ups on record", sorted(sizes), sorted(self.there.sizes[QUERY]))

    def _verify_deletion(self, done: Operation, user: int) -> None:
        """Of somebody who was erased: the request was carried out, nothing is held, and nothing came back."""
        erased = [user for user, held in self.held.items() if held.erased_by]
        user = erased[int(self.chance.integers(len(erased)))]
        request_id = self.held[user].erased_by
        request = self.there.get(f"/v1/requests/{request_id}")
        done.expect("state", request["state"], "completed")
        done.expect("systems that answered", [item["state"] for item in request["commands"]], ["done"])
        self._read_by_user(done, user)
        looked_out = {item["request_id"]: item for item in self.there.get("/v1/suppression")["items"]}
        done.expect("came back", looked_out[request_id]["came_back"], [])

    def _request(self, done: Operation, user: int, right: str, **more: Any) -> None:
        made = self.there.exercise(right, person(user), **more)
        # Where nothing is held, and no request of before says that nothing can be, a person looks.
        known = bool(self.held[user].every) or user in self.known
        done.expect("state", made["state"], "completed" if known else "attention")
        if known:
            self.known.add(user)
        if known and right == "erasure" and self.held[user].every:
            self.held[user].erased_by = made["request_id"]

    def _user(self) -> int:
        """By a Zipf law for customers and the regulator, else uniform."""
        zipf = self.mix in ZIPF
        number = int(self.chance.zipf(1.2)) if zipf else int(self.chance.integers(1, self.users + 1))
        return (number - 1) % self.users


def _cookie(user: int) -> str:
    return f"u-{user:06}"


def person(user: int) -> Person:
    return {"cookie_id": _cookie(user)}


def records_by_consent() -> dict[str, RecordSchema]:
    """The model company's, with page views for one purpose by consent, told apart by their page, and log-ins that are
    given to nobody."""
    records = load_records()
    visit, login = records["WebVisit"], records["Login"]
    said = visit.annotation.model_copy(update={"purposes": (CONSENTED,), "legal_basis": {CONSENTED: "a"}})
    fields = tuple(
        item.model_copy(update={"record_key": True}) if item.name == "page" else item for item in visit.fields
    )
    alone = login.annotation.model_copy(update={"recipients": ()})
    changed = {
        "WebVisit": replace(visit, annotation=said, fields=fields),
        "Login": replace(login, annotation=alone),
    }
    return {**records, **changed}
