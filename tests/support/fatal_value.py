"""A tagger that ends its process over one value, as a fault in a library would: also in a process that tries it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from schemas.keys import Keyring
from schemas.tokens import IdentifierKind, Tokenizer, TokenPairs

FATAL = "198.51.100.66"


def die(how: str) -> None:
    if how == "exit":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGSEGV if how == "segfault" else signal.SIGKILL)


class FatalTokenizer(Tokenizer):
    """Ends the process when it is given the fatal value: `how` as in `die`; "raise" and "well" do not."""

    how = "well"

    @classmethod
    def like(cls, tokenizer: Tokenizer, how: str, pairs: TokenPairs | None = None) -> FatalTokenizer:
        made = cls(tokenizer._key, tokenizer.key_id, tokenizer._realms, tokenizer.older, pairs)
        made.how = how
        return made

    def pairing(self, pairs: TokenPairs) -> FatalTokenizer:
        return self.like(self, self.how, pairs)

    def tokens_of(self, kind: IdentifierKind, form: str | None = None) -> Callable[[str], bytes]:
        usual = super().tokens_of(kind, form)

        def token(value: str) -> bytes:
            if value == FATAL and self.how != "well":
                die(self.how)
            return usual(value)

        return token


class FatalKeyring(Keyring):
    how = "well"

    def tokenizer(self, *known: object, retired: bool = False) -> Tokenizer:
        return FatalTokenizer.like(super().tokenizer(), self.how)
