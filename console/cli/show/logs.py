"""What reaches standard error beside answers: log lines of ours, never a library's own words."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from schemas.errors import place_of


def quiet_libraries(level: str) -> None:
    """Keep the libraries' own log lines off standard error, unless `level` is debug: what matters of them becomes an
    error or a log line of ours, and theirs may quote a statement, an address or a value."""
    root = logging.getLogger()
    if level == "debug":
        logging.basicConfig(level=logging.INFO)
    elif not root.handlers:
        root.addHandler(logging.NullHandler())


def quiet_threads() -> None:
    """What ends a thread is told in one line without a value, not as a traceback of whoever wrote the thread."""

    def ended(given: Any) -> None:
        name = given.thread.name if given.thread else "a thread"
        _say_bug(f"{name} ended", given.exc_value)

    if os.environ.get("INNSYN_LOG_LEVEL") != "debug":
        threading.excepthook = ended
        sys.unraisablehook = lambda given: _say_bug("something was given up", given.exc_value)


def _say_bug(what: str, error: BaseException | None) -> None:
    if error is None or isinstance(error, SystemExit) or sys.stderr is None:
        return
    sys.stderr.write(f"innsyn: {what} ({place_of(error)}); INNSYN_LOG_LEVEL=debug shows more\n")


def configure_logging(level: str) -> None:
    """Structured log lines, JSON, on standard error; `level` as in INNSYN_LOG_LEVEL."""
    import structlog

    quiet_libraries(level)

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
