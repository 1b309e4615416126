"""Invented worlds in which identifiers change hands, against brute force: nobody is ever answered with another's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given as each
from hypothesis import settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.identity.model import Given
from tests.support import kinds
from tests.support.said import Claim, TableReader, at, session, table, token

SOURCES = load_catalogue().identity_sources
CUSTOMERS = ("C1", "C2", "C3", "C4")
FOREVER = 10_000.0
KINDS = {"email": 5, "phone": 4, "username": 4, "cookie_id": 3, "ip": 3}


@dataclass(frozen=True)
class Held:
    """The truth: the identifier was the customer's, or of the user name, in [since, until)."""

    kind: str
    name: str
    owner: str
    since: float
    until: float


@dataclass(frozen=True)
class Asked:
    """An identifier as somebody gives it; `at` None: now."""

    kind: str
    name: str
    at: float | None


@dataclass(frozen=True)
class World:
    """Who held what, and what was said of it; `merged` records are another's for all time."""

    held: Sequence[Held]
    claims: Sequence[Claim]
    merged: dict[str, str]

    def owners(self, kind: str, name: str, at: float) -> set[str]:
        """The ends of the chains that begin with the identifier at that moment, itself where none does."""
        if kind == "customer_number":
            return {self.merged.get(name, name)}
        links = [item for item in self.held if (item.kind, item.name) == (kind, name)]
        found: set[str] = set()
        for item in links:
            if item.since <= at < item.until:
                further = "username" if item.owner.startswith("username") else "customer_number"
                found |= self.owners(further, item.owner, at)
        return found or ({name} if kind == "username" else set())

    def somebody(self, kind: str, name: str) -> bool:
        """Whether one that leads nowhere stands for a person: a customer number, or a user name of sessions alone.

        A user name that was a customer's at another time proves that time and nothing of now.
        """
        known = any(item.owner == name for item in self.held)
        handed = any((item.kind, item.name) == (kind, name) for item in self.held)
        return kind == "customer_number" or (known and not handed)


def world(rng: random.Random) -> World:
    """Details of a register, logins and sessions, each handed on some times; one record may be a duplicate."""
    held: list[Held] = []
    claims: list[Claim] = []
    for kind in ("email", "phone", "username"):
        for customer in CUSTOMERS:
            since = float(rng.randrange(0, 300, 10))
            for _ in range(rng.randrange(4)):
                until = since + rng.randrange(10, 400, 10)
                name = f"{kind}{rng.randrange(KINDS[kind])}" if rng.random() < 0.8 else ""
                following = until if rng.random() < 0.7 else FOREVER
                claims.append(_state(name, customer, since, kind))
                if name:
                    held.append(Held(kind, name, customer, since, following))
                since = following
                if following == FOREVER:
                    break
            if since < FOREVER:
                claims.append(_state("", customer, since, kind))
    for number in range(KINDS["cookie_id"]):
        moments = sorted(rng.sample(range(0, 1000, 10), rng.randrange(4)))
        for since, until in zip(moments, [*moments[1:], FOREVER], strict=False):
            customer = rng.choice(CUSTOMERS)
            held.append(Held("cookie_id", f"cookie_id{number}", customer, since, until))
            claims.append(
                Claim(
                    f"cookie_id{number}", customer, since, Mark.OPEN, ClaimForm.LOGIN, proof=Proof.USER, source="login"
                )
            )  # fmt: skip
    for number in range(KINDS["ip"]):
        since = rng.randrange(0, 200, 10)
        for turn in range(rng.randrange(4)):
            until = since + rng.randrange(10, 300, 10)
            user = f"username{rng.randrange(KINDS['username'])}"
            held.append(Held("ip", f"ip{number}", user, since, until))
            claims += session(f"{number}/{turn}", f"ip{number}", user, since, [], until)
            since = until + rng.choice((0, 50))
    merged = {"C4": "C1"} if rng.random() < 0.3 else {}
    claims += [
        Claim(one, other, 0, form=ClaimForm.MERGE, group="merge", source="register")
        for one, other in merged.items()
    ]
    return World(held, claims, merged)


def _state(name: str, customer: str, since: float, kind: str) -> Claim:
    group = f"{kind} of {customer}"
    return Claim(
        name, customer, since, form=ClaimForm.STATE, since=since, group=group, proof=Proof.HOLDER, source="register"
    )  # fmt: skip


def question(rng: random.Random) -> list[Asked]:
    """Up to four identifiers, some of a moment that has passed, some that nobody ever had."""
    asked = []
    for _ in range(rng.randrange(1, 5)):
        kind = rng.choice(("customer_number", "customer_number", *KINDS))
        name = (
            rng.choice(CUSTOMERS) if kind == "customer_number" else f"{kind}{rng.randrange(KINDS[kind] + 1)}"
        )
        moment = float(rng.randrange(0, 1200, 5)) if kind == "ip" or rng.random() < 0.3 else None
        asked.append(Asked(kind, name, moment))
    return asked  # fmt: skip


def inside(spans: Sequence[Span], name: str, moment: float) -> bool:
    when = at(moment)
    return any(
        span.token == token(name)
        and (span.since is None or span.since <= when)
        and (span.until is None or when < span.until)
        for span in spans
    )


@each(st.integers(0, 2**32))
@settings(max_examples=25)
def test_no_question_is_answered_with_events_of_two_people(seed: int) -> None:
    """Unique only where all that lead to somebody then lead to one; and no event in it was somebody else's."""
    rng = random.Random(seed)
    there = world(rng)
    identities = Identities(TableReader(table(there.claims)), SOURCES)
    for _ in range(4):
        asked, now = question(rng), float(rng.randrange(0, 1200, 5))
        givens = [
            Given(
                kinds.KINDS[item.kind], token(item.name), None if item.at is None else at(item.at)
            )
            for item in asked
        ]  # fmt: skip
        person = identities.person(givens, at(now))
        owners = [there.owners(item.kind, item.name, now if item.at is None else item.at) for item in asked]
        certain = {
            frozenset(found)
            for item, found in zip(asked, owners, strict=True)
            if len(found) == 1 and (item.name not in found or there.somebody(item.kind, item.name))
        }
        people = frozenset().union(*certain)
        if len(certain) > 1:
            assert person.resolution == "ambiguous", asked
        for names in person.disagree:
            assert set(names) <= {item.kind for item in asked}
        if person.resolution != "unique":
            assert not [*person.subjects, *person.spans, *person.shared, *person.links]
            continue
        own = {name for name in (*CUSTOMERS, *_names()) if token(name) in person.subjects}
        assert people <= own, asked
        edges = [
            edge for item in there.held for edge in (item.since, item.until - 0.001) if edge < FOREVER - 1
        ]
        for moment in rng.sample(edges, min(len(edges), 15)):
            for kind, count in KINDS.items():
                for name in (f"{kind}{number}" for number in range(count)):
                    if inside(person.spans, name, moment):
                        assert there.owners(kind, name, moment) <= own, (asked, name, moment)


def _names() -> list[str]:
    return [f"{kind}{number}" for kind, count in KINDS.items() for number in range(count + 1)]
