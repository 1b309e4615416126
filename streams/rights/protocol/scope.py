"""What a request is limited to, as far as the person limited it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from types import MappingProxyType

from schemas.catalogue import Catalogue
from schemas.errors import InputError
from schemas.vocabulary import BY_PURPOSE, WITH_GROUND, RestrictionGround

CITED = MappingProxyType(
    {
        RestrictionGround.ACCURACY: "GDPR Art. 18(1)(a)",
        RestrictionGround.UNLAWFUL: "GDPR Art. 18(1)(b)",
        RestrictionGround.CLAIMS: "GDPR Art. 18(1)(c)",
        RestrictionGround.OBJECTION: "GDPR Art. 18(1)(d)",
    }
)
"""What each ground of a restriction rests on."""


@dataclass(frozen=True)
class Scope:
    """`purposes`: ids of the catalogue that are meant, empty: all. `ground`: why, of a restriction.
    `fields`: of a rectification, what is corrected, as `Record.field`."""

    purposes: tuple[str, ...] = ()
    ground: RestrictionGround | None = None
    fields: tuple[str, ...] = ()


EVERYTHING = Scope()


def known_scope(right: str, scope: Scope, catalogue: Catalogue) -> Scope:
    """The scope, each purpose once. Raises InputError for a purpose that the catalogue lacks, and where the right has
    no such limits."""
    if scope.purposes and right not in BY_PURPOSE:
        raise InputError(f"{right} is not limited to purposes; leave them out")
    if scope.ground is not None and right not in WITH_GROUND:
        raise InputError(f"a ground is given for a restriction alone, not for {right}; leave it out")
    unknown = unknown_purposes(scope.purposes, catalogue)
    if unknown:
        raise InputError(
            f"{len(unknown)} of the purposes given are none of the catalogue; `innsyn catalogue show` lists them"
        )
    return replace(scope, purposes=tuple(dict.fromkeys(scope.purposes)))


def unknown_purposes(purposes: Collection[str], catalogue: Catalogue) -> list[str]:
    """Those that the catalogue lacks."""
    return sorted({*purposes} - {*catalogue.purposes})
