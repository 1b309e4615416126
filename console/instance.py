"""Where the running innsyn of a home folder answers, and by which token."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from console.wiring.company import folder_of
from console.wiring.run_file import RUN_FILE
from schemas.errors import SettingsError
from schemas.settings import Settings

TOKEN_FILE = "token"
SQL_TOKEN_FILE = "sql-token"
SERVICE = "innsyn"


@dataclass(frozen=True)
class ApiAddress:
    """Where a running innsyn answers, and the bearer token it asks for."""

    address: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class SqlAddress:
    """Where a running innsyn answers queries in SQL, and for whom."""

    address: str
    user: str
    token: str = field(repr=False)


def find_sql(settings: Settings) -> SqlAddress | None:
    """The SQL endpoint of what `find_instance` finds; None where it has none, or its token is not there."""
    given = settings.sql_token.get_secret_value() if settings.sql_token else None
    token = given or _read(settings, SQL_TOKEN_FILE)
    running = json.loads(_read(settings, RUN_FILE) or "{}")
    address = running.get("sql") if running else _here(settings, settings.sql_port_in_force)
    return SqlAddress(str(address), settings.sql_user, token.strip()) if token and address else None


def find_instance(settings: Settings) -> ApiAddress | None:
    """The instance the settings or `<home>/run.json` name; None where nothing names one or its token is not there.

    It need not be running any more: `connect` asks. Raises SettingsError where another company is named than the home
    holds the data of: what runs there would answer for its own.
    """
    if settings.company is not None:
        folder_of(settings)
    token = settings.api_token.get_secret_value() if settings.api_token else _read(settings, TOKEN_FILE)
    if not token:
        return None
    address = _here(settings, settings.api_port)
    try:
        running = json.loads(_read(settings, RUN_FILE) or "{}")
        address = str(running.get("api") or address)
    except (ValueError, AttributeError):
        raise SettingsError(
            f"{settings.home / RUN_FILE} is not readable JSON; start `innsyn up` again"
        ) from None
    return ApiAddress(address, token.strip())


def _here(settings: Settings, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.api_host, settings.api_host)
    return f"http://{host}:{port}"


def _read(settings: Settings, name: str) -> str | None:
    try:
        return (settings.home / name).read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"{settings.home / name} cannot be read; run this as the user who started innsyn"
        ) from None
