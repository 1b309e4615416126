"""The keys of the systems that are told to erase: which there are, and those that an installation of its own makes."""

from __future__ import annotations

from dataclasses import dataclass

from console.wiring.company import company_of
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
    systems = company_of(settings).catalogue.systems.values()
    return sorted(item.id for item in systems if item.erasure == "command")


def described(settings: Settings) -> list[KeysOf]:
    """Every system that is told to erase or has a key, sorted."""
    ring = SystemKeyring(settings.keys_folder)
    return [_of(ring, system) for system in sorted({*ring.systems(), *told(settings)})]


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
