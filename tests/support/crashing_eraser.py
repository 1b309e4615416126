"""An erasure in a process that is killed with SIGKILL at chosen steps of forgetting, again and again, over one index.

Run as `python -m tests.support.crashing_eraser`: settings as JSON on standard input, the answer as JSON. Each life is a
forked child, so that nothing of the one before survives in memory; this process does not open chdb.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from schemas.policy import RetentionAnchors
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.clocks import ClickHouseClocks
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.expire import ClickHouseExpirer
from sinks.clickhouse.expiry import ClickHouseExpiry
from sinks.clickhouse.identifiers import ClickHouseIdentifiers
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.record_keys import ClickHouseRecordKeys
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.clickhouse.writer import ClickHouseWriter
from tests.support.crashing_tagger import Steps, forked
from tests.support.office import NOW, Office

PERSON = ("cookie_id", "c-1")
_PARTS = ("writer", "reader", "eraser", "claims", "identifiers", "clocks", "record_keys", "expiry", "expirer")


class SteppingClickHouse(ClickHouse):
    """Every statement that changes something is two steps: before, and after it is done."""

    def __init__(self, url: str, step: Callable[[], None]) -> None:
        super().__init__(url)
        self.step = step

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None, *, erase: bool = False) -> None:
        self.step()
        super().command(sql, parameters, erase=erase)
        self.step()

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], once: str | None = None
    ) -> None:
        self.step()
        super().insert_rows(table, columns, rows, once)
        self.step()


def visit(minute: int, cookie: str = PERSON[1]) -> dict[str, Any]:
    return {
        "client_address": "192.0.2.7",
        "page": "/",
        "cookie_id": cookie,
        "cookie_consent": "all",
        "method": "GET",
        "occurred_at": NOW.replace(day=1, minute=minute),
    }


def office(home: Path, index: ClickHouse, stack: ExitStack) -> Office:
    # Not by `tests.support.index`, which brings the engine into the process that forks.
    kinds = (
        *(ClickHouseWriter, ClickHouseReader, ClickHouseEraser, ClickHouseClaims, ClickHouseIdentifiers),
        *(ClickHouseClocks, ClickHouseRecordKeys, ClickHouseExpiry, ClickHouseExpirer),
    )
    parts = [kind(index) for kind in kinds]
    made = Office(home, cast(Any, SimpleNamespace(**dict(zip(_PARTS, parts, strict=True)))), stack)
    made.service._file._ledger = ClickHouseRequests(index)
    return made


def prepare(home: Path) -> None:
    """A person with visits, and an erasure whose command waits."""
    index = ClickHouse(f"chdb://{home / 'index'}")
    migrate(index, NOW)
    with ExitStack() as stack:
        made = office(home, index, stack)
        made.put("web.visits", *(visit(minute) for minute in range(5)), visit(9, "c-2"))
        made.deaf = {"web"}
        made.erase(PERSON, anchors=RetentionAnchors(contract_end=date(2020, 1, 31)))
    index.close()


def live(home: Path, minute: int, fatal: int, late: int) -> None:
    """One life, after some minutes: the job answers, and the index forgets; `late` visits come before."""
    index = SteppingClickHouse(f"chdb://{home / 'index'}", lambda: None)
    with ExitStack() as stack:
        made = office(home, index, stack)
        made.erasure._eraser = ClickHouseEraser(index)
        made.now = made.now.replace(hour=13, minute=minute)
        if late:
            made._offsets["web.visits"] = 6
            made.put("web.visits", *(visit(20 + number) for number in range(late)))
        index.step = Steps(fatal)
        for request in made.service.requests():
            if not request.ended:
                made.service.resend(request.request_id)
        made.deliver()
        made.service.resume()
        made.deliver()
    index.close()


def answer(home: Path) -> None:
    """Write what the ledger and the index say to answer.json."""
    index = ClickHouse(f"chdb://{home / 'index'}")
    with ExitStack() as stack:
        made = office(home, index, stack)
        (request,) = made.service.requests()
        said = {
            "state": request.state.value,
            "problems": request.problems,
            "forgotten": request.forgotten,
            "left": made.events(*PERSON),
            "others": made.events("cookie_id", "c-2"),
            "runs": [event.content for event in made.service._file._ledger.events(request.request_id)
                     if event.kind == "forgetting"],
        }  # fmt: skip
    (home / "answer.json").write_text(json.dumps(said))
    index.close()


def main() -> None:
    given = json.load(sys.stdin)
    home = Path(given["home"])
    killed = 0
    if forked(partial(prepare, home)):
        raise SystemExit("the erasure could not be prepared")
    for minute, fatal in enumerate(given["fatal"]):
        status = forked(partial(live, home, minute, fatal, 0))
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    for run in (partial(live, home, 59, 0, given["late"]), partial(answer, home)):
        if status := forked(run):
            raise SystemExit(f"a child ended with {status}")
    json.dump({**json.loads((home / "answer.json").read_text()), "killed": killed}, sys.stdout)


if __name__ == "__main__":
    main()
