"""Lists of words, looked up by word or by stem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

T = TypeVar("T")

_REMEMBERED = 65_536
_STEM = 3


class Lexicon(Generic[T]):
    """Looks words up. `entries`: a word in lower case, or a stem and `*` for any ending, with what it means."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, list[T]] = defaultdict(list)
        self._stems: dict[str, list[tuple[str, T]]] = defaultdict(list)
        for word, meaning in entries:
            if word.endswith("*"):
                self._stems[word[:_STEM]].append((word[:-1], meaning))
            else:
                self._whole[word].append(meaning)
        # Most words come again and again: what is remembered is answered in a tenth of the time.
        self.find = lru_cache(_REMEMBERED)(self._find)

    def _find(self, word: str) -> tuple[T, ...]:
        """Everything the word may mean, whole words first; a joined word that is not listed means what its parts do."""
        word = word.rstrip("-")
        stems = [meaning for stem, meaning in self._stems.get(word[:_STEM], ()) if word.startswith(stem)]
        found = (*self._whole.get(word, ()), *stems)
        if found or "-" not in word:
            return found
        first, _, last = word.partition("-")
        return *self.find(first), *self.find(last.rpartition("-")[2])


def read(name: str) -> dict[str, Any]:
    """A file of this folder."""
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return content
