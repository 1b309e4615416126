"""For what watches us: alive, ready, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from console.api.services import Services

SERVICE = "innsyn"


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    def alive() -> dict[str, Any]:
        """The process answers."""
        return {"status": "ok", "service": SERVICE}

    @routes.get("/readyz")
    def ready() -> JSONResponse:
        """Questions can be answered; 503 with the reasons if not."""
        found = list(services.problems())
        return JSONResponse(
            {"status": "not ready" if found else "ready", "problems": found}, 503 if found else 200
        )

    @routes.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)

    return routes
