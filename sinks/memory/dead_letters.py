"""Dead letters with what was done about each, in plain Python. Contract: `sinks.ports.dead_letters.DeadLetterList`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import blake2b
from typing import Any

from schemas.vocabulary import LetterState
from sinks.memory.state import MemoryState
from sinks.ports.dead_letters import (
    EVERY,
    TAGGED,
    WRITTEN_LATER,
    Chosen,
    Coordinates,
    Done,
    Flooded,
    OpenLetters,
)


class MemoryDeadLetters:
    """A `DeadLetterList` of an index in memory."""

    def __init__(self, index: MemoryState) -> None:
        self._index = index

    def find(self, after: Coordinates, limit: int, chosen: Chosen = EVERY) -> list[dict[str, Any]]:
        with self._index.lock:
            letters = [self._letter(place) for place in sorted(self._index.dead) if place > after]
        return [item for item in letters if _admits(chosen, item)][:limit]

    def open(self) -> list[OpenLetters]:
        letters = self.find(("", -1, -1), len(self._index.dead), Chosen(state=LetterState.OPEN))
        found, places = Counter[tuple[str, str]](), defaultdict[tuple[str, str], int](int)
        for item in letters:
            key, place = (item["topic"], item["reason"]), (item["topic"], item["partition"], item["offset"])
            found[key] += 1
            places[key] ^= int.from_bytes(blake2b(repr(place).encode(), digest_size=8).digest(), "big")
        return [OpenLetters(*key, count, places[key]) for key, count in sorted(found.items())]

    def flooded(self, since: datetime, *, newest: int, floor: int, ratio: float) -> list[Flooded]:
        found = []
        for topic in sorted({item.topic for _, item in self._index.written}):
            read = bad = 0
            first: datetime | None = None
            # Whole seconds, the newest first, until they are so many.
            for second, messages, dead in self._seconds(topic, since):
                if read >= newest:
                    break
                read, bad = read + messages, bad + dead
                first = second if dead else first
            if first is None or bad <= floor or bad <= ratio * read:
                continue
            letters = self.find(
                (topic, -1, -1), len(self._index.dead), Chosen(topic=topic, state=LetterState.OPEN)
            )
            for letter in [item for item in letters if item["seen_at"] >= first - WRITTEN_LATER][:1]:
                place = (letter["topic"], letter["partition"], letter["offset"])
                found.append(Flooded(topic, read, bad, place, letter["reason"]))
        return found

    def note(self, done: Sequence[Done], now: datetime) -> None:
        with self._index.lock:
            self._index.done += [(now, item) for item in done]

    def _letter(self, place: Coordinates) -> dict[str, Any]:
        mine = sorted(
            ((at, item) for at, item in self._index.done if item.where == place), key=lambda entry: entry[0]
        )
        state = LetterState.DROPPED if mine and mine[-1][1].kind == "drop" else LetterState.OPEN
        if any(item.outcome == TAGGED for _, item in mine):
            state = LetterState.TAGGED
        return {
            **asdict(self._index.dead[place]),
            "state": state,
            "retries": sum(item.kind == "retry" for _, item in mine),
            "history": [
                {
                    "at": at,
                    "kind": item.kind,
                    "outcome": item.outcome or None,
                    "by": item.by,
                    "why": item.why or None,
                }
                for at, item in mine
            ],
        }

    def _seconds(self, topic: str, since: datetime) -> list[tuple[datetime, int, int]]:
        """Of each second of the ledger: messages and dead letters taken in, the newest first."""
        taken: dict[datetime, tuple[int, int]] = {}
        with self._index.lock:
            ranges = [(at, item) for at, item in self._index.written if item.topic == topic and at >= since]
        for at, item in ranges:
            second = at.replace(microsecond=0)
            messages, dead = taken.get(second, (0, 0))
            messages += item.events + item.dead + item.tombstones
            taken[second] = messages, dead + item.dead
        return [(second, *counts) for second, counts in sorted(taken.items(), reverse=True)]


def _admits(chosen: Chosen, letter: dict[str, Any]) -> bool:
    place = (letter["topic"], letter["partition"], letter["offset"])
    return (
        all(getattr(chosen, name) in (None, letter[name]) for name in ("topic", "reason", "state"))
        and (chosen.since is None or letter["seen_at"] >= chosen.since)
        and (chosen.until is None or letter["seen_at"] < chosen.until)
        and (not chosen.at or place in chosen.at)
    )
