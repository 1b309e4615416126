"""Files and folders that are their owner's alone: written whole, read only while they are, destroyed for good."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from schemas.errors import KeyUnavailable

LARGEST = 64 * 1024
"""Of a file of keys; what is longer is not read whole."""
# So much is overwritten at least: as long as any key.
_LEAST = 32
# Ends the name of a file that is being destroyed.
_REMOVED = ".removed"
_WAITING = 16


def fault(path: Path, found: os.stat_result) -> str | None:
    """Why a key file or folder is not its owner's alone, and what to run; None: it is."""
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a symbolic link; put the key file itself there"
    if found.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to another user (uid {found.st_uid}); run chown {os.geteuid()} {path}"
    if mode & 0o077:
        wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
        return f"{path} can be read by others (mode {mode:o}); run chmod {wanted} {path}"
    return None


def refuse_open(folder: Path) -> None:
    """Raises KeyUnavailable for a folder that others can read, or that is not there."""
    try:
        # A folder may be a link; what it leads to is looked at.
        found = folder.stat()
    except OSError as error:
        raise KeyUnavailable(f"{folder} cannot be read ({error.strerror}); check its owner") from error
    if (wrong := fault(folder, found)) is not None:
        raise KeyUnavailable(wrong)


def read_file(path: Path) -> bytes:
    """The whole of a file that is its owner's alone: looked at and read as one, whatever the name leads to later.

    Raises KeyUnavailable.
    """
    while True:
        content, found = _read(path)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), found):
                return content
        # Replaced or removed meanwhile: what was read may be what it was overwritten with.


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise KeyUnavailable(str(fault(path, path.lstat()))) from None
        raise KeyUnavailable(f"{path} cannot be read ({error.strerror}); check its owner") from error
    try:
        found = os.fstat(descriptor)
        if (wrong := fault(path, found)) is not None:
            raise KeyUnavailable(wrong)
        if not stat.S_ISREG(found.st_mode):
            raise KeyUnavailable(f"{path} is not a file; restore it from your key backup")
        return os.read(descriptor, LARGEST), found
    finally:
        os.close(descriptor)


def destroy_private(path: Path, random: Callable[[int], bytes]) -> None:
    """Remove the file so that nobody reads it again. Safe to repeat."""
    finish_destroying(path.parent, random)
    with suppress(FileNotFoundError):
        # Away from its name first: who reads it meanwhile has the whole of it or nothing.
        path.rename(path.with_name(f".{path.name}{_REMOVED}"))
        _sync(path.parent)
    finish_destroying(path.parent, random)


def finish_destroying(folder: Path, random: Callable[[int], bytes]) -> None:
    """Destroy what a call of `destroy_private` that died left in the folder. Safe to repeat."""
    for path in folder.glob(f".*{_REMOVED}"):
        with suppress(FileNotFoundError):
            # Overwritten first: on file systems that write in place the key is gone even from the free blocks.
            with path.open("r+b") as file:
                file.write(random(max(_LEAST, path.stat().st_size)))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _sync(folder)


def write_once(path: Path, content: bytes) -> bool:
    """Create the file whole and private, or leave the one another process just made. Whether this call made it."""
    return bool(write_each_once({path: content}))


def write_each_once(contents: Mapping[Path, bytes]) -> list[Path]:
    """Create each file whole and private, or leave the one another process just made. Those that this call made."""
    temporaries: dict[Path, Path] = {}
    made: list[Path] = []
    try:
        for path, content in contents.items():
            temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            temporaries[path] = temporary
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(content)
        _sync_each([*temporaries.values()])
        for path, temporary in temporaries.items():
            with suppress(FileExistsError):
                os.link(temporary, path)
                made.append(path)
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
    # The names too: a key that is used has to be there after a power cut.
    for folder in {path.parent for path in made}:
        _sync(folder)
    return made


def write_whole(path: Path, content: bytes) -> None:
    """The file whole, private and on disk, in the place of what was there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _sync_each(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        for path in paths:
            _sync(path)
        return
    # What waits for the disk at the same time gets there together.
    with ThreadPoolExecutor(min(len(paths), _WAITING)) as waiting:
        list(waiting.map(_sync, paths))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
