"""The bearer tokens of the API: given, or made once and kept in a file that its owner alone can read."""

from __future__ import annotations

import os
import secrets

from console.instance import SQL_TOKEN_FILE, TOKEN_FILE
from schemas.errors import SettingsError
from schemas.settings import Settings

_SHORTEST = 16


def approver_token(settings: Settings) -> str | None:
    """The token of whoever approves, None where none is set."""
    return settings.approver_token.get_secret_value() if settings.approver_token else None


def api_token(settings: Settings) -> str:
    """The token in force. Raises SettingsError if its file cannot be written or read."""
    if settings.api_token:
        return settings.api_token.get_secret_value()
    return _kept(settings, TOKEN_FILE, "INNSYN_API_TOKEN")


def sql_token(settings: Settings) -> str:
    """The password of SQL clients in force. Raises SettingsError, also for one that can be guessed."""
    if not settings.sql_token:
        return _kept(settings, SQL_TOKEN_FILE, "INNSYN_SQL_TOKEN")
    token = settings.sql_token.get_secret_value()
    if len(token) < _SHORTEST:
        raise SettingsError(f"INNSYN_SQL_TOKEN: has fewer than {_SHORTEST} characters; set a longer one")
    if token == api_token(settings):
        raise SettingsError("INNSYN_SQL_TOKEN: is the token of the API, which may do more; set another")
    return token


def _kept(settings: Settings, name: str, variable: str) -> str:
    """The token in a file of the home folder, made where it is not there."""
    path = settings.home / name
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
        raise SettingsError(f"{path} cannot be used ({error.strerror}); set {variable}") from error
