"""Whose identifiers were when, as a story's events say it by the rules of their topics: the truth that answers are held
against. It follows one event after the other and knows of states and logins; no story plays other rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.annotations import IdentityRule
from schemas.contracts import SOURCE_DELETE
from schemas.examples import Example
from schemas.paths import item
from schemas.vocabulary import ClaimForm
from streams.simulate.story.cast import Named

_FOLLOWED = (ClaimForm.STATE, ClaimForm.LOGIN)


@dataclass(frozen=True)
class Said:
    """That an event says the token to be the subject's; of a state in the slot of a field, where None is nothing."""

    form: str
    slot: str
    token: Named | None
    subject: Named


@dataclass(frozen=True)
class Link:
    """The token was the subject's in [since, until); None: nothing ended it."""

    token: Named = field(repr=False)
    subject: Named = field(repr=False)
    since: datetime
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


def said_by(
    example: Example, values: Mapping[tuple[str | int, ...], Any], keyed: str | None
) -> Iterator[Said]:
    """What a message made of an example says. `values`: what stands in it instead; `keyed`: whom its key names."""
    for rule in example.record.annotation.identity:
        if rule.form in _FOLLOWED:
            yield from _said(example, rule, values, keyed)


def _said(
    example: Example, rule: IdentityRule, values: Mapping[tuple[str | int, ...], Any], keyed: str | None
) -> Iterator[Said]:
    gone = example.operation == SOURCE_DELETE
    place = item(rule.tokens[0])
    items: dict[tuple[int, ...], dict[str, Named]] = {}
    for found, kind, _ in example.identifiers:
        # Of a change the row as it is; of one that is deleted as it was.
        if (found.before[-1:] == ("before",)) != (gone and bool(found.before)) or item(
            found.path or ""
        ) != place:
            continue
        if found.path in (*rule.tokens, *rule.subject):
            value = str(values.get(found.steps, found.value))
            items.setdefault(found.items, {})[found.path] = (kind, value)
    key = example.contract.message_key if example.contract else None
    if gone and not items and key is not None and keyed is not None and key.field in rule.subject:
        named = example.record.find(key.field)
        assert named is not None
        assert named.identifier is not None
        items[()] = {key.field: (named.identifier.kind, keyed)}
    for named_there in items.values():
        subject = next((named_there[path] for path in rule.subject if path in named_there), None)
        if subject is None or (gone and rule.form != ClaimForm.STATE):
            continue
        for path in rule.tokens:
            token = None if gone else named_there.get(path)
            if token is not None or rule.form == ClaimForm.STATE:
                yield Said(rule.form, f"{rule.source} {path}", token, subject)


@dataclass
class Links:
    """All that was said so far, in time order, and what it adds up to."""

    _states: dict[tuple[str, Named], list[tuple[datetime, Named | None]]] = field(
        default_factory=dict, repr=False
    )
    _logins: dict[Named, list[tuple[datetime, Named]]] = field(default_factory=dict, repr=False)

    def add(self, said: Said, at: datetime) -> None:
        if said.form == ClaimForm.STATE:
            self._states.setdefault((said.slot, said.subject), []).append((at, said.token))
        elif said.token is not None:
            self._logins.setdefault(said.token, []).append((at, said.subject))

    def all(self) -> Iterator[Link]:
        """Each of them."""
        for (_, subject), told in self._states.items():
            for (since, token), (until, _) in zip(told, [*told[1:], (None, None)], strict=True):
                if token is not None:
                    yield Link(token, subject, since, until)
        for token, whose in self._logins.items():
            for (since, subject), (until, _) in zip(whose, [*whose[1:], (None, None)], strict=True):
                yield Link(token, subject, since, until)
