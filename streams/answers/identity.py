"""The question who it was: whose an identifier was, at its moment or ever, and what says so. Without a value."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.vocabulary import Resolution
from sinks.ports.forgotten import is_forgotten
from streams.answers.attribution import differences, link_json, newest
from streams.answers.moments import Asked, looked_up, moment_of
from streams.answers.question import Known, Question
from streams.answers.unread import unread
from streams.identity.model import Given, Link, ResolvedSubject


def identity(question: Question, known: Known, now: datetime) -> dict[str, Any]:
    """Who it was, without a value: links of each identifier at its moment, and where they lead.

    Raises InvalidIdentifier, InputError, IndexUnavailable.
    """

    def asked(moment: Asked) -> tuple[ResolvedSubject, list[tuple[str, Link]]]:
        chains = moment.chains(question.identifiers)
        links = [(_of(link, item), link) for item, chain in chains for link in chain]
        if not links and not any(item.kind.is_place for item, _ in chains):
            # Where chains end, such as a customer number: what leads there.
            links = [("", link) for link in moment.person(question.identifiers).links]
        return looked_up(question.identifiers, moment)[0], links

    then, links = asked(moment_of(question, known, now))
    kinds = {link: kind for kind, link in links}
    told = [
        {
            "kind": kinds[link] or None,
            "token": _short(link.token),
            "subject": _short(link.subject),
            **link_json(link),
        }
        for link in newest([*kinds])
    ]
    unknown = then.resolution == Resolution.UNIQUE and not links
    answered: dict[str, Any] = {
        "resolution": Resolution.NONE if unknown else then.resolution,
        "candidates": 0 if unknown else then.candidates,
        "disagree": [list(kinds) for kinds in then.disagree],
        "unlinked": list(then.unlinked),
        "subjects": [] if unknown else sorted(_short(token) for token in then.subjects),
        "links": told,
        "links_total": len(kinds),
        "problems": list(then.problems),
        "waiting": known.waiting(),
        "dead_letters": unread(known.open_letters(), known.company),
    }
    if question.changes:
        now_links = [link for _, link in asked(Asked(known, now))[1]]
        answered["changed_since"] = differences([*kinds], now_links)
    return answered


def _of(link: Link, item: Given) -> str:
    """The kind of the identifier if the link is its own, "" for one further along the chain."""
    return item.kind.name if link.token in {item.token, *(token for token, _ in item.prefixes)} else ""


def _short(token: bytes) -> str:
    return "forgotten" if is_forgotten(token) else token.hex()[:12]
