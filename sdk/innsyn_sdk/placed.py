"""Where a handler raised, for a log that must not hold the text of an error: it may name somebody."""

from __future__ import annotations

import traceback
from pathlib import Path

_OUTSIDE = ("job.py", "copies.py", "outcome.py")
"""Files of this package between the job and a handler."""


def placed(error: BaseException) -> str:
    """The class of an error, and by file and line where the handler raised it: the innermost place in the handler's own
    file, then where that is in another file the innermost of all."""
    here = Path(__file__).parent
    frames = [
        (Path(frame.filename), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not (Path(frame.filename).parent == here and Path(frame.filename).name in _OUTSIDE)
    ]
    name = type(error).__name__
    if not frames:
        return name
    own = [frame for frame in frames if frame[0] == frames[0][0]][-1]
    places = [own] if own == frames[-1] else [own, frames[-1]]
    return f"{name} at " + ", in ".join(f"{path.name}:{line}" for path, line in places)
