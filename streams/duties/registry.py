"""Every check there is, by name. A new one is a file in `streams/duties/checks/` with its `CHECKS`, named here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from streams.duties.check import Check
from streams.duties.checks import (
    agreements,
    consents,
    controls,
    declared,
    devices,
    disclosures,
    drift,
    fields,
    measures,
    notices,
    notices_in_force,
    origins,
    people,
    recipients,
    requests,
    retention,
    unseen,
    uses,
)

# Whether all of them ran is looked at last.
_SUBJECTS = (
    *(uses, origins, recipients, measures, fields, retention, people, requests, declared),
    *(consents, devices, disclosures, notices, notices_in_force, agreements, drift, unseen, controls),
)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {check.name: check for subject in _SUBJECTS for check in subject.CHECKS}
)
