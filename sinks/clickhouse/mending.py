"""Stops merges of the embedded index while its disk is nearly full, and has what broke all the same read anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import structlog

from schemas.counted import counted
from schemas.errors import IndexUnavailable, place_of
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.parts import (
    Part,
    all_parts,
    covered,
    drop,
    lost,
    named,
    sentences,
    set_aside,
    sound,
    undone,
    written_since,
)
from sinks.clickhouse.space import UNDONE, Space

_LOOK_SECONDS = 0.2
_CHECK_SECONDS = 1.0
_LOST_SECONDS = 5.0
_DOUBT_SECONDS = 10.0
_MOST_KNOWN = 10_000
# Merges may have begun before, and end after, what was seen of the disk.
_MARGIN_SECONDS = 15.0
# Of a question that still reads a table while that is to be read anew.
_PATIENCE_SECONDS = 2.0
# Longer than any of this takes, as from then on what a broken part was made of is gone; the engine's own is 0.
SOURCES_KEPT_SECONDS = 90
_log = structlog.get_logger(__name__)


class Mending:
    """Of one embedded index, on a thread of its own: `run`. Other methods are safe from any thread."""

    def __init__(self, index: ClickHouse, space: Space) -> None:
        """`space`: the index's own."""
        self._index = index
        self._space = space
        self._clock = space.now
        self._low_from: float | None = None
        self._sources_kept = self._stopped = False
        self._sound: set[Part] = set()
        self._broken: dict[tuple[str, str], str] = {}
        self._lost: Sequence[str] = ()
        self._looked_at = self._checked_at = self._doubted_at = float("-inf")

    def problems(self) -> Sequence[str]:
        """What is not in the index as it should be. Never waits."""
        anew = [f"{table} is being read anew after a full disk" for table in sorted(self._space.anew)]
        again = [f"{table}: {UNDONE}" for table in sorted(self._space.undone)]
        return [*anew, *again, *self._broken.values(), *self._lost]

    def run(self, stop: threading.Event) -> None:
        """Until it is told to stop. What the engine refuses meanwhile is tried again."""
        looker = threading.Thread(target=self._look_on, args=(stop,), name="space", daemon=True)
        looker.start()
        while not stop.is_set():
            try:
                self.turn()
            except IndexUnavailable as error:
                _log.warning("mending.again", error=str(error))
            except Exception as error:  # noqa: BLE001 - what is broken may break off an answer anywhere
                _log.error("mending.again", error=place_of(error))
            stop.wait(_LOOK_SECONDS)
        looker.join()

    def turn(self) -> None:
        """One look, and what follows from it. Raises IndexUnavailable: call it again."""
        self._attach()
        if self._space.undone:
            self._space.undone &= undone(self._index)
        if self._low_from is None and self._space.low_since(self._looked_at):
            self._low_from = self._clock()
        self._looked_at = self._clock()
        if self._low_from is not None:
            self._while_low(self._low_from)
        if suspected := self._space.suspected():
            self._mend(named(self._index, suspected))
        if suspected or (self._clock() - self._doubted_at >= _DOUBT_SECONDS and self._space.doubtful()):
            # What else the same moment broke is found before somebody stumbles over it. An answer that breaks off may
            # not say why.
            self._doubted_at = self._clock()
            self._mend(written_since(self._index, SOURCES_KEPT_SECONDS))
        if self._clock() - self._checked_at >= _LOST_SECONDS:
            self._checked_at = self._clock()
            self._look_for_lost()
        if not self._sources_kept and self._low_from is None:
            keep_sources(self._index)
            self._sources_kept = True

    def _look_on(self, stop: threading.Event) -> None:
        # Apart, so that no moment without space is missed while something else is done.
        while not stop.is_set():
            self._space.low()
            stop.wait(_LOOK_SECONDS)

    def _while_low(self, begun: float) -> None:
        low = self._space.low()
        if not self._stopped:
            _log.warning("merges.stopped", why=self._space.sentence())
        if not self._stopped or low:
            # Those that run are ended; said again, as it does not hold for a table attached since.
            self._index.command("SYSTEM STOP MERGES")
            self._stopped = True
        if low and self._clock() - self._checked_at < _CHECK_SECONDS:
            return
        self._checked_at = self._clock()
        merging = self._index.query("SELECT count() FROM system.merges")[0][0]
        self._mend(written_since(self._index, self._clock() - begun + _MARGIN_SECONDS))
        self._look_for_lost()
        if not low and not merging and not self._space.anew:
            self._index.command("SYSTEM START MERGES")
            self._stopped, self._low_from = False, None
            _log.info("merges.started")

    def _mend(self, parts: Iterable[Part]) -> None:
        """Read anew each table with a part that is broken and can be had again."""
        # A part never changes: one that was sound is.
        unknown = [part for part in dict.fromkeys(parts) if part not in self._sound]
        broken = [part for part in unknown if not sound(self._index, part)]
        self._sound.update(set(unknown) - set(broken))
        if len(self._sound) > _MOST_KNOWN:
            self._sound.clear()
        again: set[str] = set()
        unfinished: set[tuple[str, str]] = set()
        for part in broken:
            _log.error("part.broken", table=part.table, part=part.name, rows=part.rows)
            if covered(part, all_parts(self._index, part.table)):
                again.add(part.table)
            elif part.first == part.last and self._low_from is not None:
                # Of an insert that nobody was told had succeeded: while the disk is full `ClickHouse` says so of none
                # before it has looked at what was written.
                again.add(part.table)
                unfinished.add((part.table, part.name))
            else:
                rows = "rows unknown" if part.rows is None else counted(part.rows, "row")
                self._broken[part.table, part.name] = (
                    f"part {part.name} of {part.table} ({rows}) is broken on the disk, and what it was made of is gone:"
                    " restart innsyn, which sets it aside and says how its rows come back"
                )
        if again:
            self._read_anew(again, unfinished)

    def _read_anew(self, tables: set[str], unfinished: set[tuple[str, str]]) -> None:
        """The engine then sets aside what is broken, and uses what that was made of."""
        self._space.anew |= tables
        for table in sorted(tables):
            self._index.command(f"DETACH TABLE {table}")
        self._attach()
        for item in set_aside(self._index):
            if any(
                item.part.table == table and item.part.name.endswith(f"_{name}") for table, name in unfinished
            ):
                drop(self._index, item)
        self._space.undone &= undone(self._index)
        self._look_for_lost()

    def _attach(self) -> None:
        """Take tables back that were let go. The engine refuses while a statement still reads one."""
        begun = self._clock()
        for table in sorted(self._space.anew):
            while True:
                try:
                    self._index.command(f"ATTACH TABLE IF NOT EXISTS {table}")
                except IndexUnavailable:
                    waited = self._clock() - begun
                    if waited > 2 * _PATIENCE_SECONDS:
                        raise
                    if waited > _PATIENCE_SECONDS:
                        self._index.command(
                            f"KILL QUERY WHERE position(query, '{table}') > 0 AND query NOT LIKE 'ATTACH%'"
                            " AND query NOT LIKE 'KILL%' ASYNC"
                        )
                    time.sleep(0.02)
                else:
                    break
            self._space.undone |= {table}
            self._space.times += 1
            self._space.anew -= {table}
            _log.warning("table.again", table=table, seconds=round(self._clock() - begun, 3))
            if self._stopped:
                self._index.command("SYSTEM STOP MERGES")

    def _look_for_lost(self) -> None:
        self._lost = sentences(lost(self._index))
        if self._broken:
            standing = {(part.table, part.name) for part in named(self._index, self._broken)}
            self._broken = {key: line for key, line in self._broken.items() if key in standing}


def keep_sources(index: ClickHouse) -> None:
    """Have every table keep for a while what its parts were merged from."""
    rows = index.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        " AND position(engine_full, 'old_parts_lifetime') = 0"
    )
    for (name,) in rows:
        index.command(f"ALTER TABLE {name} MODIFY SETTING old_parts_lifetime = {SOURCES_KEPT_SECONDS}")
