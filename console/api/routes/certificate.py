"""The certificate of an erasure."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from console.api.problems import REQUEST_RESPONSES
from console.api.protection.recording import note_of
from console.api.services import Services
from schemas.errors import InputError
from schemas.ids import is_id
from streams.rights.protocol.request import RequestState


class CertificateShown(BaseModel):
    """The newest signed certificate, to be kept as it is, and why there is none of how the request stands now.

    Both, where the request went on after it was issued.
    """

    certificate: dict[str, Any] | None
    why_not: str | None


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/requests", tags=["requests"])

    def find(request_id: str) -> RequestState | None:
        try:
            return services.rights.get(request_id)
        except InputError:
            return None

    @routes.get("/{request_id}/certificate", response_model=CertificateShown, responses=REQUEST_RESPONSES)
    def certificate(request_id: str, request: Request) -> dict[str, Any]:
        """What was erased, what is held and that bytes are gone, signed; null and why not, until it is issued.

        Both, where something happened since it was issued.
        """
        try:
            if not is_id("request_id", request_id):
                raise InputError("no id of a request")
            state = services.rights.get(request_id)
        except InputError:
            # Not its text: it names the id, and what stands there may be anything.
            raise HTTPException(
                404,
                "there is no request of that id; `innsyn requests` and GET /v1/requests list those there are",
            ) from None
        note_of(request.state).about(request_id, state.subjects)
        found, why = services.book.certificate(state, find)
        return {"certificate": found, "why_not": why}

    return routes
