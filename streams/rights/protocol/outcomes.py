"""What systems did to their records, and what that ends in the index. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.messages import Order
from schemas.vocabulary import ErasureAction, Role
from sinks.ports.erasure import RecordsGone
from streams.answers.plan import Part, Plan
from streams.rights.protocol.command import Command
from streams.rights.protocol.withholding import NOTHING_WITHHELD, Withholding


def records_gone(
    plan: Plan, commands: Mapping[str, Command], withheld: Withholding = NOTHING_WITHHELD
) -> dict[int, RecordsGone]:
    """By tag set, of which events the record is gone, as `IndexEraser.forget` takes it; nothing of what systems
    withhold.

    Only by the receipts. A job that says nothing of its records did as it was told, if it erased anything: it deleted
    those of which it was given every field in a list, and did nothing with those that only an order names.
    """
    by_system = {item.system: item for item in commands.values() if item.kind is None}
    gone: dict[int, RecordsGone] = {}
    for part in plan.parts:
        state = by_system.get(part.system)
        if (
            part.action != "erase_now"
            or part.means is None
            or state is None
            or withheld.keeps(part.system, part.record)
        ):
            continue
        if part.tag_set in plan.kept and plan.kept[part.tag_set] is None:
            found = _of(part, _order_of(part, plan), state)
            if found is not None:
                gone[part.tag_set] = found
    return gone


def _order_of(part: Part, plan: Plan) -> Order | None:
    """By which the records of a part go; of what has run out, the one that names the most of them, which is that of the
    earliest moment after these events."""
    orders = [
        order
        for command in plan.commands
        if command.system == part.system
        for order in command.orders
        if (order.record, order.where) == (part.record, part.where)
        and (order.before is None or (part.before is not None and order.before >= part.before))
    ]
    return min(orders, key=lambda order: (order.before is not None, order.before), default=None)


def _of(part: Part, order: Order | None, state: Command) -> RecordsGone | None:
    parties = _roles(order.parties if order else _OWNERS)
    if state.outcomes:
        for outcome in state.outcomes:
            if outcome.record == part.record and outcome.deleted:
                # Which of them stayed it cannot say; where it does not say for whom, those it was told to leave.
                told = order.stays_for if order and outcome.redacted else ()
                return RecordsGone(parties, _roles(outcome.stayed_for or told))
        return None
    listed = order is None or (order.where is None and order.action is ErasureAction.DELETE)
    if listed and part.means is ErasureAction.DELETE and state.erased:
        return RecordsGone(_roles(_OWNERS))
    return None


_OWNERS = (Role.OWNER, Role.JOINT_OWNER)


def _roles(names: tuple[str, ...]) -> frozenset[Role]:
    return frozenset(map(Role, names))
