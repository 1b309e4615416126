"""Why an objection or a withdrawal of consent changes nothing: on what the use for these purposes rests. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

from schemas.catalogue import Catalogue
from schemas.tags import TagSet
from sinks.ports.lineage import Found
from streams.answers.report import only_described
from streams.answers.unjudged import judged

NOT_OBJECTED = "an objection does not reach that (GDPR Art. 21(1))"
NOT_WITHDRAWN = "a withdrawal of consent does not end that (GDPR Art. 7(3))"


def unreached_lines(
    found: Found,
    purposes: Collection[str],
    reached: Callable[[TagSet], Collection[str]],
    catalogue: Catalogue,
    why: str,
) -> list[str]:
    """For each purpose for which data of the person are used: where, on which bases (GDPR Art. 6(1)), and `why` the
    request does not reach that.

    `purposes`: those that were named, empty: all. `reached`: those of a tag set that the request does reach. Not of
    what is kept for the police alone: nobody is told of that.
    """
    systems: defaultdict[str, set[str]] = defaultdict(set)
    bases: defaultdict[str, set[str]] = defaultdict(set)
    for holding in judged(found, catalogue)[0].holdings:
        tags = holding.tags
        if only_described(tags, catalogue):
            continue
        for name in set(tags.purposes).intersection(purposes or tags.purposes).difference(reached(tags)):
            systems[name].add(tags.system)
            bases[name].add(tags.legal_basis.get(name, ""))
    lines = []
    for name in sorted(systems):
        letters = ", ".join(f"({letter})" for letter in sorted(bases[name]) if letter) or "no known basis"
        lines.append(f"{name} is used by {', '.join(sorted(systems[name]))} on {letters}; {why}")
    return lines
