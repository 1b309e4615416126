"""The transparency log: its heads, proofs of its entries, a check of all of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from console.api.protection.recording import note_of
from console.api.services import Services


class Head(BaseModel):
    """A signed tree head: number, moment, entries of the whole log, root (hex), and the key that signed it."""

    sequence: int
    at: str
    size: int
    root: str
    key_id: str


class Former(BaseModel):
    """A key that signed until another one replaced it, which it signed (docs/operations.md); keys and signatures in
    hex."""

    key_id: str
    public_key: str
    until: str
    replaced_by: str
    signature: str


class LogShown(BaseModel):
    """The newest heads first, the oldest key first. `waiting`: entries not sealed yet; `published`: the last head the
    topic was told of."""

    public_key: str
    former_keys: list[Former]
    waiting: int
    published: int
    heads: list[Head]


class Sealed(BaseModel):
    """How many entries were sealed now; null where that is not known, as the topic could not be told."""

    sealed: int | None
    published: bool


class LogChecked(BaseModel):
    """`faults`: what was changed, removed or put in, in the order of the log, at most 20; none: nothing was.

    `expired`: entries that are no longer kept, as their time is over. `told`: heads of the topic that agree, null where
    it could not be asked; `strange`: messages there that this installation did not sign.
    """

    heads: int
    entries: int
    expired: int
    waiting: int
    told: int | None
    strange: int
    faults: list[str]


class LogProof(BaseModel):
    """A proof to be kept as it is and checked with the public key alone."""

    proof: dict[str, Any]


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/log", tags=["log"])

    @routes.get("", response_model=LogShown)
    def shown(limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> dict[str, Any]:
        """The newest signed heads, and what waits to be sealed."""
        return services.book.shown(limit)

    @routes.post("/seal", response_model=Sealed)
    def seal(request: Request) -> dict[str, Any]:
        """Seal what was recorded until now, and tell the topic."""
        note_of(request.state).changes = True
        return services.book.sealed()

    @routes.get("/proof", response_model=LogProof)
    def proof(
        entry: Annotated[str, Query(min_length=1, max_length=200)],
        since: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    ) -> dict[str, Any]:
        """That an entry stands in the log; with `since` also that the log begins with all of that earlier head."""
        return {"proof": services.book.proof(entry, since)}

    @routes.get("/check", response_model=LogChecked)
    def checked() -> dict[str, Any]:
        """Hold everything that was recorded against the log, its heads, and the heads that the topic was told of."""
        return services.book.checked()

    return routes
