"""Memory of a tagger over days: garbage collected, and given back to the machine, between batches."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.garbage import uncollected

_EVERY_SECONDS = 30.0
_libc = ctypes.CDLL(None)


class Memory:
    """Housekeeping of one process; not for several threads."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _EVERY_SECONDS

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Meanwhile garbage is collected by `tidy` alone."""
        with uncollected():
            yield

    def tidy(self) -> None:
        """Twice a minute: collect, and hand back what was freed. Costs some 0.1 s; else nothing."""
        if time.monotonic() < self._due:
            return
        gc.collect()
        # glibc keeps what librdkafka's threads free in 64 MiB pieces of their own, gigabytes after some restarts of
        # a broker. Another C library may have no such call.
        if hasattr(_libc, "malloc_trim"):
            _libc.malloc_trim(0)
        self._due = time.monotonic() + _EVERY_SECONDS
