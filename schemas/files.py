"""Files that somebody names: opened only if they are files, for a pipe would block and a device may have no end."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


def open_regular(path: str | Path) -> io.FileIO:
    """A regular file, to be read. Raises OSError, whose `strerror` says what else it is."""
    # Without blocking, or the opening of a pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return io.FileIO(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, _KINDS.get(stat.S_IFMT(mode), "it is no file"))


def is_named(path: str | Path) -> bool:
    """Whether something has that name, also a link that leads nowhere: that file is missing, not left out."""
    return os.path.lexists(path)


def read_regular(path: str | Path, most: int) -> bytes:
    """All of a regular file of at most so many bytes. Raises OSError as `open_regular`."""
    with io.BufferedReader(open_regular(path)) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return data


LARGEST_TEXT = 8 * 1024 * 1024
"""Of a file that a person wrote no more is read; it ends what has no end."""


def read_utf8(path: str | Path) -> str:
    """The text of a regular file. Raises OSError as `open_regular`, UnicodeDecodeError."""
    return read_regular(path, LARGEST_TEXT).decode("utf-8")
