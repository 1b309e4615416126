"""The schema registry of the settings."""

from __future__ import annotations

from schemas.settings import Settings
from streams.kafka.registry import Registry


def schema_registry(settings: Settings, timeout: float = 10.0) -> Registry | None:
    """The one that is set."""
    if settings.registry_url is None:
        return None
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    auth = (settings.registry_username, password) if settings.registry_username else None
    return Registry(settings.registry_url, auth, timeout)
