"""Small worlds drawn at random: addresses, prefixes, shared ports, registers, logins, clocks that may be off."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.catalogue import load_catalogue
from schemas.tokens import IdentifierKind
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import ALL_PORTS
from streams.identity.identities import Identities
from streams.identity.model import Given
from tests.support.kinds import COOKIE_ID, CUSTOMER_NUMBER, IP, USERNAME
from tests.support.said import Claim, TableReader, at, session, table, token

HORIZON = 20_000
PORTS = (None, 0, 1100, 1250, 5000)
_OFF = {"skew_seconds": 7}
SOURCES = load_catalogue().identity_sources
SOURCES = {**SOURCES, "radius": SOURCES["radius"].model_copy(update=_OFF)}
_PREFIXES = (("P56", 56), ("P60", 60), ("Q56", 56))
_USERS = tuple(f"u{number}" for number in range(4))
_CUSTOMERS = tuple(f"C{number}" for number in range(4))


@dataclass(frozen=True)
class World:
    """What was said, and (address, prefix, length) of those above addresses."""

    claims: Sequence[Claim]
    prefixes: Sequence[tuple[str, str, int]]
    addresses: Sequence[str]

    def reader(self) -> TableReader:
        return TableReader(table(self.claims), self.prefixes)

    def identities(self) -> Identities:
        return Identities(self.reader(), SOURCES)

    def given(
        self, kind: IdentifierKind, name: str, moment: datetime | None = None, port: int | None = None
    ) -> Given:
        above = [(token(prefix), length) for address, prefix, length in self.prefixes if address == name]
        return Given(kind, token(name), moment, port, tuple(above))

    def asked(self, chance: random.Random, count: int = 6) -> list[Given]:
        """Addresses, most of them at a moment, and other identifiers."""
        found = [
            self.given(
                IP,
                chance.choice(self.addresses),
                at(chance.randrange(HORIZON)) if chance.random() < 0.8 else None,
                chance.choice(PORTS),
            )
            for _ in range(count)
        ]
        found.append(self.given(CUSTOMER_NUMBER, chance.choice(_CUSTOMERS)))
        found.append(self.given(USERNAME, chance.choice(_USERS), at(chance.randrange(HORIZON))))
        found.append(self.given(COOKIE_ID, "k0", at(chance.randrange(HORIZON))))
        return found


def world(chance: random.Random) -> World:
    """Sessions of addresses and prefixes, some behind blocks of ports; who the user names are; merged records."""
    addresses = [f"A{number}" for number in range(chance.choice([2, 3, 6]))]
    prefixes = [
        (address, *prefix)
        for address in addresses
        if chance.random() < 0.4
        for prefix in chance.sample(_PREFIXES, chance.choice([1, 2]))
    ]
    claims = [
        claim for number in range(chance.randint(1, 25)) for claim in _session(chance, number, addresses)
    ]
    for name in _USERS:
        moment = 0
        for _ in range(chance.randint(0, 2)):
            moment += chance.randrange(9_000)
            claims.append(
                Claim(
                    name,
                    chance.choice([*_CUSTOMERS, ""]),
                    moment,
                    form=ClaimForm.STATE,
                    group=f"slot {name}",
                    since=moment,
                    proof=Proof.HOLDER,
                    source="register",
                )
            )
    for number in range(chance.randint(0, 4)):
        whom, moment = chance.choice(_CUSTOMERS), chance.randrange(HORIZON)
        claims.append(
            Claim(f"k{number % 2}", whom, moment, form=ClaimForm.LOGIN, proof=Proof.USER, source="register")
        )
    for one, other, share in (("C0", "C1", 0.3), ("C1", "C0", 0.1)):
        if chance.random() < share:
            merge = Claim(one, other, 5, form=ClaimForm.MERGE, group=f"merge {one}", source="register")
            claims.append(replace(merge, proof=Proof.HOLDER))
    if chance.random() < 0.4:
        mark = chance.choice([Mark.ON, Mark.OFF])
        claims.append(Claim(server="s0", mark=mark, at=chance.randrange(HORIZON)))
    return World(claims, prefixes, addresses)


def _session(chance: random.Random, number: int, addresses: Sequence[str]) -> list[Claim]:
    start, length = chance.randrange(HORIZON), chance.randrange(1, 6_000)
    name = chance.choice(addresses)
    like = Claim(
        line=chance.choice(["", "", "l0", "l1"]),
        server=chance.choice(["", "s0"]),
        source=chance.choice(["radius", "radius", "nat_map", "dhcp"]),
        proof=chance.choice([Proof.SUBSCRIBER, Proof.LINE_OWNER]),
    )
    kind = chance.random()
    if kind < 0.5:
        blocks = [(1024 + 100 * block, 1123 + 100 * block) for block in range(4)]
        like = replace(like, ports=chance.choice([*blocks, (1050, 1300), ALL_PORTS]))
    elif kind < 0.7:
        name, bits = chance.choice(_PREFIXES)
        like = replace(like, length=bits)
    reports = sorted(start + chance.randrange(length + 1) for _ in range(chance.randint(0, 3)))
    stop = start + length if chance.random() < 0.7 else None
    opened = chance.random() < 0.8
    whom = chance.choice([*_USERS, *_CUSTOMERS])
    return session(f"g{number}", name, whom, start, reports, stop, opened=opened, like=like)
