"""The keys of the systems that are told to erase: which there are, and those that an installation of its own makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from console.wiring.company import company_of
from schemas.catalogue import Catalogue
from schemas.errors import KeyUnavailable
from schemas.settings import Settings
from schemas.systemkeys import SystemKeyring


@dataclass(frozen=True)
class KeysOf:
    """What there is of a system: ids of the keys in force, the oldest first; whether the private halves lie here.

    `problem`: why no command can be sent to it; `lacking`: since it has no key.
    """

    system: str
    key_ids: tuple[str, ...]
    private_here: bool
    problem: str | None
    lacking: bool = False


def told(settings: Settings) -> list[str]:
    """The systems that are told to erase, sorted."""
    return told_to_erase(company_of(settings).catalogue)


def told_to_erase(catalogue: Catalogue) -> list[str]:
    """The same of a catalogue. Pure."""
    return sorted(item.id for item in catalogue.systems.values() if item.erasure == "command")


def last_heard(requests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By system when it last answered a command, of requests as the API shows them; one that never did is not in it.
    Pure."""
    found: dict[str, str] = {}
    for request in requests:
        for command in request["commands"]:
            if (at := command.get("heard_at")) is not None:
                found[command["system"]] = max(found.get(command["system"], at), at)
    return found


def described(settings: Settings) -> list[KeysOf]:
    """Every system that is told to erase or has a key, sorted."""
    ring = SystemKeyring(settings.keys_folder)
    return [_of(ring, system) for system in sorted({*ring.systems(), *told(settings)})]


def jobs_said(found: Sequence[KeysOf], heard: Mapping[str, str]) -> tuple[Literal["ok", "off"], str]:
    """Which systems have perhaps no job: they never answered a command, and those without a key cannot be told one.
    `heard`: as `last_heard`. Pure."""
    silent = [item for item in found if item.system not in heard]
    unable = [item.system for item in silent if item.lacking]
    able = [item.system for item in silent if not item.lacking]
    said = []
    if unable:
        said.append(
            f"never answered and without a key: {', '.join(unable)}; `innsyn systems add`, then start their jobs"
        )
    if able:
        said.append(
            f"never answered a command: {', '.join(able)}; `innsyn job test` shows whether a job does"
        )
    return ("off", "; ".join(said)) if said else ("ok", f"all {len(found)} have answered a command")


def make_missing(settings: Settings) -> None:
    """A key for every system that is told to erase and has none, its private halves kept here for a job that runs here.

    Raises KeyUnavailable.
    """
    ring = SystemKeyring(settings.keys_folder)
    for system in told(settings):
        ring.made(system)


def _of(ring: SystemKeyring, system: str) -> KeysOf:
    try:
        keys = ring.of(system).keys
    except KeyUnavailable as error:
        return KeysOf(system, (), False, str(error), not ring.path(system).exists())
    return KeysOf(system, tuple(key.id for key in keys), ring.job_path(system).exists(), None)
