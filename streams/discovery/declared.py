"""What of a topic's personal data the company has declared, in an annotated record or in a contract."""

from __future__ import annotations

from schemas.annotations import NO_CATEGORY, RecordSchema
from schemas.contracts import Contract
from schemas.paths import ANY, ITEM, Node, Steps, steps
from streams.discovery.weigh import SURE, Event, Judged


def undeclared(event: Event, record: RecordSchema | None, contract: Contract | None) -> tuple[Judged, ...]:
    """The fields that hold personal data, or may, and of which nobody said so. Without record or contract: all that do.

    Of a field that is declared to be about nobody it is told where name and values together make sure of the contrary.
    """
    if not event.names:
        return ()
    personal = [item for item in event.fields if item.personal]
    if contract is not None:
        return tuple(item for item in personal if not _covered(contract.tree, steps(item.path)))
    if record is None:
        return tuple(personal)
    return tuple(item for item in personal if not _said(record, item))


def _covered(node: Node, path: Steps) -> bool:
    """Whether a contract speaks of the place, or of what it lies in."""
    for step in path:
        below = node.items if step == ITEM else node.at(step)
        if below is None:
            return False
        if below.path is not None:
            return True
        node = below
    return False


def _said(record: RecordSchema, item: Judged) -> bool:
    names = [step for step in steps(item.path) if step not in (ITEM, ANY)]
    found = next(
        (field for end in range(len(names), 0, -1) if (field := record.find(".".join(names[:end])))), None
    )
    if found is None:
        return False
    sure = item.confidence >= SURE and (item.identifier or item.meaning in _OF_A_PERSON)
    return not (found.category == NO_CATEGORY and found.key is None and sure)


_OF_A_PERSON = frozenset(
    ("national_id", "person_name", "some_name", "address", "birth", "bank_account", "payment")
)
