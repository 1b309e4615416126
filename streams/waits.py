"""What a role waits for, told to whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence


class Waits:
    """Sentences by what they are about. Safe from several threads: the mapping is replaced, never changed."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def wait(self, what: str, sentence: str | None) -> None:
        """Something is waited for (`what` tells such things apart); None: no more."""
        if sentence is not None:
            self._said = {**self._said, what: sentence}
        elif what in self._said:
            self._said = {other: said for other, said in self._said.items() if other != what}

    def said(self) -> Sequence[str]:
        """What is waited for now."""
        return list(self._said.values())

    def rest(self) -> None:
        """Nothing is waited for: the role does not run."""
        self._said = {}
