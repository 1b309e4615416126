"""The HTTP API, put together from its services."""

from __future__ import annotations

import importlib.metadata

from fastapi import Depends, FastAPI

from console.api import problems
from console.api.protection.guard import Guard
from console.api.protection.pool import Questions
from console.api.protection.recording import Recorded, declared_purpose
from console.api.routes import (
    audit,
    breach,
    bundle,
    by_key,
    certificate,
    dead_letters,
    decisions,
    duties,
    health,
    lineage,
    log,
    preservation,
    replays,
    reports,
    requests,
    retention,
    ropa,
    rules,
    suppression,
)
from console.api.services import Services
from schemas.errors import SettingsError


def create_app(services: Services) -> FastAPI:
    """The application. Each call makes an independent one. Raises SettingsError for a token that can be guessed."""
    tokens = {"INNSYN_API_TOKEN": services.token, "INNSYN_APPROVER_TOKEN": services.approver_token}
    for name, token in tokens.items():
        if token is not None and len(token) < 16:
            raise SettingsError(f"{name}: has fewer than 16 characters; set a longer one")
    if services.token == services.approver_token:
        raise SettingsError(
            "INNSYN_APPROVER_TOKEN: is INNSYN_API_TOKEN, so nobody could approve; set another"
        )
    # The interactive pages load scripts from elsewhere: only the description itself is served.
    app = FastAPI(
        title="innsyn",
        version=importlib.metadata.version("innsyn"),
        summary="What is held about a person, where, why and until when.",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    app.state.questions = Questions(services.limits)
    modules = (lineage, requests, rules, dead_letters, replays, audit, log, certificate, preservation)
    for module in (
        *modules,
        by_key,
        decisions,
        suppression,
        bundle,
        retention,
        breach,
        reports,
        ropa,
        duties,
    ):
        app.include_router(
            module.router(services),
            prefix="/v1",
            responses=problems.RESPONSES,
            dependencies=[Depends(declared_purpose)],
        )
    app.include_router(health.router(services))
    problems.describe(app, services.company.kinds)
    # The last one stands outside.
    app.add_middleware(Recorded, recorder=services.recorder, doors=services.doors, clock=services.clock)
    app.add_middleware(
        Guard,
        tokens=[token for token in tokens.values() if token is not None],
        doors=services.doors,
        recorder=services.recorder,
        clock=services.clock,
    )
    return app
