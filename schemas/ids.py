"""The form of the ids that come from outside: one for Kafka, the API and the command line. Pure.

An id is printed, logged and put into addresses and file names, so nothing else may stand in one.
"""

from __future__ import annotations

import re

from schemas.errors import InputError

# Letters and a dash first: no number of a person, no address of mail is taken for one.
_REQUEST = r"[A-Za-z]{1,16}-[0-9A-Za-z._-]{1,60}"
_SYSTEM = r"[a-z][a-z0-9_]{0,63}"
_WORD = r"[a-z][a-z0-9_]{0,31}"
_FORMS = {
    name: re.compile(form)
    for name, form in {
        "request_id": _REQUEST,
        "system": _SYSTEM,
        "command_id": f"{_REQUEST}/{_SYSTEM}(/restrict)?(/lift)?",
        "channel": _WORD,
    }.items()
}


def is_id(name: str, text: str) -> bool:
    """Whether the text has the form of an id of that name: request_id, system, command_id; or of a channel."""
    return _FORMS[name].fullmatch(text) is not None


def malformed(value: dict[str, object]) -> str | None:
    """Name of the first id of a message that has not its form, None where all have."""
    for name in _FORMS:
        text = value.get(name)
        if isinstance(text, str) and not is_id(name, text):
            return name
    return None


def request_id_in(text: str) -> str:
    """The text, if it may stand in an address: anything else may be a person's value, given by mistake.

    Raises InputError.
    """
    if not is_id("request_id", text):
        raise InputError("that is not a request id; `innsyn requests` lists them")
    return text
