"""What a tagger works on, on disk, so that the next start knows what a process died over.

An offset that ends the process would do so again after every start. So the tagger notes which offsets it decodes before
it does, and what one died over goes through narrower notes:

- `batch`: after a death its offsets are `suspects`. The next start reads them in chunks and notes each before;
- `chunk`: after a death its offsets are `pinned`: processes ended twice over one of them. The next start tries them in
  a process of its own (`trial`), and sets aside what ends that. Where nothing does, it reads them one at a time and
  notes each before;
- `alone`: after a death that offset is `fatal`, and set aside.

Whatever the cause: a kernel that kills, a fault in a library. Somebody's `kill -9` costs the next start some seconds;
only a third one can set a message aside that is fine. It is a dead letter, and a retry tags it.

One write for a batch, without fsync: the note has to outlive a process, not a machine. Each host keeps its own: an
offset that goes on to another host with its partition may end that one's process twice as well, and no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

_log = structlog.get_logger(__name__)
Offset = tuple[str, int, int]  # topic, partition as the index numbers it, offset
_MOST_TAGGERS = 256


@dataclass(frozen=True)
class Suspects:
    """Offsets of one partition from `first` to `last`, both included: one of them may be fatal."""

    topic: str
    partition: int
    first: int
    last: int

    def among(
        self, topic: str, partition: npt.NDArray[np.int32], offset: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Which of the messages of one topic are suspects."""
        if topic != self.topic:
            return np.zeros(len(offset), np.bool_)
        found: npt.NDArray[np.bool_] = (
            (partition == self.partition) & (offset >= self.first) & (offset <= self.last)
        )
        return found


def suspects_of(
    topic: str, partition: npt.NDArray[np.int32], offset: npt.NDArray[np.int64]
) -> list[Suspects]:
    """Of messages that lie in order within each partition. Without a loop over them: for every batch."""
    least = int(partition.min())
    place = partition - least
    first = np.full(int(place.max()) + 1, -1, np.int64)
    last = first.copy()
    # Of several values for one place the one that is assigned last stands.
    last[place] = offset
    first[place[::-1]] = offset[::-1]
    return [
        Suspects(topic, least + at, int(first[at]), int(last[at]))
        for at in np.flatnonzero(last >= 0).tolist()
    ]


class Journal:
    """The note of one tagger. Not for several threads.

    `suspects`, `pinned` and `fatal`: what earlier processes died over, see above. `died`: one of them ended without
    closing its note, whatever it was at: it may have died over what it was only fetching.
    """

    def __init__(self, folder: Path) -> None:
        """Take what taggers of this folder left that run no more. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.suspects: tuple[Suspects, ...] = ()
        self.pinned: tuple[Suspects, ...] = ()
        self.fatal: frozenset[Offset] = frozenset()
        self.died = False
        self._now: dict[str, object] = {}
        self._waiting = False
        self._open = True
        self._file, self._path = -1, folder
        left = []
        for number in range(_MOST_TAGGERS):
            path = folder / f"tagger-{number}.journal"
            if self._file >= 0 and not path.exists():
                continue
            taken = _locked(path)
            if taken is None:
                continue
            self._read(path, taken)
            if self._file < 0:
                self._file, self._path = taken, path
            else:
                left.append((path, taken))
        if self._file < 0:
            raise OSError(f"{_MOST_TAGGERS} taggers have their journals in {folder}")
        self._write({})
        for path, taken in left:
            path.unlink(missing_ok=True)
            os.close(taken)

    def begin(self, batch: Iterable[Suspects]) -> None:
        """These are decoded now. Cheap: for every batch."""
        self._write({"batch": [_plain(item) for item in batch]})

    def again(self, chunk: Iterable[Suspects]) -> None:
        """These, over which a process may have ended before, are decoded now."""
        self._write({"chunk": [_plain(item) for item in chunk]})

    def alone(self, offset: Offset) -> None:
        """This one is decoded now, and nothing else."""
        self._write({"alone": offset})

    def rest(self) -> None:
        """Nothing is decoded now: whoever ends the process ends it over none of these."""
        self._write({})

    def wait(self) -> None:
        """Nothing is decoded until `resume`. Safe to repeat."""
        now = self._now
        self._write({})
        self._now, self._waiting = now, True

    def resume(self) -> None:
        """Go on with what was noted before `wait`. Costs nothing where nobody waits."""
        if self._waiting:
            self._write(self._now)

    def died_over(self, offset: Offset) -> None:
        """It is fatal, also without a death: something else than a process ended over it."""
        self.fatal |= {offset}
        self._write({})

    def suspect(self, batch: Iterable[Suspects]) -> None:
        """One of these is fatal."""
        self.suspects = (*self.suspects, *batch)
        self._write({})

    def passed(self, at: Mapping[tuple[str, int], int]) -> None:
        """The ledger goes on at these offsets: what lies before them is in the index."""
        if self._clear:
            return
        self.suspects, self.pinned = (
            tuple(item for item in items if at.get((item.topic, item.partition), 0) <= item.last)
            for items in (self.suspects, self.pinned)
        )
        self.fatal = frozenset(item for item in self.fatal if at.get(item[:2], 0) <= item[2])
        self._write({})

    def close(self, *, clean: bool) -> None:
        """`clean`: nothing of the batch at hand ended this process. What earlier ones left stays noted."""
        if clean:
            self._open = False
            self._write({})
            if self._clear:
                self._path.unlink(missing_ok=True)
        os.close(self._file)

    @property
    def _clear(self) -> bool:
        return not (self.suspects or self.pinned or self.fatal)

    def _write(self, now: dict[str, object]) -> None:
        self._now, self._waiting = now, False
        if not self._open:
            now = {**now, "closed": True}
        if not self._clear:
            now = {
                **now,
                "suspects": [_plain(item) for item in self.suspects],
                "pinned": [_plain(item) for item in self.pinned],
                "fatal": sorted(self.fatal),
            }
        # What is left of a longer note before it lies behind the end of the line.
        os.pwrite(self._file, json.dumps(now).encode() + b"\n", 0)

    def _read(self, path: Path, file: int) -> None:
        size = os.fstat(file).st_size
        line = os.pread(file, size, 0).partition(b"\n")[0]
        if not line:
            return
        try:
            found = json.loads(line)
            suspects, pinned = (
                [_suspects(item) for name in names for item in found.get(name, ())]
                for names in (("batch", "suspects"), ("chunk", "pinned"))
            )
            fatal = [_offset(item) for item in found.get("fatal", ())]
            died = not found.get("closed", False)
            if "alone" in found:
                fatal.append(_offset(found["alone"]))
        except (ValueError, TypeError, AttributeError):
            # A note cannot be half: somebody else wrote here. Without it only the way to the fatal offset is longer.
            _log.warning("journal.unreadable", file=str(path))
            return
        self.suspects = tuple(dict.fromkeys((*self.suspects, *suspects)))
        self.pinned = tuple(dict.fromkeys((*self.pinned, *pinned)))
        self.fatal |= set(fatal)
        self.died |= died


def _locked(path: Path) -> int | None:
    """The file, made where it is not there; None: a tagger that runs has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Removed between opening and locking: by another start, that took what was in it.
        if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
            return file
    except BlockingIOError:
        pass
    with contextlib.suppress(OSError):
        os.close(file)
    return None


def _plain(item: Suspects) -> list[object]:
    return [item.topic, item.partition, item.first, item.last]


def _suspects(item: Sequence[object]) -> Suspects:
    topic, partition, first, last = item
    return Suspects(str(topic), int(str(partition)), int(str(first)), int(str(last)))


def _offset(item: Sequence[object]) -> Offset:
    topic, partition, offset = item
    return str(topic), int(str(partition)), int(str(offset))
