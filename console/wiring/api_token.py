"""The bearer tokens of the API: given, or made once and kept in a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets

from console.instance import TOKEN_FILE
from schemas.errors import SettingsError
from schemas.settings import Settings


def approver_token(settings: Settings) -> str | None:
    """The token of whoever approves, None where none is set."""
    return settings.approver_token.get_secret_value() if settings.approver_token else None


def api_token(settings: Settings) -> str:
    """The token in force. Raises SettingsError if its file cannot be written or read."""
    if settings.api_token:
        return settings.api_token.get_secret_value()
    path = settings.home / TOKEN_FILE
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            token = secrets.token_urlsafe(32)
            file.write(token + "\n")
        return token
    except OSError as error:
        raise SettingsError(f"{path} cannot be used ({error.strerror}); set INNSYN_API_TOKEN") from error
