"""Every check there is, by name. A new one is a file in `streams/duties/checks/` with its `CHECKS`, named here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from streams.duties.check import Check
from streams.duties.checks import consents, devices, disclosures, notices, retention

_SUBJECTS = (consents, devices, disclosures, notices, retention)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {check.name: check for subject in _SUBJECTS for check in subject.CHECKS}
)
