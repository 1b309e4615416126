"""Preservation orders: added, shown, extended, lifted. Of whom they are about only kinds of identifiers are shown."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from console.api.models import OrderPage, PreservationOrder
from console.api.problems import ORDER_RESPONSES
from console.api.protection.recording import note_of
from console.api.request_bodies import LongerOrder, NewOrder
from console.api.routes.lineage import asked_about, log
from console.api.services import Services
from schemas.errors import Unavailable
from schemas.ids import is_id
from streams.answers.preservation import Order, Preservation
from streams.rights.frozen import commands_out

_UNKNOWN = (
    "nobody is known under what was given, so the order holds nothing yet: check it; lift it if it is wrong"
)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/preservation", tags=["preservation orders"])

    @routes.post("", status_code=201, response_model=PreservationOrder)
    def add(body: NewOrder, request: Request) -> dict[str, Any]:
        """Freeze everything of a person (straffeprosessloven § 215 a), for 90 days at most at a time."""
        about = [item.asked(services.company.kinds) for item in body.identifiers]
        note = asked_about("preservation.add", request, about)
        note.changes = True
        orders = _orders(services)
        made = orders.add(services.fresh_id("p"), about, body.until, body.reference, services.clock())
        return _shown(services, orders, made)

    @routes.get("", response_model=OrderPage)
    def listed(request: Request) -> dict[str, Any]:
        """Every order, the oldest first, with those that have ended."""
        orders = _orders(services)
        found = [_shown(services, orders, item) for item in orders.orders()]
        note_of(request.state).size = len(found)
        log.info("audit", action="preservation.show", orders=len(found))
        return {"items": found}

    @routes.post("/{order_id}/extend", response_model=PreservationOrder, responses=ORDER_RESPONSES)
    def extend(order_id: str, body: LongerOrder, request: Request) -> dict[str, Any]:
        """Let an order that runs hold longer."""
        orders = _known(services, order_id, request, "preservation.extend")
        made = orders.extend(order_id, body.until, body.reference, services.clock())
        return _shown(services, orders, made)

    @routes.post("/{order_id}/lift", response_model=PreservationOrder, responses=ORDER_RESPONSES)
    def lift(order_id: str, request: Request) -> dict[str, Any]:
        """End an order; whom it was about is nobody's to read any more."""
        orders = _known(services, order_id, request, "preservation.lift")
        return _shown(services, orders, orders.lift(order_id, services.clock()))

    return routes


def _orders(services: Services) -> Preservation:
    if services.preservation is None:
        raise Unavailable(
            "preservation orders are not served here; ask the process that carries requests out"
        )
    return services.preservation


def _known(services: Services, order_id: str, request: Request, action: str) -> Preservation:
    orders = _orders(services)
    if not is_id("request_id", order_id) or all(item.order_id != order_id for item in orders.orders()):
        raise HTTPException(
            404, "there is no preservation order of that id; `innsyn preserve show` lists them"
        )
    note = note_of(request.state)
    note.changes = True
    note.about(order_id)
    log.info("audit", action=action, order=order_id)
    return orders


def _shown(services: Services, orders: Preservation, order: Order) -> dict[str, Any]:
    opened, now = orders.opened(order), services.clock()
    runs = order.runs(services.catalogue.calendar.day(now))
    unknown = runs and opened is not None and not orders.is_known(order, now, services.reader)
    told = commands_out(services.rights.requests(), orders.held_by(order)) if runs and opened else []
    state = "runs" if runs else "lifted" if order.lifted_at else "ended"
    return {
        "order_id": order.order_id,
        "state": state,
        "ordered_at": order.ordered_at,
        "until": order.until,
        "extended": order.extended,
        "lifted_at": order.lifted_at,
        "kinds": sorted({item.kind.name for item in opened.identifiers}) if opened else [],
        "reference": opened.reference if opened else None,
        "commands_out": [{"request_id": name, "system": system} for name, system in told],
        "problem": _UNKNOWN if unknown else None,
    }
