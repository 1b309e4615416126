"""What somebody may say that a question about a person is asked for. A list, because a text may name a person. Pure."""

from __future__ import annotations

from enum import StrEnum


class AskedFor(StrEnum):
    """What a question is asked for. Kept in the audit record, where it is read long after the question."""

    ACCESS_REQUEST = "access_request"
    ERASURE_REQUEST = "erasure_request"
    OTHER_RIGHT = "other_right"
    CUSTOMER_SERVICE = "customer_service"
    BILLING = "billing"
    FAULT = "fault"
    ABUSE = "abuse"
    SECURITY_INCIDENT = "security_incident"
    AUTHORITY_ORDER = "authority_order"
    SUPERVISION = "supervision"
    TEST = "test"


def asked_for(text: str) -> AskedFor | None:
    """The purpose of that code, None for anything else: what is none is kept nowhere."""
    return AskedFor(text) if text in set(AskedFor) else None
