"""What GDPRBench has no word for, of the network: a link that is learnt late, and addresses that several share.

Everything is known of the truth, since it is made here: who had which address and port when, and what was done there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from bench.gdprbench.installation import Installation, Person, about
from bench.gdprbench.score import Score
from tests.support.office import NOW

BEGUN = NOW - timedelta(days=10)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
ADDRESSES = [
    f"{network}.{host}" for network in ("192.0.2", "198.51.100", "203.0.113") for host in range(1, 41)
]
"""Of the networks for documentation (RFC 5737); each is had by one after the other, or by several at once."""
_REPORT = dict.fromkeys(
    ("delegated_prefix", "username", "mac", "line_id", "client_id", "inside_address", "lease_seconds")
)
BLOCK = 1_000


@dataclass(frozen=True)
class Held:
    """Who had an address, from which port to which, in [since, until)."""

    customer: int
    address: str
    since: datetime
    until: datetime
    ports: tuple[int, int] | None = None

    def reports(self) -> list[dict[str, Any]]:
        """What the network says of it: that it began and that it ended."""
        low, high = self.ports or (None, None)
        said = {
            **_REPORT,
            "kind": "alloc" if self.ports else "start",
            "address": self.address,
            "port_from": low,
            "port_to": high,
            "customer_number": number(self.customer),
            "session_id": f"s-{self.customer}-{self.since:%d%H%M}",
            "nas": "cgn1.osl" if self.ports else "bras1.osl",
            "session_seconds": None,
            "interim_seconds": None,
            "source": "cgnat" if self.ports else "radius",
            "purpose": "operations",
            "occurred_at": self.since,
        }
        lasted = int((self.until - self.since).total_seconds())
        ended = {"kind": "release" if self.ports else "stop", "occurred_at": self.until}
        return [said, {**said, **ended, "session_seconds": None if self.ports else lasted}]


class LateIdentity:
    """Page views under addresses come first, and who had them only later: the same questions, before and after."""

    def __init__(self, installation: Installation, score: Score, users: int, seed: int = 5) -> None:
        self.there, self.score = installation, score
        self.chance = np.random.default_rng(seed)
        self.leases = [
            Held(user, ADDRESSES[user % len(ADDRESSES)], begun, begun + 50 * MINUTE)
            for user in range(users)
            for begun in (BEGUN + user // len(ADDRESSES) * HOUR,)
        ]
        self.visits = [int(self.chance.integers(1, 6)) for _ in range(users)]

    def run(self) -> None:
        self.there.publish("web.visits", *self._events())
        before = self.there.now
        order = [int(user) for user in self.chance.permutation(len(self.leases))]
        for place, user in enumerate(order):
            self.there.later(MINUTE)
            self._expect("ask_before", user, 0)
            with self.score.operation("learn", user):
                self.there.publish("network.assignments", *self.leases[user].reports())
            self.there.later(MINUTE)
            self._expect("ask_after", user, self.visits[user])
            self._expect("ask_as_known_then", user, 0, known_at=before.isoformat())
            # Of whom nothing is learnt yet nothing is known, though a neighbour in time is.
            for other in order[place + 1 : place + 2]:
                self._expect("ask_neighbour", other, 0)
        for user in order:
            self._expect("everybody_again", user, self.visits[user])

    def _events(self) -> Iterator[dict[str, Any]]:
        """Each user's page views; and one in each gap between two who had the address, which is nobody's."""
        for lease, visits in zip(self.leases, self.visits, strict=True):
            for place in range(visits):
                yield visit(lease.address, lease.since + (place + 1) * 5 * MINUTE)
            yield visit(lease.address, lease.until + 5 * MINUTE)

    def _expect(self, name: str, user: int, expected: int, **more: Any) -> None:
        with self.score.operation(name, user) as done:
            answer = self.there.look_up(person(user), systems=["web"], **more)
            done.expect("page views", answer["total_events"], expected)


class SharedAddresses:
    """Two customers behind one address at a time, told apart by their ports, and a third who gets a block that was
    somebody's: no answer holds an event of another, and one without a port is nobody's alone."""

    def __init__(self, installation: Installation, score: Score, users: int, seed: int = 5) -> None:
        self.there, self.score = installation, score
        self.chance = np.random.default_rng(seed)
        self.blocks = [self._block(user) for user in range(users - users % 2)]

    def _block(self, user: int) -> Held:
        """The users are pairs, who share an address for an hour; later pairs have the same addresses and ports."""
        pair, second = divmod(user, 2)
        begun = BEGUN + pair // len(ADDRESSES) * HOUR
        low = 10_000 + second * BLOCK
        address = ADDRESSES[pair % len(ADDRESSES)]
        return Held(user, address, begun, begun + 50 * MINUTE, (low, low + BLOCK - 1))

    def run(self) -> None:
        counts = [int(self.chance.integers(1, 6)) for _ in self.blocks]
        events = [
            visit(
                block.address, block.since + (place + 1) * 5 * MINUTE + user % 2 * SECOND, self._port(block)
            )
            for user, (block, count) in enumerate(zip(self.blocks, counts, strict=True))
            for place in range(count)
        ]
        # One view of each pair has no port: it may be either's.
        events += [visit(block.address, block.since + 40 * MINUTE) for block in self.blocks[::2]]
        self.there.publish("web.visits", *events)
        for block in self.blocks:
            with self.score.operation("learn", block.customer):
                self.there.publish("network.assignments", *block.reports())
        self.there.later(MINUTE)
        for user, (block, count) in enumerate(zip(self.blocks, counts, strict=True)):
            with self.score.operation("ask_customer", user) as done:
                answer = self.there.look_up(person(user), systems=["web"])
                done.expect("page views", answer["total_events"], count)
                done.expect("that may be another's", answer["ambiguous_events"], 1)
            self._by_address(user, block)

    def _by_address(self, user: int, block: Held) -> None:
        """Whose an address was in a second: one person's at a port, and anybody's of two without."""
        low, _ = block.ports or (0, 0)
        at = (block.since + 5 * MINUTE + user % 2 * SECOND).isoformat()
        asked = {"kind": "ip", "value": block.address, "at": at}
        with self.score.operation("ask_address_and_port", user) as done:
            answer = self.there.ask("/v1/identity", {"identifiers": [{**asked, "port": low}]})
            done.expect("resolution", answer["resolution"], "unique")
            themselves = self.there.ask("/v1/identity", about(person(user)))
            done.expect("whose it was", answer["subjects"], themselves["subjects"])
        with self.score.operation("ask_address_alone", user) as done:
            answer = self.there.ask("/v1/identity", {"identifiers": [asked]})
            done.expect("resolution", answer["resolution"], "ambiguous")
            done.expect("candidates", answer["candidates"], 2)

    def _port(self, block: Held) -> int:
        low, high = block.ports or (0, 0)
        return int(self.chance.integers(low, high + 1))


def number(user: int) -> str:
    return f"{700_000 + user}"


def person(user: int) -> Person:
    return {"customer_number": number(user)}


def visit(address: str, at: datetime, port: int | None = None) -> dict[str, Any]:
    """A page view that names nobody but by its address."""
    said = {"client_address": address, "client_port": port, "occurred_at": at}
    return {**said, "page": "/", "method": "GET", "cookie_consent": "none"}
