"""Does it find who it was: feeds of a provider end to end against the truth, and the speed of resolving.

`python -m bench.identity [FOLDER]`; without a folder the feeds are generated.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from bench.feeds import ORDERS, Order, embedded, fill, read_feeds
from bench.score import Score, score
from schemas.catalogue import load_catalogue
from schemas.tokens import TOKEN_BYTES, Tokenizer
from schemas.vocabulary import ClaimForm, Mark, Proof, Resolution
from sinks.ports.identity import ALL_PORTS, KNOWN_CLAIM_SCHEMA
from streams.identity.links.chains import chains
from streams.identity.links.states import links_of
from streams.identity.resolve import resolve
from tests.support.isp_feeds import Size, write_feeds

_EVENTS = _ASSIGNMENTS = 1_000_000
_ADDRESSES = 100_000
_CUSTOMERS = 20_000
_START_MS = 1_700_000_000_000
_HOUR_MS = 3_600_000
_STEPS = ("links_of", "chains", "codes", "resolve")
_TITLES = {
    "links_of": "claims to links",
    "chains": "chains to customers",
    "codes": "tokens of the events looked up",
    "resolve": "events resolved",
    "total": "total",
}

Ints = npt.NDArray[np.int64]


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.identity", description=__doc__)
    wanted.add_argument(
        "folder", nargs="?", type=Path, help="feeds with their truth; else they are generated"
    )
    wanted.add_argument("--order", action="append", choices=ORDERS, help="repeatable; else every order")
    wanted.add_argument("--customers", type=int, default=300, help="customers of generated feeds")
    wanted.add_argument("--events", type=int, default=50_000, help="events of generated feeds")
    wanted.add_argument(
        "--repeat", type=int, default=3, help="runs of the speed measurement; the median counts"
    )
    asked = wanted.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder
        if folder is None:
            folder = Path(temporary) / "feeds"
            folder.mkdir()
            write_feeds(folder, seed=1, size=Size(asked.customers, asked.events))
        with console.status("feeds against the truth"):
            scores = measure(folder, asked.order or ORDERS)
        with console.status("speed"):
            taken = speed(asked.repeat)
    show(scores, taken, console)
    return 0


def measure(folder: Path, orders: Sequence[Order]) -> dict[Order, Score]:
    """The score of the feeds in each order, each in an empty index of its own."""
    fed = read_feeds(folder)
    tokenizer = Tokenizer(secrets.token_bytes(32), "bench")
    scores = {}
    for order in orders:
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "index"
            index = stack.enter_context(embedded(place))
            fill(fed, index, tokenizer, order)
            scores[order] = score(folder, fed, index, tokenizer)
    return scores


def speed(repeat: int = 3) -> dict[str, Any]:
    """Seconds of each step of resolving 1,000,000 events against 1,000,000 sessions; the median of the runs.

    Sessions are two claims each on 100,000 addresses, of user names that a register leads to 20,000 customers.
    `resolved`: how many events were one customer's; it is checked that each of them is the true one.
    `processor_seconds`: of a whole run, which others on the same machine do not lengthen.
    """
    chance = np.random.default_rng(1)
    history = _History(chance)
    table, sources = history.claims(), load_catalogue().identity_sources
    events = chance.integers(0, _ADDRESSES, _EVENTS)
    at = _START_MS + chance.integers(0, _ASSIGNMENTS // _ADDRESSES * _HOUR_MS, _EVENTS)
    seen = _tokens(history.addresses[events])
    number, none = np.arange(_EVENTS), np.zeros(_EVENTS, np.int64)
    runs, processor = [], []
    for _ in range(repeat):
        begun = time.process_time()
        marks = [time.perf_counter()]
        links = links_of(table, sources)
        marks.append(time.perf_counter())
        ends = chains(links)
        marks.append(time.perf_counter())
        codes = np.asarray(pc.index_in(seen, value_set=ends.names).fill_null(-1), np.int64)
        marks.append(time.perf_counter())
        found = resolve(ends, number, codes, none, at, none, _EVENTS)
        marks.append(time.perf_counter())
        runs.append(np.diff(marks))
        processor.append(time.process_time() - begun)
    unique = found.resolution == Resolution.UNIQUE.code
    names = np.frombuffer(ends.names.buffers()[1], np.uint8).reshape(-1, TOKEN_BYTES)
    answered = np.where(unique, history.customer_of(names)[found.subject], -1)
    if not np.array_equal(answered, history.holder(events, at)):
        raise RuntimeError("an event was resolved to somebody who did not have its address")
    steps = dict(zip(_STEPS, np.median(runs, axis=0).round(3).tolist(), strict=True))
    total = round(float(statistics.median(run.sum() for run in runs)), 3)
    return {
        "events": _EVENTS,
        "claims": table.num_rows,
        "resolved": int(unique.sum()),
        "seconds": steps | {"total": total},
        "processor_seconds": round(statistics.median(processor), 3),
    }


class _History:
    """A million sessions, ten hours of one an hour on each address, and a register of whose the user names are."""

    def __init__(self, chance: np.random.Generator) -> None:
        def tokens(count: int) -> npt.NDArray[np.uint8]:
            return chance.integers(0, 256, (count, TOKEN_BYTES), np.uint8)

        self.addresses, self._users, self._customers = (
            tokens(count) for count in (_ADDRESSES, _CUSTOMERS, _CUSTOMERS)
        )
        self._sessions, self._lines, self._slots = (
            tokens(count) for count in (_ASSIGNMENTS, _CUSTOMERS, _CUSTOMERS)
        )
        self._server = np.repeat(tokens(1), _ASSIGNMENTS, axis=0)
        self._user = chance.integers(0, _CUSTOMERS, _ASSIGNMENTS)
        hour = np.arange(_ASSIGNMENTS) // _ADDRESSES
        self._since: Ints = _START_MS + hour * _HOUR_MS + chance.integers(0, 600_000, _ASSIGNMENTS)
        self._until: Ints = self._since + chance.integers(600_000, 2_900_000, _ASSIGNMENTS)

    def claims(self) -> pa.Table:
        """Start and Stop of each session, and the register; a table of `KNOWN_CLAIM_SCHEMA`."""
        address = np.arange(_ASSIGNMENTS) % _ADDRESSES
        said: dict[str, Any] = {
            "token": self.addresses[address],
            "subject": self._users[self._user],
            "group": self._sessions,
            "line": self._lines[self._user],
            "server": self._server,
            "proof": Proof.SUBSCRIBER.code,
        }
        register = {
            "token": self._users,
            "subject": self._customers,
            "group": self._slots,
            "form": ClaimForm.STATE.code,
        }
        entered = np.full(_CUSTOMERS, _START_MS - _HOUR_MS)
        parts = [
            _claims(self._since, said, mark=Mark.OPEN.code),
            _claims(self._until, said | {"since": self._since}, mark=Mark.CLOSE.code, offset=_ASSIGNMENTS),
            _claims(entered, register, source="register", offset=2 * _ASSIGNMENTS),
        ]
        return pa.concat_tables(parts).unify_dictionaries()

    def holder(self, address: Ints, at: Ints) -> Ints:
        """The customer who had each address at that time, -1 for nobody."""
        session = (at - _START_MS) // _HOUR_MS * _ADDRESSES + address
        held = (self._since[session] <= at) & (at < self._until[session])
        return np.where(held, self._user[session], -1)

    def customer_of(self, names: npt.NDArray[np.uint8]) -> Ints:
        """The number of the customer with each token, -1 for none."""
        places = pc.index_in(_tokens(names), value_set=_tokens(self._customers))
        return np.asarray(places.fill_null(-1), np.int64)


def _claims(
    at: Ints, said: dict[str, Any], *, source: str = "radius", offset: int = 0, **more: int
) -> pa.Table:
    count = len(at)
    neutral: dict[str, Any] = {
        "form": ClaimForm.SESSION.code,
        "mark": Mark.OPEN.code,
        "proof": Proof.HOLDER.code,
        "at": at,
    }
    neutral |= {"port_to": ALL_PORTS[1], "offset": offset + np.arange(count), "learnt_at": at}
    values = neutral | said | more
    named = {"source": source, "topic": "bench"}
    columns = []
    for wanted in KNOWN_CLAIM_SCHEMA:
        value = values.get(wanted.name, 0)
        if wanted.name in named:
            only = pa.array([named[wanted.name]])
            column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), only)
        elif pa.types.is_fixed_size_binary(wanted.type):
            column = _tokens(value if wanted.name in said else np.zeros((count, TOKEN_BYTES), np.uint8))
        elif pa.types.is_timestamp(wanted.type) and wanted.name not in values:
            column = pa.nulls(count, wanted.type)
        else:
            column = pa.array(np.broadcast_to(np.asarray(value), count)).cast(wanted.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=KNOWN_CLAIM_SCHEMA)


def _tokens(values: npt.NDArray[np.uint8]) -> pa.Array:
    held = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(TOKEN_BYTES), len(values), [None, held])


def show(scores: Mapping[Order, Score], taken: Mapping[str, Any], console: Console) -> None:
    """Two tables: agreement with the truth by order of arrival, and seconds."""
    first = next(iter(scores.values()))
    whose = f"{first.unique:,} of one customer, {first.shared:,} of several, {first.nobody:,} of nobody"
    table = Table(title=f"{first.events:,} events: {whose}")
    table.add_column("order of arrival", no_wrap=True)
    for head in (
        "precision",
        "recall",
        "wrong",
        "missed",
        "lost Stop",
        "equal",
        "unexplained",
    ):
        table.add_column(head, justify="right")
    for order, found in scores.items():
        shares = f"{found.precision:.2%}", f"{found.recall:.2%}"
        lost = found.missed_by_fault.get("lost_stop", 0)
        missed = found.answered - found.right, found.unique - found.right, lost
        customers = f"{found.equal:,} of {found.customers:,}", f"{len(found.unexplained):,}"
        table.add_row(order, *shares, *(f"{count:,}" for count in missed), *customers)
    console.print(table)
    steps = Table(title=f"{taken['events']:,} events against {taken['claims']:,} claims")
    steps.add_column("step")
    steps.add_column("seconds", justify="right")
    for name, seconds in taken["seconds"].items():
        steps.add_row(_TITLES[name], f"{seconds:.2f}")
    steps.add_row("processor time of it", f"{taken['processor_seconds']:.2f}")
    console.print(steps)


if __name__ == "__main__":
    sys.exit(main())
