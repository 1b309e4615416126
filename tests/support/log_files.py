"""Files of a register and of visits, and a folder from which they are sent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from schemas.codec import decode
from streams.feeds.registry import Feed
from streams.feeds.run import checkpoint as checkpoints
from streams.feeds.run.account import Report
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from tests.support.company import model_feed
from tests.support.feeds import MemoryTopic

COLUMNS = "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end"
CUSTOMERS = model_feed("customers-csv")
COMBINED = model_feed("combined")


def customer(number: int, phone: int | None = None, name: str = "Test Person") -> str:
    phone = 40_000_000 + number if phone is None else phone
    return f"C{number:06},user{number:05},{name} {number:05},,+47{phone},,Testveien 1,2025-01-01,\n"


def visit(number: int) -> str:
    clock = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    return f'192.0.2.{number % 250} - - [02/Mar/2026:{clock} +0100] "GET /{number} HTTP/1.1" 200 1 "-" "curl/8"\n'


class Desk:
    """A folder with checkpoints, and the topic that everything is sent to."""

    def __init__(self, folder: Path, feed: Feed = CUSTOMERS) -> None:
        self.folder, self.feed = folder, feed
        self.topic = MemoryTopic()

    def send(
        self,
        name: str,
        data: bytes | None = None,
        *,
        again: bool = False,
        life: int = 1 << 60,
        batch: int = 20_000,
    ) -> Report:
        """`innsyn ingest` of a file with these bytes; with `life` it is killed after so many messages."""
        file = self.folder / name
        if data is not None:
            file.write_bytes(data)
        store = self.folder / "ingest"
        known = checkpoints.load_all(store, self.feed.scope)
        source = check_source(str(file), self.feed, io.BytesIO(), checkpoints.lengths(known.values()))
        producer = self.topic.producer(life)
        return ingest(source, self.feed, producer, self.topic, store, again=again, batch_lines=batch)

    def events(self) -> list[dict[str, Any]]:
        return [decode(self.feed.record, value) for value, _ in self.topic.messages]
