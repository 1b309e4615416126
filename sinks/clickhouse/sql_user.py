"""The read-only user of a ClickHouse server: what its administrator runs, so that analysts connect to it directly."""

from __future__ import annotations

from collections.abc import Sequence

from sinks.clickhouse.sql_limits import quoted, settings_of
from sinks.ports.sql import SqlLimits


def user_statements(
    user: str,
    digest: str,
    owner: str,
    database: str,
    views: Sequence[str],
    limits: SqlLimits,
    cluster: str | None,
) -> list[str]:
    """Statements for a user that reads the views and nothing else. Safe to repeat, as when views were added.

    `digest`: SHA-256 of the password, in hexadecimal digits. `owner`: the user that innsyn has there: the views read
    their tables with its rights, so that who asks them needs none.
    """
    on = f" ON CLUSTER {_name(cluster)}" if cluster else ""
    bounds = settings_of(limits, {}, limits.seconds)
    said = ", ".join(f"{name} = {quoted(value)}" for name, value in (*bounds.items(), ("readonly", "1")))
    profile = f"{user}_limits"
    return [
        f"CREATE SETTINGS PROFILE OR REPLACE {_name(profile)}{on} SETTINGS {said}",
        f"CREATE USER IF NOT EXISTS {_name(user)}{on} IDENTIFIED WITH sha256_hash BY {quoted(digest)}",
        f"ALTER USER {_name(user)}{on} IDENTIFIED WITH sha256_hash BY {quoted(digest)}"
        f" DEFAULT DATABASE {_name(database)} SETTINGS PROFILE {quoted(profile)}",
        *(
            f"ALTER TABLE {_name(database)}.{_name(view)}{on} MODIFY SQL SECURITY DEFINER DEFINER = {_name(owner)}"
            for view in views
        ),
        f"REVOKE{on} ALL ON *.* FROM {_name(user)}",
        *(f"GRANT{on} SELECT ON {_name(database)}.{_name(view)} TO {_name(user)}" for view in views),
    ]


def _name(text: str) -> str:
    """A name in SQL."""
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
