"""Requests of a person whom a preservation order holds: nothing that erases is told or done while it runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from streams.answers.erasure_plan import plan_from_json
from streams.answers.keeping import Keeping
from streams.rights.protocol.request import RequestState


def refuse_frozen(keeping: Keeping, clock: Callable[[], datetime], request: RequestState) -> None:
    """Raises HeldByLaw where an order came after the plan, which would erase something; IndexUnavailable,
    KeyUnavailable."""
    plan = plan_from_json(request.plan) if request.plan and "kept" in request.plan else None
    erases = plan and any(kept is None or kept.id != name for name, kept in plan.kept.items())
    if erases and request.identity is not None:
        keeping.frozen(clock()).refuse(request.identity.spans)
