"""What a free text names, for whoever decides whether a person may be given it: by the tagger's own scan."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import InvalidIdentifier, place_of
from schemas.identifiers import IdentifierKinds, canonical
from streams.rights.copies_redacted import Mentions
from streams.tagging.scan import DEFAULT, Finding, Recogniser, load_recognisers, scan

NOT_LOOKED_THROUGH = "not looked through"


def mentions_in(kinds: IdentifierKinds, recognisers: Sequence[Recogniser] | None = None) -> Mentions:
    """What gives a word for each thing that a text names, and its one spelling where it is an identifier.

    More than the tagger counts: also what may be an identifier and is not proven to be one. `recognisers`: plug-ins,
    those that are installed by default; a text that one fails on has to be read.
    """
    plugged = load_recognisers() if recognisers is None else recognisers

    def mentions(text: str) -> list[tuple[str, str | None]]:
        found = list(scan(text))
        said: list[tuple[str, str | None]] = []
        if len(text) > DEFAULT.longest:
            said.append((f"{NOT_LOOKED_THROUGH} to its end", None))
        for recogniser in plugged:
            try:
                found += recogniser(text)
            except Exception as error:  # noqa: BLE001 - a stranger's code; the text is read by a person then
                said.append((f"{NOT_LOOKED_THROUGH} ({place_of(error)})", None))
        return said + [_said(item, kinds) for item in found]

    return mentions


def _said(finding: Finding, kinds: IdentifierKinds) -> tuple[str, str | None]:
    """By the name of the company's kind where it has one, so that the person's own are known again."""
    if finding.identifier is None:
        return finding.kind, None
    found_as, value = finding.identifier
    kind = kinds.found.get(found_as) or kinds.get(found_as)
    if kind is None:
        return finding.kind, None
    try:
        return kind.name, canonical(kind, value)
    except InvalidIdentifier:
        return finding.kind, None
