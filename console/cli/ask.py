"""Asking about a person: the running innsyn, else the embedded index that nobody has open."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from console.cli.options import user_name
from console.client import connect
from schemas.asked_for import AskedFor
from schemas.errors import InputError, Unavailable
from schemas.settings import Settings, load_settings

QuestionKind = Literal["query", "access", "plan", "identity"]


def ask(question: QuestionKind, body: Mapping[str, Any], because: AskedFor | None = None) -> dict[str, Any]:
    """The answer's JSON, the same from both. `body` is what the API takes. Either way the question is on record.

    Raises InputError, Unavailable (also: nothing runs and there is nothing to open).
    """
    settings = load_settings()
    client = connect(settings, because)
    if client is None:
        return _directly(settings, question, body, because)
    with client:
        asked = {
            "query": client.query,
            "access": client.access,
            "plan": client.plan,
            "identity": client.identity,
        }
        return asked[question](body)


def _directly(
    settings: Settings, question: QuestionKind, body: Mapping[str, Any], because: AskedFor | None
) -> dict[str, Any]:
    # Imported here: the engine alone takes half a second, which an answer over HTTP does not need.
    from pydantic import ValidationError

    from console.bodies import AccessQuery, IdentityQuery, LineageQuery, PlanQuery, what_is_wrong
    from console.operations.audit import Note
    from console.wiring.answering import open_answering
    from console.wiring.company import company_of
    from sinks.open import embedded_folder
    from streams.answers.erasure import preview
    from streams.answers.identity import identity
    from streams.answers.lookup import access, lineage

    folder = embedded_folder(settings)
    if folder is None:
        # Reads on a shared index pass the API, which authorises and records them.
        raise Unavailable(
            "no innsyn answers and the index is a server's; start `innsyn serve` or set INNSYN_API_TOKEN"
        )
    asked: dict[QuestionKind, tuple[Any, Callable[..., dict[str, Any]]]] = {
        "query": (LineageQuery, lineage),
        "access": (AccessQuery, access),
        "plan": (PlanQuery, preview),
        "identity": (IdentityQuery, identity),
    }
    model, answer = asked[question]
    try:
        query = model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {what_is_wrong(first)}; mend it") from None
    begun = time.monotonic()
    note = Note(datetime.now(UTC), caller=f"user {user_name()}", purpose=because or "")
    asked_of = query.question(company_of(settings).kinds)
    note.asks(asked_of.identifiers)
    with open_answering(settings) as opened:
        status = 500
        try:
            found = note.answered(answer(asked_of, note.of(opened), note.at))
            status = 200
        finally:
            # Before anybody sees it, as the API does.
            action = f"command {question}"
            opened.sinks.audit.write([note.entry(action, status, time.monotonic() - begun)])
        return found
