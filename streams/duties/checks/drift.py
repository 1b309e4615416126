"""What is new in what is held, and which systems have never been told to erase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from schemas.tags import TagSet
from schemas.vocabulary import ReceiptState
from sinks.ports.held import HeldTags
from streams.duties.check import (
    MOST_EVIDENCE,
    Check,
    Checked,
    Looking,
    Violation,
    event,
    judged,
    not_observable,
)

NEW = timedelta(days=7)
"""So long a combination is shown as new."""
_NOBODY = "nobody"
# Who finds nothing may look in the wrong place.
_ANSWERED = frozenset({ReceiptState.DONE.value, ReceiptState.PARTIAL.value})


def new_combinations(looking: Looking) -> Checked:
    """Combinations of category, purpose, origin and recipient whose first event is no older than NEW, in an index that
    holds older ones."""
    held = looking.held.held()
    if not held:
        return not_observable("Nothing is held yet, so nothing can be new.")
    by_key = defaultdict[str, list[HeldTags]](list)
    for item in held:
        for key in _combinations(item.tags):
            by_key[key].append(item)
    oldest = min(item.first_seen for item in held)
    violations = []
    for key, items in by_key.items():
        first = min(items, key=lambda item: (item.first_seen, item.tags.id))
        if first.first_seen <= looking.now - NEW or oldest > looking.now - NEW:
            continue
        rows = looking.held.first_rows([first.tags.id], MOST_EVIDENCE)[first.tags.id]
        violations.append(
            Violation(
                key=key,
                says=f"The first data of {key} (category, purpose, origin, recipient) came, on {first.tags.topic}.",
                since=first.first_seen,
                evidence=tuple(map(event, rows)),
            )
        )
    return judged(len(by_key), violations)


def never_erased(looking: Looking) -> Checked:
    """Systems that erase on command and hold data of people, and that have answered no such command yet."""
    systems = looking.company.catalogue.systems
    answered = {
        command.system
        for request in looking.requests()
        for command in request.commands.values()
        if command.kind is None and command.state.value in _ANSWERED
    }
    first: dict[str, HeldTags] = {}
    for item in looking.held.held():
        name = item.tags.system
        if name in systems and systems[name].erasure == "command":
            known = first.setdefault(name, item)
            if item.first_seen < known.first_seen:
                first[name] = item
    rows = looking.held.first_rows([item.tags.id for item in first.values()], MOST_EVIDENCE)
    return judged(
        len(first),
        [
            Violation(
                key=name,
                says=f"The system {name} holds data of people and has never answered a command to erase.",
                since=item.first_seen,
                evidence=tuple(map(event, rows.get(item.tags.id, ()))),
            )
            for name, item in first.items()
            if name not in answered
        ],
    )


def _combinations(tags: TagSet) -> Iterator[str]:
    for category in tags.every_category:
        for purpose in tags.purposes:
            for recipient in tags.recipients or (_NOBODY,):
                yield f"{category}/{purpose}/{tags.origin}/{recipient}"


CHECKS = (
    Check(
        "new_combinations",
        "A combination of category, purpose, origin and recipient is announced when it is first seen.",
        "GDPR Art. 5(2), 30",
        new_combinations,
    ),
    Check(
        "systems_exercised",
        "Each system that erases on command has done so.",
        "GDPR Art. 24(1), 32(1)(d)",
        never_erased,
    ),
)
