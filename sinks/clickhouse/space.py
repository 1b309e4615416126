"""How much space is left where the embedded index lies, and what is not begun while it is too little.

Without space the engine ends merges as if all were well: what they wrote is broken, and what they were made of is
removed a little later. So there is a reserve below which nothing large is written.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from schemas.errors import IndexUnavailable

ANEW = "a table of the index is being read anew, which a full disk broke; repeat in a moment"
UNDONE = (
    "what was erased in a table of the index is being erased again, as a full disk broke what the erasure had written; "
    "it is done when there is space, repeat then"
)
_MEGABYTE = 1024 * 1024
# Read past an end, or not all; checksum, marks or a file that is missing; what cannot be parsed or decompressed.
_BROKEN = frozenset({27, 32, 33, 40, 107, 226, 228, 246, 271})
_NAMED = re.compile(r"part \S*?([\w-]+)/? in table \w+\.(\w+)")


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Space:
    """Of one folder. Safe from several threads; a look costs microseconds."""

    def __init__(
        self,
        folder: Path,
        reserve_mb: int,
        *,
        free: Callable[[Path], int] = _free,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._reserve = reserve_mb * _MEGABYTE
        self._read_free = free
        self._clock = clock
        self._left = 0
        self._low_at: float | None = None
        self._lock = threading.Lock()
        self._suspected: set[tuple[str, str]] = set()
        self._doubtful = False
        self.anew: frozenset[str] = frozenset()
        """Tables that are being read anew from their folders."""
        self.undone: frozenset[str] = frozenset()
        """Tables in which erasures that were done before are done again, as the part they had made was broken."""
        self.times = 0
        """How often tables were read anew: what was known of their parts before holds no longer."""

    def now(self) -> float:
        """Seconds of the clock that `low_since` goes by."""
        return self._clock()

    def low(self) -> bool:
        """Look: whether less than the reserve is free."""
        try:
            self._left = self._read_free(self._folder)
        except OSError:
            # Not there yet.
            return False
        if self._left >= self._reserve:
            return False
        self._low_at = self._clock()
        return True

    def low_since(self, begun: float) -> bool:
        """Look: whether it is low, or was seen to be by anybody since then."""
        return self.low() or (self._low_at is not None and self._low_at >= begun)

    def refuse(self) -> None:
        """Raises IndexUnavailable while it is low."""
        if self.low():
            raise IndexUnavailable(self.sentence())

    def sentence(self) -> str:
        """What is refused, and what to do."""
        return (
            f"{self._left // _MEGABYTE:,} MiB are free where the index lies ({self._folder}), "
            f"{self._reserve // _MEGABYTE:,} should be (INNSYN_DISK_RESERVE_MB): events and erasures wait until there"
            " is space; free some"
        )

    def suspect(self, error: str, *, code: int | None) -> None:
        """Note the part that the engine's error names; of one that tells of broken data and names none it may be any.

        `code`: of the engine; None: what came could not be read.
        """
        found = _NAMED.search(error)
        with self._lock:
            self._doubtful = self._doubtful or found is not None or code is None or code in _BROKEN
            if found:
                self._suspected.add((found[2], found[1]))

    def doubtful(self) -> bool:
        """Whether an error since the last call may tell of broken data."""
        with self._lock:
            doubtful, self._doubtful = self._doubtful, False
        return doubtful

    def suspected(self) -> set[tuple[str, str]]:
        """Table and part of what reading stumbled over since the last call."""
        with self._lock:
            taken, self._suspected = self._suspected, set()
        return taken
