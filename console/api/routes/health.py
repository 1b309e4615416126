"""For what watches us: alive, ready, metrics. From memory, on the event loop: however busy index and threads are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from console.api.problems import TOKEN_RESPONSES
from console.api.protection.proof import CHALLENGE_HEADER, proof
from console.api.services import Services

SERVICE = "innsyn"


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["health"])

    # Worked out now: it takes a moment, and nothing waits for health.
    tokens = [token for token in (services.token, services.approver_token) if token is not None]
    for token in tokens:
        proof(token, "")

    @routes.get("/healthz")
    async def alive(
        challenge: Annotated[
            str | None,
            Header(alias=CHALLENGE_HEADER, description="Text to prove on that the token is known."),
        ] = None,
    ) -> dict[str, Any]:
        """The process answers; with `proof`, if it is challenged, that it knows the token it will be sent, one for each
        that it takes in `proofs`."""
        told = {"status": "ok", "service": SERVICE}
        if challenge is None:
            return told
        proofs = [proof(token, challenge) for token in tokens]
        return {**told, "proof": proofs[0], "proofs": proofs}

    @routes.get("/readyz", responses={503: {"description": "Something is not well; the body says what."}})
    async def ready() -> JSONResponse:
        """Every part is well; 503 with the reasons if not. `parts`: each with since when it is as it is. `notices`:
        what somebody should mend though all parts work, such as a topic that bad messages pour into."""
        parts = services.health.parts()
        problems = [line for part in parts for line in part.problems]
        found = {
            "status": "not ready" if problems else "ready",
            "problems": problems,
            "notices": [*services.health.notices(), *services.notices()],
            "parts": [
                {"part": part.name, "since": part.since.isoformat(), "problems": list(part.problems)}
                for part in parts
            ],
        }
        return JSONResponse(found, 503 if problems else 200)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **TOKEN_RESPONSES},
    )
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)

    return routes
