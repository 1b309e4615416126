"""What a person may take along (GDPR Art. 20(1)): what they provided, on consent or contract. Pure.

Provided is also what their use produced (WP 242 rev.01, II.A: observed data), but not what was derived from it or came
from others. All that the index knows is processed by machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.tags import TagSet

PROVIDED = frozenset({"direct", "auto_generated", "external_channel", "customer_instructed"})
"""Origins of what the data subject provided."""


def is_portable(origin: str, letters: Iterable[str], catalogue: Catalogue) -> bool:
    """Whether data of that origin on one of these bases may be taken along."""
    known = (catalogue.legal_bases.get(letter) for letter in letters)
    return origin in PROVIDED and any(item is not None and item.portability for item in known)


def portable_fields(tags: TagSet, company: Company) -> frozenset[str]:
    """The fields (`Record.field`) of events with these tags that the person may take along."""
    record = company.every_record.get(tags.record)
    if record is None or not is_portable(tags.origin, tags.legal_basis.values(), company.catalogue):
        return frozenset()
    return frozenset(f"{tags.record}.{item.name}" for item in record.fields if item.personal)


def portable_report(report: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The entries of an access report that the person may take along."""
    entries = [
        entry
        for entry in report["entries"]
        if not entry["locked"]
        and any(
            is_portable(origin["id"], (basis["letter"] for basis in entry["legal_basis"]), catalogue)
            for origin in entry["origin"]
        )
    ]
    return {**report, "entries": entries}
