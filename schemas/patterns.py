"""Patterns that a company writes: whether they may be taken, and whether a text is one as a whole.

Matching is by the engine of pydantic, Rust's regex: it takes time in proportion to pattern and text, so no pattern can
hang a tagger. What such an engine cannot do (references back, looking around) is refused with the pattern.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST_PATTERN = 200
LONGEST_VALUE = 256
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
# A pattern is as large as its counts multiplied, and so is the time that it takes with each character.
_MOST_COUNTED = 10_000


def wrong_pattern(pattern: str) -> str | None:
    """Why a pattern is not taken, and what to write; None if it is."""
    if len(pattern) > LONGEST_PATTERN:
        return f"has more than {LONGEST_PATTERN} characters; say less of the form"
    if not (pattern.isascii() and pattern.isprintable()):
        return "has characters beyond ASCII, or that show nothing; write ASCII, such as \\p{L} for any letter"
    counts = [max(int(low), int(high or 0)) for low, high in _COUNT.findall(pattern)]
    if math.prod(max(count, 1) for count in counts) > _MOST_COUNTED:
        return f"counts too far: its {{...}} multiply to more than {_MOST_COUNTED}; say less of the form"
    for text in (pattern, _whole(pattern)):
        try:
            _engine(text)
        except SchemaError as error:
            reason = str(error).strip().rsplit("\n", 1)[-1].strip().removeprefix("error: ").rstrip(".")
            return f"is no pattern ({reason}); write one such as K-[0-9]{{6}}"
    if matcher(pattern)(""):
        return "is also that of an empty text; say what there has to be"
    return None


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text as a whole is of the pattern."""
    return _engine(_whole(pattern)).isinstance_python


def _engine(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"
