"""What a role waits for, told to whoever watches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class Waits:
    """Sentences by what they are about. Safe from several threads: each call is one operation on a dict."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._waiting: dict[str, str] = {}
        self._doing: dict[str, tuple[float, float, str]] = {}

    def wait(self, what: str, sentence: str | None) -> None:
        """Something is waited for (`what` tells such things apart); None: no more."""
        if sentence is not None:
            self._waiting[what] = sentence
        else:
            self._waiting.pop(what, None)

    def begin(self, what: str, sentence: str, patience: float) -> None:
        """Something is begun that should `end` within `patience` seconds: after them `sentence` is a problem."""
        self._doing[what] = self._now(), patience, sentence

    def end(self, what: str) -> None:
        """It has ended, as well or badly as it may."""
        self._doing.pop(what, None)

    def said(self) -> Sequence[str]:
        """What is waited for, and what takes too long."""
        now = self._now()
        late = [
            f"{sentence} for {now - begun:.0f} s"
            for begun, patience, sentence in list(self._doing.values())
            if now - begun > patience
        ]
        return [*list(self._waiting.values()), *late]

    def rest(self) -> None:
        """The role does not run: that nothing goes on is no problem of its own."""
        self._waiting.clear()
        self._doing.clear()
