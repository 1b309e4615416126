"""Files and space that the machine gives us, and whether that is enough."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.topics import Topic

# More than this no part of innsyn can use, and some programs walk through all they may have.
_MOST_FILES = 65_536
# Connections of the API; files of the embedded index, of Kafka clients and of Python.
_FILES_OF_API = 512
_FILES_BESIDE = 256
# Kafka keeps a log and two indexes open for each partition, for two or three segments.
_FILES_PER_PARTITION = 8
_MEGABYTE = 1024 * 1024


def raise_file_limit() -> int:
    """Allow as many open files as the hard limit does, here and in children; returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft if soft != resource.RLIM_INFINITY else _MOST_FILES
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def files_needed(topics: Iterable[Topic]) -> int:
    """Open files that `innsyn up` takes at most with the topics of topics.yaml, in the larger of its processes."""
    partitions = sum(topic.partitions for topic in topics)
    return max(_FILES_OF_API + _FILES_BESIDE, _FILES_BESIDE + _FILES_PER_PARTITION * partitions)


def files(limit: int, needed: int, used: int) -> Sequence[str]:
    """The rule: one sentence if the limit is too low for what is there, or nearly reached."""
    if limit < needed:
        return [
            f"{limit:,} open files are allowed, {needed:,} may be needed for the topics and connections; raise the "
            "hard limit (`ulimit -Hn`, LimitNOFILE of systemd)"
        ]
    if used > limit * 0.9:
        return [f"{used:,} of {limit:,} open files are in use; raise the limit or look who holds them"]
    return []


def file_problems(topics: Iterable[Topic]) -> Sequence[str]:
    """`files` for this process as it is."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        used = len(os.listdir("/dev/fd"))
    except OSError:
        used = 0
    return files(_MOST_FILES if limit == resource.RLIM_INFINITY else limit, files_needed(topics), used)


def space_problems(folders: Sequence[Path], reserve_mb: int) -> Sequence[str]:
    """A sentence for each file system of the folders with less than the reserve (MiB) free."""
    found: dict[int, str] = {}
    for folder in folders:
        try:
            device, free = folder.stat().st_dev, shutil.disk_usage(folder).free // _MEGABYTE
        except OSError:
            # Not there yet.
            continue
        if free < reserve_mb:
            found[device] = (
                f"{free:,} MiB are free where {folder} lies, {reserve_mb:,} should be (INNSYN_DISK_RESERVE_MB); free "
                "some before writing stops"
            )
    return list(found.values())
