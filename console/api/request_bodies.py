"""Bodies about requests: how one is made, and what a person does to it.

No model shows a personal value in its repr, and none refuses one by quoting it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from console.bodies import Body, Identifiers, Moment, SubjectBody, Text
from schemas.vocabulary import BY_ITSELF, CheckedHow, CheckedWhat, Doubt, RestrictionGround, Right, ToldBy
from streams.duties.findings import LONGEST_REASON
from streams.rights.protocol.scope import Scope

Correction = Annotated[str, Field(max_length=4000)] | StrictBool | StrictInt | StrictFloat | None


_MADE = tuple(right.value for right in Right if right not in BY_ITSELF)


def _made(given: object) -> object:
    if given not in _MADE:
        raise PydanticCustomError(
            "right", f"is no right that a request is made of; give one of {', '.join(_MADE)}"
        )
    return given


MadeOf = Annotated[
    Right, BeforeValidator(_made), WithJsonSchema({"type": "string", "enum": list(_MADE), "title": "Type"})
]
"""A right of which people make requests: not what innsyn does by itself."""


class NewRequest(SubjectBody):
    """A right exercised. `received_at`: when any official channel got it, which starts the clock; default now.

    `checked`: how it was checked already who makes it. `purposes`: those that a restriction or an objection is about,
    empty: all; `ground`: why processing is to be restricted. `corrections`: of a rectification, by `Record.field`.
    """

    type: MadeOf
    reason: str | None = Field(None, max_length=4000, repr=False)
    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = "api"
    received_at: Moment | None = None
    checked: CheckedHow | None = None
    purposes: list[Text] = Field([], max_length=100)
    ground: RestrictionGround | None = None
    corrections: dict[Text, Correction] = Field({}, max_length=100, repr=False)

    def scope(self) -> Scope:
        """What it is limited to."""
        return Scope(tuple(self.purposes), self.ground)


Reference = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Field(repr=False)
]


class LongerOrder(Body):
    """Until which day a preservation order holds, and the case and decision it rests on, kept sealed."""

    until: date
    reference: Reference


class NewOrder(LongerOrder):
    """A preservation order about a person."""

    identifiers: Identifiers


class Cancelled(Body):
    """Why a request was taken back, if anybody said. Kept sealed."""

    reason: str | None = Field(None, min_length=1, max_length=1000, repr=False)


class Closed(Body):
    """Why a request ends although not all of it was done. Kept sealed."""

    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), Field(repr=False)
    ]


class Accepted(Closed):
    """Whose answer is enough although the numbers say otherwise, and why. Kept sealed."""

    system: Text


class Extension(Closed):
    """By how many months, and why. The reason is what the person was told; kept sealed."""

    months: Annotated[int, Field(ge=1, le=2)]


class Asked(Body):
    """Why it is reasonable to doubt who makes the request."""

    doubt: Doubt


class Check(Body):
    """How it was checked, and what: never by which document, and never what stood there."""

    how: CheckedHow
    what: CheckedWhat = CheckedWhat.IDENTITY


class Approval(Body):
    """The `digest` of what was shown, as the request has it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Telling(Body):
    """How the answer was sent."""

    how: ToldBy


class Lift(Closed):
    """How the person was told that the restriction ends, before it does (GDPR Art. 18(3)), and why it ends."""

    how: ToldBy


class Notification(Body):
    """Which recipient was told, and how; or why it cannot be (GDPR Art. 19). The reason is kept sealed."""

    recipient: Text
    how: ToldBy | None = None
    impossible: str | None = Field(None, min_length=1, max_length=1000, repr=False)


class Explanation(Body):
    """Why a finding is as it is; kept, so nothing of a person."""

    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON, repr=False)]


class Acceptance(Explanation):
    """Until which day a finding may be as it is, that day included."""

    until: date


class ToRun(Body):
    """Which checks of duties to run, all if none are named."""

    names: list[Text] = Field([], max_length=200)
