"""How well the answers of an index agree with the truth that lies beside the feeds it was filled from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.feeds import NOW, SYSTEMS, Fed, Index
from schemas.catalogue import load_catalogue
from schemas.company import load_company
from schemas.tokens import Tokenizer, prefix_tokens
from schemas.vocabulary import Resolution
from sinks.ports.identity import PREFIX_SCHEMA
from streams.identity.identities import Identities, given

_THREADS = 4


@dataclass(frozen=True)
class Held:
    """A row of truth-assignments.csv: the customer had the address in [since, until) milliseconds."""

    since: int
    until: int
    customer: str
    fault: str


@dataclass(frozen=True)
class Difference:
    """A customer, by the line in customers.csv, whose count in one feed is not the truth's.

    `hidden`: events between the last report of their sessions without a Stop and the next session on the address;
    whose they were no feed can tell.
    """

    customer: int
    feed: str
    truth: int
    found: int
    hidden: int


@dataclass(frozen=True)
class Score:
    """How the answers agree with the truth.

    `unique`, `shared`, `nobody`: events by their true holders; `answered`, `right`: events resolved to one customer,
    and to the true one. `counted`: events in the access answers of all customers together.
    """

    events: int
    unique: int
    shared: int
    nobody: int
    answered: int
    right: int
    missed_by_fault: Mapping[str, int]
    customers: int
    counted: int
    different: Sequence[Difference]
    refused: int

    @property
    def precision(self) -> float:
        return self.right / self.answered if self.answered else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.unique if self.unique else 1.0

    @property
    def equal(self) -> int:
        """Customers whose counts are the truth's."""
        return self.customers - len({item.customer for item in self.different})

    @property
    def unexplained(self) -> Sequence[Difference]:
        """Differences that a lost Stop does not account for."""
        return [item for item in self.different if abs(item.found - item.truth) > item.hidden]


def score(folder: Path, fed: Fed, index: Index, tokenizer: Tokenizer) -> Score:
    """Ask the filled index about every event and every customer, and compare."""
    truth = _truth(folder)
    seen = list(fed.seen())
    holders = [_holders(truth, address, at) for _, address, at, _ in seen]
    identities = Identities(index.claims, load_catalogue().identity_sources)
    numbers = [row["customer_number"] for row in _rows(folder / "customers.csv")]
    kinds = load_company().kinds
    names = {tokenizer.token(kinds.customer, number): number for number in numbers}
    answers = _resolved(identities, tokenizer, seen, names)
    single = [next(iter(found)) if len(found) == 1 else None for found in holders]
    right = [
        mine is not None and mine.customer == answer for mine, answer in zip(single, answers, strict=True)
    ]
    missed = Counter(
        mine.fault for mine, hit in zip(single, right, strict=True) if mine is not None and not hit
    )
    counts = _access(identities, index, tokenizer, numbers)
    return Score(
        events=len(seen),
        unique=sum(mine is not None for mine in single),
        shared=sum(len(found) > 1 for found in holders),
        nobody=sum(not found for found in holders),
        answered=sum(answer is not None for answer in answers),
        right=sum(right),
        missed_by_fault=dict(missed.most_common()),
        customers=len(numbers),
        counted=counts.total(),
        different=_different(folder, numbers, counts, _hidden(fed, folder, truth, seen)),
        refused=sum(found.total() for found in fed.refused.values()),
    )


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _truth(folder: Path) -> dict[str, list[Held]]:
    truth: dict[str, list[Held]] = {}
    for row in _rows(folder / "truth-assignments.csv"):
        since, until = int(row["from_epoch"]) * 1_000, int(row["to_epoch"]) * 1_000
        held = Held(since, until, row["customer_number"], row["fault"])
        truth.setdefault(row["address"], []).append(held)
    return truth


def _holders(truth: Mapping[str, Sequence[Held]], address: str, at: int) -> Sequence[Held]:
    """One row for each customer who had the address then."""
    found = {held.customer: held for held in truth.get(address, ()) if held.since <= at < held.until}
    return list(found.values())


def _resolved(
    identities: Identities,
    tokenizer: Tokenizer,
    seen: Sequence[tuple[str, str, int, int]],
    names: Mapping[bytes, str],
) -> list[str | None]:
    """Customer number of each event, None where it is not one customer's; "" is one that is in no register."""
    addresses = list(dict.fromkeys(address for _, address, _, _ in seen))
    place = {address: number for number, address in enumerate(addresses)}
    which, at, port = np.array([(place[address], at, port) for _, address, at, port in seen], np.int64).T
    tokens = [tokenizer.token(load_company().kinds.address, address) for address in addresses]
    above = [
        {"token": token, "prefix": prefix, "length": length}
        for token, address in zip(tokens, addresses, strict=True)
        for prefix, length in prefix_tokens(tokenizer, address)
    ]
    prefixes = pa.Table.from_pylist(above, PREFIX_SCHEMA)
    found, subjects = identities.resolve(pa.array(tokens, pa.binary(16)), prefixes, which, at, port)
    pairs = zip(found.resolution.tolist(), found.subject.tolist(), strict=True)
    return [
        names.get(subjects[subject].as_py(), "") if resolution == Resolution.UNIQUE.code else None
        for resolution, subject in pairs
    ]


def _access(
    identities: Identities, index: Index, tokenizer: Tokenizer, numbers: Iterable[str]
) -> Counter[tuple[str, str]]:
    """Events of each customer and feed, as an access answer counts them."""

    def ask(number: str) -> Counter[tuple[str, str]]:
        person = identities.person([given(tokenizer, load_company().kinds.customer, number)], NOW)
        found: Counter[tuple[str, str]] = Counter()
        for holding in index.reader.find(person.spans).holdings:
            if feed := SYSTEMS.get(holding.tags.system):
                found[number, feed] += holding.events
        return found

    counts: Counter[tuple[str, str]] = Counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(ask, numbers):
            counts.update(found)
    return counts


def _hidden(
    fed: Fed, folder: Path, truth: Mapping[str, Sequence[Held]], seen: Iterable[tuple[str, str, int, int]]
) -> Counter[tuple[str, str]]:
    """For each customer and feed the events after the last report of a session without a Stop, up to the next one."""
    of_user = {row["username"]: row["customer_number"] for row in _rows(folder / "customers.csv")}
    last: dict[tuple[str, str, int], int] = {}
    for _, event in fed.events["radius-detail.gz"]:
        since = event["occurred_at"] - 1_000 * (event["session_seconds"] or 0)
        session = event["address"], of_user[event["username"]], since
        last[session] = max(last.get(session, since), event["occurred_at"])
    times: dict[str, list[tuple[int, str]]] = {}
    for feed, address, at, _ in seen:
        times.setdefault(address, []).append((at, feed))
    hidden: Counter[tuple[str, str]] = Counter()
    for address, sessions in truth.items():
        for held in (item for item in sessions if item.fault == "lost_stop"):
            begin = last[address, held.customer, held.since]
            following = [other.since for other in sessions if other is not held and other.since >= held.since]
            end = min(following, default=None)
            for at, feed in times.get(address, ()):
                hidden[held.customer, feed] += begin <= at and (end is None or at < end)
    return hidden


def _different(
    folder: Path,
    numbers: Sequence[str],
    counts: Mapping[tuple[str, str], int],
    hidden: Mapping[tuple[str, str], int],
) -> list[Difference]:
    rows = _rows(folder / "truth-counts.csv")
    truth = Counter({(row["customer_number"], row["feed"]): int(row["events"]) for row in rows})
    return [
        Difference(
            line, feed, truth[number, feed], counts.get((number, feed), 0), hidden.get((number, feed), 0)
        )
        for line, number in enumerate(numbers, 2)
        for feed in SYSTEMS.values()
        if truth[number, feed] != counts.get((number, feed), 0)
    ]
