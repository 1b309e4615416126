"""Who was given data of a person, and so is to be told when they are erased (GDPR Art. 19). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sinks.ports.lineage import Found

if TYPE_CHECKING:
    from streams.answers.plan import Part


def given_to(found: Found, parts: Iterable[Part]) -> tuple[str, ...]:
    """Recipients of what goes by a plan, each once; also ones that the catalogue does not know.

    Not of what is kept for the police alone: nobody is told that there is such a thing.
    """
    going = {part.tag_set for part in parts if part.action == "erase_now" and not part.locked}
    given = (item.tags.recipients for item in found.holdings if item.tags.id in going)
    return tuple(sorted({name for names in given for name in names}))
