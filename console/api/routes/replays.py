"""Topics read again by the running instance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from console.api.models import NewReplay, ReplayShown
from console.api.protection.recording import note_of
from console.api.routes.lineage import log
from console.api.services import Services
from console.operations.replay import Replay, Replays
from schemas.errors import Unavailable


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/replays", tags=["replays"])

    @routes.post("", status_code=202, response_model=ReplayShown)
    def start(body: NewReplay, request: Request) -> dict[str, Any]:
        """Read topics from their oldest message to the end of now. No row changes that is right already."""
        note_of(request.state).changes = True
        made = _replays(services).start(body.topics)
        log.info("audit", action="replay", topics=body.topics or ["all"])
        return _shown(made)

    @routes.get("/{replay_id}", response_model=ReplayShown)
    def shown(replay_id: str) -> dict[str, Any]:
        """How far it is. Known while the process runs."""
        return _shown(_replays(services).get(replay_id))

    return routes


def _replays(services: Services) -> Replays:
    if services.replays is None:
        raise Unavailable("this process has no tagger; run `innsyn tag --replay` where the index is a server")
    return services.replays


def _shown(replay: Replay) -> dict[str, Any]:
    return asdict(replay)
