"""The catalogue as rows, so that questions in SQL go by the same rules as answers. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from schemas.company import Company
from schemas.entries import RetentionRule, parse_period
from schemas.expiry import clocks_said, decided
from schemas.policy import MOMENTS, RANKS


@dataclass(frozen=True)
class InForceEntry:
    """An entry of the catalogue: `content` is JSON."""

    kind: str
    id: str
    content: str


@dataclass(frozen=True)
class InForce:
    """What a company goes by. `zone`: in which its days are counted; `told`: clocks of which its records say
    anything."""

    zone: str
    told: tuple[str, ...]
    entries: tuple[InForceEntry, ...]

    @property
    def version(self) -> str:
        """First 16 hex digits of SHA-256 over all of it."""
        said = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def in_force(company: Company) -> InForce:
    """Of a company as it is loaded."""
    return InForce(
        zone=company.catalogue.calendar.zone.key,
        told=tuple(sorted(clocks_said(company.every_record.values()))),
        entries=tuple(
            InForceEntry(kind, name, json.dumps(content, sort_keys=True, ensure_ascii=False))
            for kind, name, content in _entries(company)
        ),
    )


def _entries(company: Company) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    catalogue = company.catalogue
    for rule in catalogue.retention_rules.values():
        yield "retention_rule", rule.id, rule.model_dump(mode="json") | _terms(rule)
    for category in catalogue.categories.values():
        revealed = [] if category.revealed is None else [*category.revealed.retention]
        yield "category", category.id, category.model_dump(mode="json") | {"revealed": revealed}
    for kind, entries in (
        ("purpose", catalogue.purposes),
        ("recipient", catalogue.recipients),
        ("system", catalogue.systems),
    ):
        for name, entry in entries.items():
            yield kind, name, entry.model_dump(mode="json")


def _terms(rule: RetentionRule) -> dict[str, Any]:
    """What a rule says of when, as numbers: months are added first, then days, as `parse_period` has them."""
    period = parse_period(rule.period) if rule.period else None
    return {
        "period": rule.period or "",
        "months": 12 * period.years + period.months if period else 0,
        "days": period.days if period else 0,
        "rank": RANKS.index(rule.effect) if rule.effect in RANKS else len(RANKS),
        "decides": decided([rule]),
        "of_moment": rule.clock in MOMENTS,
    }
