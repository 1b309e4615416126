"""A job that erases from files in a folder: `python -m innsyn_sdk.files job.toml` (`innsyn-sdk[files]` for Parquet).

    state = "exports-job.sqlite"
    [files]
    folder = "/srv/exports"
    quiet_seconds = 60          # a file that changed more recently may still be written to: the command waits

`at` of a record is a pattern below the folder, such as `logins/**/*.ndjson`. NDJSON may be compressed (`.gz`, `.bz2`,
`.xz`); Parquet keeps its schema, metadata, row groups and compression. A file in which something is to go is written
anew beside itself, forced to disk and renamed over: at any moment it is the old one or the new one. What was counted is
noted before, so that a job which is killed counts the same. It works on a folder, not on an object store: mount one
only if a rename there replaces a file as a whole.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from innsyn_sdk import running
from innsyn_sdk.changing import Change
from innsyn_sdk.expiring import Expiring, expiring_of
from innsyn_sdk.expiry import Expiry
from innsyn_sdk.files_formats import Decide, Unreadable, named, rewrite_of
from innsyn_sdk.mapping import JobFile, NotAJob, RecordMapping
from innsyn_sdk.matching import NeedsPerson, Row, Rules, UnknownField, Whose, rules_of
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState
from innsyn_sdk.tally import Tally

SETTINGS: Mapping[str, type] = {"folder": str, "quiet_seconds": int}
SUFFIX = ".innsyn-tmp"
"""Of a file that is being written. What a killed job left is taken away by the next erasure."""
_NOTES = """
CREATE TABLE IF NOT EXISTS rewritten (
    command_id TEXT NOT NULL, path TEXT NOT NULL, stamp TEXT NOT NULL, record TEXT NOT NULL, deleted INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0, redacted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (command_id, path, stamp, record)
);
"""
_log = logging.getLogger(__name__)


class FilesStore:
    """Erases from files by a mapping. One process at a time: another one is refused while this one erases."""

    def __init__(
        self,
        folder: Path,
        records: Sequence[RecordMapping],
        state: Path,
        *,
        quiet_seconds: float = 60.0,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: seconds as the file system counts them."""
        self._folder, self._records, self._quiet = folder.resolve(), tuple(records), quiet_seconds
        self._today, self._now = today, now
        self._state = SqliteState(state)
        self._lock = state.with_name(f"{state.name}.lock")
        self._notes = sqlite3.connect(state, isolation_level=None, timeout=10.0)
        self._notes.executescript(f"PRAGMA synchronous = FULL; {_NOTES}")
        if all(name != "redacted" for _, name, *_ in self._notes.execute("PRAGMA table_info(rewritten)")):
            self._notes.execute("ALTER TABLE rewritten ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0")

    @property
    def state(self) -> SqliteState:
        return self._state

    def close(self) -> None:
        self._state.close()
        self._notes.close()

    def check(self) -> None:
        """That the folder is there, and every file is one that can be read and has what is mapped. Raises NotAJob,
        StoreUnavailable."""
        if not self._folder.is_dir():
            raise NotAJob(f"there is no folder {self._folder}")
        for mapping in self._records:
            found = self._files(mapping)
            if not found:
                # Files may come later, so the job starts.
                _log.warning(
                    "no file is at %s, where the job's file has %s; look whether `at` and `folder` are right",
                    *(self._folder / mapping.at, mapping.record),
                )
            for path in found:
                try:
                    rewrite_of(path).check(path, mapping)
                except Unreadable as error:
                    raise NotAJob(str(error)) from None

    def erase(self, command: Command) -> Outcome:
        """Everything the command means, file by file. Raises StoreUnavailable."""
        return self._once(command, lambda: rules_of(command, self._records, self._today()))

    def expire(self, expiry: Expiry) -> Outcome:
        """The same of what has run out."""
        return self._once(expiry, lambda: expiring_of(expiry, self._records, self._today()))

    def _once(
        self, command: Command | Expiry, read: Callable[[], Sequence[Rules] | Sequence[Expiring]]
    ) -> Outcome:
        try:
            rules = read()
            with self._alone():
                return self._erased(command, rules)
        except (UnknownField, NotAJob) as error:
            _log.error("the job's file does not fit: %s", error)
            return failed("unknown_field")
        except (NeedsPerson, Unreadable) as error:
            _log.error("%s", error)
            return failed("needs_person")
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"a file could not be read or written ({type(error).__name__})") from None

    def _erased(self, command: Command | Expiry, rules: Sequence[Rules] | Sequence[Expiring]) -> Outcome:
        self._settle(command.command_id)
        tally = Tally()
        for one in rules:
            if one.idle:
                continue
            for path in self._files(one.mapping):
                self._of_file(command.command_id, path, one, tally)
        # What this command deleted before a kill, or in an earlier attempt, is not met again.
        tally.deleted = self._noted(command.command_id, "deleted")
        if isinstance(command, Expiry):
            # Nor is what it blanked counted again: earlier commands may have blanked it as well.
            tally.redacted = self._noted(command.command_id, "redacted")
        return tally.outcome()

    def _of_file(self, command_id: str, path: Path, rules: Rules | Expiring, tally: Tally) -> None:
        counted = Tally()

        def decide(row: Row) -> Mapping[str, Any] | None:
            verdict = rules.decide(row)
            counted.add(rules.mapping.record, verdict)
            goes = verdict.delete and verdict.held is None
            return None if goes else {item.name: item.blank for item in verdict.blank}

        def note(new: Path) -> None:
            self._note(command_id, path, _stamp(new.stat()), rules.mapping.record, counted)

        if self._rewritten(path, rules.mapping, decide, note):
            self._settle(command_id)
        tally.redacted += counted.redacted
        tally.held += counted.held
        tally.undated += counted.undated
        if counted.review is not None and (tally.review is None or counted.review[0] < tally.review[0]):
            tally.review = counted.review

    def _rewritten(
        self, path: Path, mapping: RecordMapping, decide: Decide, note: Callable[[Path], None]
    ) -> bool:
        """Whether there was anything to change. `note`: is given the new file before it takes the old one's place."""
        rewrite, before = rewrite_of(path), self._quiet_since(path)
        rewrite.check(path, mapping)
        new = path.with_name(path.name + SUFFIX)
        new.unlink(missing_ok=True)
        changed = False

        def told(row: Row) -> Mapping[str, Any] | None:
            nonlocal changed
            said = decide(row)
            changed = changed or said is None or bool(said)
            return said

        try:
            rewrite.run(path, new, mapping, told)
            if changed:
                _as_it_was(new, before)
                if _stamp(path.stat()) != _stamp(before):
                    raise StoreUnavailable(f"{named(path)} changed while it was read")
                note(new)
                os.replace(new, path)
                _to_disk(path.parent)
        finally:
            new.unlink(missing_ok=True)
        return changed

    def _quiet_since(self, path: Path) -> os.stat_result:
        """What the file is like. Raises StoreUnavailable for one that may still be written to."""
        found = path.stat()
        if self._now() - found.st_mtime < self._quiet:
            raise StoreUnavailable(
                f"{named(path)} changed less than {self._quiet:.0f} s ago and may be written to"
            )
        return found

    @contextmanager
    def work(self) -> Iterator[FilesStore]:
        """See `innsyn_sdk.changing.Rows`: file by file."""
        try:
            with self._alone():
                yield self
        except NotAJob as error:
            raise UnknownField(str(error)) from None
        except Unreadable as error:
            raise NeedsPerson(str(error)) from None
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"a file could not be read or written ({type(error).__name__})") from None

    def read(self, whose: Whose) -> Iterator[Row]:
        """See `innsyn_sdk.changing.Pass`; within `work` alone, as `change`."""
        for path in self._files(whose.mapping):
            rewrite, before = rewrite_of(path), self._quiet_since(path)
            rewrite.check(path, whose.mapping)
            yield from rewrite.rows(path, whose.mapping)
            if _stamp(path.stat()) != _stamp(before):
                raise StoreUnavailable(f"{named(path)} changed while it was read")

    def change(self, mapping: RecordMapping, whose: Whose | None, decide: Change) -> int:
        count = 0

        def told(row: Row) -> Mapping[str, Any]:
            nonlocal count
            said = decide(row)
            count += said is not None
            return said or {}

        for path in self._files(mapping):
            self._rewritten(path, mapping, told, lambda _: None)
        return count

    def _note(self, command_id: str, path: Path, stamp: str, record: str, counted: Tally) -> None:
        """Before the rename, on disk."""
        self._notes.execute(
            "INSERT OR REPLACE INTO rewritten (command_id, path, stamp, record, deleted, redacted)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                command_id,
                str(path.relative_to(self._folder)),
                stamp,
                record,
                counted.deleted[record],
                counted.redacted[record],
            ),
        )

    def _settle(self, command_id: str) -> None:
        """Notes of renames that were done stay; the others go, since a killed job came no further."""
        query = "SELECT rowid, path, stamp FROM rewritten WHERE command_id = ? AND NOT settled"
        for row, path, stamp in self._notes.execute(query, (command_id,)).fetchall():
            try:
                done = _stamp((self._folder / path).stat()) == stamp
            except FileNotFoundError:
                done = False
            text = "UPDATE rewritten SET settled = 1" if done else "DELETE FROM rewritten"
            self._notes.execute(f"{text} WHERE rowid = ?", (row,))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process with this state erases. Raises StoreUnavailable."""
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreUnavailable(f"another process holds {self._lock}") from None
            yield

    def _noted(self, command_id: str, column: str) -> Counter[str]:
        query = (
            f"SELECT record, sum({column}) FROM rewritten WHERE command_id = ?"
            f" GROUP BY record HAVING sum({column}) > 0"
        )
        return Counter(dict(self._notes.execute(query, (command_id,)).fetchall()))

    def _files(self, mapping: RecordMapping) -> list[Path]:
        """Files of the pattern, each once. What cannot be erased everywhere is refused: a link out of the folder, a
        linked folder, which `**` passes over, and a file that has a second name. Raises NotAJob, and StoreUnavailable
        for a folder that cannot be read, which any pattern passes over."""
        self._refuse_linked_folders(mapping.at)
        self._refuse_unreadable_folders(mapping.at)
        found = set()
        for path in self._folder.glob(mapping.at):
            if path.name.endswith(SUFFIX) or not path.is_file():
                continue
            real = path.resolve()
            if not real.is_relative_to(self._folder):
                raise NotAJob(
                    f"{named(path)} leads out of {self._folder}; map what it leads to by its own folder"
                )
            if (names := real.stat().st_nlink) > 1:
                raise NotAJob(
                    f"{named(real)} has {names} names (hard links), and rows would stay under the others; leave it one"
                )
            found.add(real)
        return sorted(found)

    def _refuse_linked_folders(self, pattern: str) -> None:
        before, everywhere, _ = pattern.partition("**")
        roots = self._folder.glob(before.rstrip("/")) if before else [self._folder]
        for above, folders, _ in (found for root in roots if everywhere for found in os.walk(root)):
            for path in (Path(above, name) for name in folders):
                if path.is_symlink():
                    raise NotAJob(
                        f"{named(path)} is a link to a folder, which ** passes over; map what it leads to"
                        " by its own folder, or move the link out of this one"
                    )

    def _refuse_unreadable_folders(self, pattern: str) -> None:
        """Those in which the pattern looks. Raises StoreUnavailable."""
        *above, last = PurePosixPath(pattern).parts
        names = [*above, "**"] if last == "**" else above
        deep = next((nth for nth, name in enumerate(names) if set(name) & set("*?[")), len(names))
        levels = None if "**" in names else len(names) - deep
        start = self._folder.joinpath(*names[:deep])
        for found, folders, _ in os.walk(start, onerror=_refuse):
            if levels is not None and len(Path(found).relative_to(start).parts) >= levels:
                folders.clear()


def _refuse(error: OSError) -> None:
    # One that is not there may come later.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise StoreUnavailable(
            f"{named(Path(error.filename))} is a folder that cannot be read ({type(error).__name__}); let the job's"
            " user read it"
        )


def _stamp(stat: os.stat_result) -> str:
    return f"{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"


def _as_it_was(new: Path, before: os.stat_result) -> None:
    """Rights and owner of the old file, and its time: it is no file that somebody still writes to. A millisecond more,
    so that a backup which goes by times takes it. On disk when this returns."""
    with new.open("rb+") as file:
        os.fchmod(file.fileno(), before.st_mode & 0o7777)
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
        os.fsync(file.fileno())


def _to_disk(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def store_of(file: JobFile) -> FilesStore:
    """The store of a job's file. Raises NotAJob."""
    if file.state is None:
        raise NotAJob(f"{file.path} needs `state`, the file in which the job remembers what it did")
    folder = file.path.parent / file.text("files", "folder")
    return FilesStore(
        folder, file.records, file.state, quiet_seconds=float(file.own["files"].get("quiet_seconds", 60))
    )


if __name__ == "__main__":
    sys.exit(running.main("files", SETTINGS, store_of))
