"""The token keys of an installation: those that the index knows, proven to be the ones in the key folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from schemas.errors import KeyUnavailable
from schemas.keys import Keyring, KnownKey
from schemas.tokens import Tokenizer
from sinks.ports.keys import KeyEntry, KeyRegister

IN_FORCE, RETIRED, KEPT = "in_force", "retired", "kept"


def alive(entries: Sequence[KeyEntry]) -> tuple[KnownKey, ...]:
    """The keys under which there may be something in the index; the last one is in force."""
    known: dict[str, KnownKey] = {}
    for entry in entries:
        known.pop(entry.key_id, None)
        key = KnownKey(entry.key_id, entry.check)
        if entry.kind == IN_FORCE:
            known[entry.key_id] = key
        elif entry.kind == KEPT:
            known = {entry.key_id: key, **known}
    return tuple(known.values())


class TokenKeys:
    """Gives the tokenizers that the index is asked and written with. Safe from several threads.

    The index says which keys that are: an answer under another key would be "nothing", and nobody would notice.
    """

    def __init__(self, keyring: Keyring, register: KeyRegister, clock: Callable[[], datetime]) -> None:
        self._keyring = keyring
        self._register = register
        self._clock = clock
        self._lock = threading.Lock()
        self._proven: tuple[tuple[KnownKey, ...], Tokenizer] | None = None
        self._changes = 1

    def rotated(self) -> int:
        """How often the keys of the index changed since the first one, as of the last look; 1 before any look."""
        return self._changes

    def tagging(self) -> Tokenizer:
        """The tokenizer that new rows are made with, as `prove`: of the key in force, with those of the older ones."""
        self.prove()
        return self._keyring.tagging(alive(self._register.entries()))

    def prove(self, *, make: bool = False) -> Tokenizer:
        """The tokenizer that the index is asked with; its key is recorded in an index that knows none yet.

        `make`: make the key if there is none and the index is empty. Raises KeyUnavailable, with the mend, where the
        index knows a key that is not in the folder; IndexUnavailable.
        """
        if not alive(self._register.entries()):
            self._record(make)
        return self.tokenizer()

    def tokenizer(self) -> Tokenizer:
        """As `prove`, of an index that knows its key. The keys are looked at again when the index knows others."""
        entries = self._register.entries()
        known = alive(entries)
        self._changes = max(len(entries) - 1, 0)
        with self._lock:
            if self._proven is not None and known and self._proven[0] == known:
                return self._proven[1]
            if not known and (missing := self._register.used() - self._keyring.held().keys()):
                raise _lost(missing, self._keyring)
            retired = any(entry.kind == RETIRED for entry in entries)
            made = self._keyring.tokenizer(known, retired=retired)
            self._proven = known, made
            return made

    def _record(self, make: bool) -> None:
        used, held = self._register.used(), self._keyring.held()
        if missing := used - held.keys():
            raise _lost(missing, self._keyring)
        if not held:
            if not self._register.empty():
                raise KeyUnavailable(
                    f"the index is not empty and there is no key in {self._keyring.folder}; restore the folder from"
                    " your key backup, or set INNSYN_KEYS_DIR to where it is"
                )
            if not make:
                self._keyring.tokenizer()  # raises, and says what to do
            self._keyring.make()
            held = self._keyring.held()
        # From before the index knew keys: the folder's first file is the key that rows are made with.
        chosen = [key for key_id, key in held.items() if key_id in used or len(held) == 1]
        if not chosen:
            self._keyring.tokenizer()  # raises: several, and nothing says which
        for sequence, key in enumerate(reversed(chosen)):
            entry = KeyEntry(sequence, IN_FORCE, key.key_id, key.check, self._clock())
            if not self._register.append(entry):
                # Another host was first; whether its keys are ours is looked at next.
                return


def _lost(missing: set[str], keyring: Keyring) -> KeyUnavailable:
    """The refusal for an index from before it kept a register of its keys."""
    names, there = ", ".join(sorted(missing)), ", ".join(keyring.held()) or "none"
    return KeyUnavailable(
        f"the index was made with token key {names}, and {keyring.folder} holds {there}; restore that key from your key"
        " backup, or set INNSYN_KEYS_DIR to where it is"
    )
