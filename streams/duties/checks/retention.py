"""How long what is held may be kept: each of it has a rule that is in force, and nothing stays past its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from schemas.expiry import end_of
from schemas.tags import TagSet
from streams.answers.expiry import RunningOut
from streams.duties.check import MOST_EVIDENCE, Check, Checked, Evidence, Looking, Violation, event, judged
from streams.duties.held import Wrong, by_tags
from streams.rights.retention import preview

GRACE = timedelta(days=7)
"""So long something may stand past its last day: runs of retention come day by day, and systems have to answer."""


def without_a_rule(looking: Looking) -> Checked:
    """Rows of which no active rule of the catalogue in force says how long they are kept."""
    active = {rule.id for rule in looking.company.catalogue.retention_rules.values() if rule.active}

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        if active.isdisjoint(tags.retention):
            yield (
                f"{tags.topic}/{tags.record}",
                f"Events of {tags.record} on {tags.topic} are held, and no active retention rule says how long.",
            )

    return by_tags(looking, wrong)


def rules_cited(looking: Looking) -> Checked:
    """Held rows whose rule the catalogue lacks, and active rules that rest on no law or agreement."""
    rules = looking.company.catalogue.retention_rules

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.retention:
            if name not in rules:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data on {tags.topic} are held by {name}, which no list of rules has.",
                )

    found = by_tags(looking, wrong)
    uncited = [
        Violation(
            key=name,
            says=f"The retention rule {name} is in force and cites nothing that it rests on.",
            since=_begin(looking, looking.now),
            evidence=(Evidence(note="catalogue/retention.yaml"),),
        )
        for name, rule in rules.items()
        if rule.active and not rule.authority.strip()
    ]
    return judged(found.looked_at + len(rules), [*found.violations, *uncited])


def held_data_used(looking: Looking) -> Checked:
    """What is left after an erasure, by a rule that holds it, and serves a purpose that the rule does not name."""
    rules = looking.company.catalogue.retention_rules

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        holds = [rules[name] for name in tags.retention if name in rules and rules[name].is_hold]
        if not tags.held_only or not holds:
            return
        allowed = {name for rule in holds for name in rule.purposes}
        for name in tags.purposes:
            if name not in allowed:
                yield (
                    f"{tags.topic}/{tags.record}/{name}",
                    f"Events of {tags.record} on {tags.topic} are held by {', '.join(rule.id for rule in holds)} alone,"
                    f" and serve {name}.",
                )

    return by_tags(looking, wrong)


def past_term(looking: Looking) -> Checked:
    """What had run out by the day of its event a week ago, still stands, and is kept by nothing else."""
    then = looking.now - GRACE
    kept = looking.kept()
    found = preview(looking.expiry, looking.company, looking.requests(), kept, then, 1)
    late = [item for item in found.items if item.overdue > item.kept]
    violations = [_late(item, looking, then) for item in late]
    return judged(len(found.items), violations)


def _late(item: RunningOut, looking: Looking, then: datetime) -> Violation:
    catalogue = looking.company.catalogue
    sets = [
        held.tags.id
        for held in looking.held.held()
        if held.tags.system == item.system
        and (item.rule in held.tags.retention or not {*item.categories}.isdisjoint(held.tags.revealed))
        and not {*item.categories}.isdisjoint(held.tags.every_category)
    ]
    rows = [row for some in looking.held.first_rows(sets, MOST_EVIDENCE, then).values() for row in some]
    rows.sort(key=lambda row: (row.at, row.topic, row.partition, row.offset, row.token))
    oldest = catalogue.calendar.day(rows[0].at if rows else then)
    end = end_of(catalogue.retention_rules[item.rule], oldest, catalogue.calendar)
    since = datetime.combine(end + timedelta(days=1), time(), catalogue.calendar.zone) if end else then
    return Violation(
        key=f"{item.system}/{item.rule}/{'+'.join(item.categories)}",
        says=f"Data of {', '.join(item.categories)} in {item.system} are held past the end of {item.rule}"
        f" ({item.citation}).",
        since=min(since, then),
        evidence=tuple(map(event, rows[:MOST_EVIDENCE])),
    )


def _begin(looking: Looking, moment: datetime) -> datetime:
    """The beginning of the day."""
    calendar = looking.company.catalogue.calendar
    return datetime.combine(calendar.day(moment), time(), calendar.zone)


CHECKS = (
    Check(
        "held_without_a_rule",
        "Everything that is held has a retention rule that says how long.",
        "GDPR Art. 5(1)(e)",
        without_a_rule,
    ),
    Check(
        "rules_cited",
        "Every rule that keeps data is in force and cites the law or agreement behind it.",
        "GDPR Art. 5(2), 6",
        rules_cited,
    ),
    Check(
        "held_data_used",
        "What a rule holds after an erasure serves the purposes of that rule alone.",
        "GDPR Art. 17(3), 18(2)",
        held_data_used,
    ),
    Check(
        "past_term",
        "Nothing is held a week past the end of its rule unless something else keeps it.",
        "GDPR Art. 5(1)(e), 17(1)(a)",
        past_term,
    ),
)
