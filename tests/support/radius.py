"""Records of RADIUS accounting, as a detail file holds them."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.company import model_feed

RADIUS = model_feed("radius-detail", realms=["isp.example"], now=lambda: NOW_MS)
HEADER = "Mon Mar  2 09:00:05 2026"
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW_MS = 1_785_000_000_000


def record(*more: str, status: str = "Start", header: str = HEADER, without: str = "?") -> list[str]:
    """A record with a line for each `Name = value` of `more`, which come last."""
    attributes = [
        f"Acct-Status-Type = {status}",
        'User-Name = "nk17@isp.example"',
        'Acct-Session-Id = "0A00004F"',
        "NAS-IP-Address = 192.0.2.1",
        "NAS-Port = 337",
        "Framed-IP-Address = 198.51.100.7",
        'Event-Timestamp = "Mar  2 2026 09:00:00 UTC"',
    ]
    kept = [text for text in attributes if not text.startswith(without)]
    return [header, *(f"\t{text}" for text in (*kept, *more)), ""]


def session(user: str, number: str, status: str, minute: int) -> list[str]:
    lines = record(status=status, without="Event-Timestamp", header=f"Mon Mar  2 09:{minute:02}:00 2026")
    return [line.replace("nk17", user).replace("0A00004F", number) for line in lines]
