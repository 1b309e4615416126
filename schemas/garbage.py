"""When nobody looks for garbage in cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Meanwhile the collector does not walk what this process holds, again and again and for nothing, where work holds
    ten thousands of objects without cycles. Of the whole process: the first who ends turns it on again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
