"""What people do to a request, as the ledger keeps it; the other kinds of events are in `events`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, ToldBy


@dataclass(frozen=True)
class IdentityAsked:
    """Whoever makes the request was asked who they are. `pauses`: so soon that the clock stands until they answer."""

    kind: ClassVar[str] = "identity_asked"
    doubt: Doubt
    pauses: bool


@dataclass(frozen=True)
class Checked:
    """Somebody has checked who makes the request."""

    kind: ClassVar[str] = "checked"
    how: CheckedHow
    what: CheckedWhat = CheckedWhat.IDENTITY


@dataclass(frozen=True)
class Extended:
    """It takes so many months more; why is `sealed`, and was told to the person."""

    kind: ClassVar[str] = "extended"
    months: int
    sealed: str = field(repr=False)


@dataclass(frozen=True)
class Approved:
    """A second person approved what stands under that `digest`: a plan, or the answer of a request without one."""

    kind: ClassVar[str] = "approved"
    digest: str
    by: str


@dataclass(frozen=True)
class Told:
    """The answer was sent to the person."""

    kind: ClassVar[str] = "told"
    how: ToldBy


@dataclass(frozen=True)
class Notified:
    """A recipient was told what became of the data that it was given (GDPR Art. 19). `how` None: it cannot be told, or
    only with disproportionate effort; why is `sealed`."""

    kind: ClassVar[str] = "notified"
    recipient: str
    how: ToldBy | None = None
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Accepted:
    """A person took the answer of a system for enough; why is `sealed`."""

    kind: ClassVar[str] = "accepted"
    command_id: str
    system: str | None = None
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Waived:
    """A person decided that it may complete although nobody can tell whether all that is `unclear` is the person's; why
    is `sealed`. `which`: as of `Unclear`; others of the same number are not waived."""

    kind: ClassVar[str] = "waived"
    dead_letters: Mapping[str, int]
    shared_events: int
    sealed: str = field(repr=False)
    which: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Closing:
    """A person ends it although not all was done; the index still forgets what systems did in full."""

    kind: ClassVar[str] = "closing"
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Closed:
    """A person ended it; `sealed` says why, unless `Closing` did. `run`: length of the ledger then, since one whose
    restriction was lifted afterwards may be closed again."""

    kind: ClassVar[str] = "closed"
    sealed: str | None = field(default=None, repr=False)
    run: int | None = None


@dataclass(frozen=True)
class Cancelled:
    """It was taken back."""

    kind: ClassVar[str] = "cancelled"
    sealed: str | None = field(default=None, repr=False)
