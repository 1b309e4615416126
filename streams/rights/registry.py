"""The rights that are served. A new one is a file beside this one, and a row here (`docs/adding.md`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from schemas.vocabulary import Right
from streams.rights.access import Access, Portability
from streams.rights.erasure import Erasure
from streams.rights.expiry import Expiry
from streams.rights.rectification import Rectification
from streams.rights.restriction import Objection, Restriction
from streams.rights.right import RightSteps, Tools
from streams.rights.withdrawal import Withdrawal

RIGHTS: Mapping[str, Callable[[Tools], RightSteps]] = MappingProxyType(
    {
        Right.ACCESS: Access,
        Right.ERASURE: Erasure,
        Right.RECTIFICATION: Rectification,
        Right.PORTABILITY: Portability,
        Right.RESTRICTION: Restriction,
        Right.OBJECTION: Objection,
        Right.WITHDRAWAL: Withdrawal,
        Right.RETENTION: Expiry,
    }
)
