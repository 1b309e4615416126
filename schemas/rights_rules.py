"""How a company carries requests of data subjects out: `rights.yaml` of its folder, over that of `base`. Pure rules."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import CatalogueError
from schemas.files import is_named
from schemas.layers import BASE, read_mapping
from schemas.vocabulary import Right

FILE = "rights.yaml"
_MODEL = ConfigDict(frozen=True, extra="forbid")
Goes = Literal["waits", "goes_on"]
"""Whether a request waits for a person to look."""
Hours = Annotated[int, Field(strict=True, ge=1, le=24 * 90)]


class ApprovalRule(BaseModel):
    """Requests that a second person has to approve; what is None does not limit which."""

    model_config = _MODEL

    right: Right | None = None
    holds: Annotated[bool, Field(strict=True)] | None = None
    systems: Annotated[int, Field(strict=True, ge=1)] | None = None

    def fits(self, right: str, *, holds: bool, systems: int) -> bool:
        """Whether a request of that right is one of these; `systems`: how many are told."""
        return (
            self.right in (None, right)
            and self.holds in (None, holds)
            and (self.systems is None or systems >= self.systems)
        )


class UnclearRule(BaseModel):
    """What becomes of an erasure where nobody can tell whether something is the person's: it `waits` until a person has
    waived it, or `goes_on`. `dead_letters`: messages that could not be read; `shared_events`: events of an identifier
    that others had too."""

    model_config = _MODEL

    dead_letters: Goes
    shared_events: Goes


class RightsRules(BaseModel):
    """The keys of `rights.yaml`; that of `base` says what each means."""

    model_config = _MODEL

    resend_after_hours: tuple[Hours, ...]
    escalate_after_attempts: Annotated[int, Field(strict=True, ge=1)]
    ask_within_days: Annotated[int, Field(strict=True, ge=0, le=31)]
    unchecked: Mapping[Right, Goes]
    approval: tuple[ApprovalRule, ...]
    unclear: UnclearRule

    @property
    def pauses(self) -> Sequence[timedelta]:
        """Between one attempt and the next."""
        return [timedelta(hours=hours) for hours in self.resend_after_hours]

    def waits_unchecked(self, right: str) -> bool:
        """Whether a request of that right goes no further before somebody has checked who makes it."""
        return any(name == right and said == "waits" for name, said in self.unchecked.items())

    def needs_approval(self, right: str, *, holds: bool, systems: int) -> bool:
        """Whether a second person has to approve such a request."""
        return any(rule.fits(right, holds=holds, systems=systems) for rule in self.approval)


def load_rights_rules(layers: Sequence[Path] = (BASE,)) -> RightsRules:
    """Those of the uppermost layer, key by key over those below. Errors: CatalogueError with file, key and mend."""
    content: dict[str, object] = {}
    said: dict[str, Path] = {}
    for layer in layers:
        path = layer / FILE
        if layer != layers[0] and not is_named(path):
            continue
        try:
            over = read_mapping(path)
        except CatalogueError as error:
            raise CatalogueError(str(path), error.key, error.mend) from None
        content |= over
        said |= dict.fromkeys(over, path)
    try:
        return RightsRules.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        file = said.get(str(first["loc"][0]), layers[0] / FILE)
        raise CatalogueError(
            str(file), ".".join(map(str, first["loc"])), _mend(first["type"], first["msg"], first["loc"])
        ) from None


def _mend(kind: str, message: str, loc: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        names = [*(RightsRules if len(loc) == 1 else ApprovalRule).model_fields]
        close = difflib.get_close_matches(str(loc[-1]), names, n=1)
        meant = f"did you mean {close[0]}? Write" if close else "write"
        return f"is not a field; {meant} one of {', '.join(names)}"
    if kind == "missing":
        return "is missing; add it"
    return f"{message[0].lower()}{message[1:]}; mend it"
