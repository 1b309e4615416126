"""What innsyn keeps is its owner's alone: files 0600, folders 0700, whatever the umask it is started under."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.errors import SettingsError

UMASK = 0o077
_MOST_NAMED = 3


def only_ours() -> None:
    """From now on everything this process and its children make is closed to others."""
    os.umask(UMASK)


def write_private(path: Path, text: str) -> None:
    """The whole text or none of it, for the owner alone."""
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, content: bytes) -> None:
    """As `write_private`."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.replace(path)


def open_to_others(home: Path) -> Iterator[Path]:
    """Every file and folder of the home, itself included, that group or others may read, write or enter.

    What is closed by the folder it lies in is found as well. Links are not followed.
    """
    if home.is_dir() and _is_open(home):
        yield home
    folders = [home]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                found = list(entries)
        except OSError:
            # Gone meanwhile, as files of an index or a broker do, or not ours to read.
            continue
        for entry in found:
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            if _is_open(Path(entry.path)):
                yield Path(entry.path)


def close_to_others(home: Path, keys: Path) -> int:
    """Take from group and others what they may do with the home; returns with how many files and folders.

    Keys are left as they are: those that others could read are not mended by a mode. Raises SettingsError for what
    belongs to somebody else.
    """
    count = 0
    for path in open_to_others(home):
        if path == keys or keys in path.parents:
            continue
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~UMASK)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SettingsError(
                f"{path} can be read by others and cannot be closed to them ({error.strerror}); run innsyn as its "
                "owner, or set INNSYN_HOME to another folder"
            ) from None
        count += 1
    return count


def openness(home: Path) -> Sequence[str]:
    """One sentence that names some of what others can read, or none."""
    found = sorted(open_to_others(home))
    if not found:
        return ()
    named = ", ".join(map(str, found[:_MOST_NAMED]))
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    return (f"others can read {named}{more}; run chmod -R go= {home}",)


def _is_open(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.lstat().st_mode) & UMASK)
    except OSError:
        return False
