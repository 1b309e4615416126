"""What every role does before it starts: closes its files to others, and takes as many of them as it may."""

from __future__ import annotations

import structlog

from console.health.limits import file_problems, raise_file_limit
from console.wiring.company import company_of
from console.wiring.private import close_to_others, only_ours
from schemas.errors import SettingsError
from schemas.settings import Settings

_FEWEST_FILES = 128
_log = structlog.get_logger(__name__)


def begin(settings: Settings) -> None:
    """Raises SettingsError where a role cannot run: too few open files, files of INNSYN_HOME that are not ours; and
    CatalogueError or SchemaError where something of the company is wrong."""
    topics = company_of(settings).topics.values()
    only_ours()
    if raise_file_limit() < _FEWEST_FILES:
        raise SettingsError(file_problems(topics)[0])
    if count := close_to_others(settings.home, settings.keys_folder):
        _log.warning(
            "home.closed", files=count, meaning="others could read these files of INNSYN_HOME until now"
        )
