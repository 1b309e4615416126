"""Clients of the API from several addresses, and what stands on record of their questions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.services import Services
from sinks.ports.audit import AuditEntry, Looked
from tests.support.api import EMAIL, NOW, TOKEN, services
from tests.support.asgi import InProcess

SOMEBODY = {"identifiers": [{"kind": "email", "value": EMAIL}]}
NOBODY = {"identifiers": [{"kind": "email", "value": "nobody.at.all@example.no"}]}
QUESTIONS = ("/v1/lineage/query", "/v1/access", "/v1/identity", "/v1/requests/plan")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Services]:
    ticks = itertools.count()
    return lambda **other: services(
        tmp_path, **{"clock": lambda: NOW + timedelta(milliseconds=next(ticks)), **other}
    )


def client(of: Services, address: str = "192.0.2.10", token: str = TOKEN, **headers: str) -> httpx.Client:
    """A client at that address."""
    return httpx.Client(
        transport=InProcess(create_app(of), address),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {token}", **headers},
    )


def entries(of: Services, **looked: Any) -> list[AuditEntry]:
    """What is on record, oldest first."""
    return [*reversed(of.recorder.log.find(Looked(**looked), 10_000))]
