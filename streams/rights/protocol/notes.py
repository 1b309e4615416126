"""What people did about a request, and what happened by itself that people should see, as notes. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from schemas.counted import counted
from streams.rights.protocol.came_back import SuppressionLifted
from streams.rights.protocol.events import LedgerEvent, Lifting, Widened
from streams.rights.protocol.handling import (
    Accepted,
    Approved,
    Cancelled,
    Checked,
    Closed,
    Closing,
    Extended,
    IdentityAsked,
    Notified,
    Told,
    Waived,
)
from streams.rights.protocol.lines import STANDS, STOOD, asked_line, unclear_words
from streams.rights.protocol.parts import Note
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.restricting import reaches_later

CANNOT_BE_TOLD = "cannot notify"
"""Of a note on a recipient: a person said why it cannot be told (GDPR Art. 19)."""


def noted(request: RequestState, event: LedgerEvent, at: datetime) -> RequestState:
    """With what a person did, where the event is that."""
    match event:
        case Accepted() if event.sealed is not None:
            note = Note("accepted", at, event.system, event.sealed)
        case Waived():
            note = Note("waived", at, None, event.sealed, words=unclear_words(event))
        case Closing() | Closed() if event.sealed is not None:
            note = Note("closed", at, None, event.sealed)
        case Cancelled():
            note = Note("cancelled", at, None, event.sealed)
        case IdentityAsked():
            note = Note("asked who they are", at, words=asked_line(event))
        case Checked():
            request = replace(request, notes=tuple(_stood(item) for item in request.notes))
            note = Note("checked", at, words=f"{event.what} by {event.how.replace('_', ' ')}")
        case Extended():
            note = Note(f"extended by {counted(event.months, 'month')}", at, None, event.sealed)
        case Approved():
            note = Note("approved", at, words=f"plan {event.digest} by {event.by}")
        case SuppressionLifted():
            note = Note("look-out lifted", at, None, event.sealed, words=f"by {event.by}")
        case Told():
            note = Note("told", at, words=f"by {event.how}")
        case Notified():
            what = "notified" if event.how else CANNOT_BE_TOLD
            words = f"by {event.how}" if event.how else None
            note = Note(what, at, event.recipient, event.sealed, words=words)
        case Lifting():
            note = Note("lifted", at, None, event.sealed, words=f"the person told by {event.how}")
        case Widened() if reaches_later(request):
            more = ", ".join(dict.fromkeys(item.system for item in event.commands))
            note = Note("reaches more", at, words=f"{more} told by itself, as the index learnt more")
        case _:
            return request
    return replace(request, notes=(*request.notes, note))


def _stood(note: Note) -> Note:
    """The note of a question that is answered: its clock runs again."""
    return replace(note, words=note.words and note.words.replace(STANDS, STOOD))
