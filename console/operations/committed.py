"""Which versions of a schema file were committed before: beside it, in git, or of the company's own records."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.annotations import Problem, RecordSchema
from schemas.company import Company
from schemas.errors import InputError, SchemaError
from schemas.records import read_record, read_text
from schemas.versions import FOLDER, Committed, versions_of


def history(
    company: Company, record: RecordSchema, path: Path, against: Sequence[Path] | None, base: str | None
) -> list[Committed]:
    """Every committed version, oldest first; empty for a record nobody has seen yet.

    Those named in `against` (newest first), else those in `versions/` beside the file, else those in git up to `base`
    (default HEAD), else the company's of that name. Errors: SchemaError, InputError for a revision that is not there.
    """
    if against:
        return [Committed(str(file), read_record(read_text(file), str(file))) for file in reversed(against)]
    folder = path.resolve().parent
    if base is not None and _git(folder, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
        raise InputError(f"{path}: git knows no revision {base} here; fetch it or name another with --base")
    return versions_of(path) or [*_in_git(folder, path.name, base or "HEAD")] or _of_ours(company, record)


def altered(path: Path, base: str | None) -> Iterator[Problem]:
    """Committed versions that are no longer what was committed: what was written with them would be read wrongly."""
    folder, revision = path.resolve().parent, base or "HEAD"
    kept = f"{FOLDER}/{path.stem}"
    listed = _git(folder, "ls-tree", "--name-only", revision, f"{kept}/")
    for name in (listed or "").split():
        committed = _git(folder, "show", f"{revision}:./{name}")
        there = folder / name
        if committed is not None and (not there.is_file() or there.read_text("utf-8") != committed):
            mend = "restore it, and commit the change as a new version (`innsyn schema commit`)"
            yield Problem(str(there), path.stem, f"version {there.stem} is not what was committed", mend)


def in_git(path: Path) -> list[RecordSchema]:
    """What git has of the file, oldest first; empty without git."""
    return [item.record for item in _in_git(path.resolve().parent, path.name, "HEAD")]


def _in_git(folder: Path, name: str, revision: str) -> Iterator[Committed]:
    # Followed: the versions of a file that was renamed lie under its old name.
    log = _git(folder, "log", "--follow", "--format=%x00%h", "--name-only", "-z", revision, "--", name)
    entries = [part for part in (log or "").replace("\n", "\0").split("\0") if part]
    for commit, file in reversed([*zip(entries[::2], entries[1::2], strict=False)]):
        text = _git(folder, "show", f"{commit}:{file}")
        if text is None:
            continue
        try:
            yield Committed(f"commit {commit}", read_record(text, f"{name} at {commit}"))
        except SchemaError:
            # What was no schema was written with by nobody.
            continue


def _of_ours(company: Company, record: RecordSchema) -> list[Committed]:
    for file in (file for folder in company.avro for file in sorted(folder.glob("*.avsc"))):
        known = versions_of(file)
        if known and known[-1].record.fullname == record.fullname:
            return known
    ours = [known for known in company.records.values() if known.fullname == record.fullname]
    return [Committed("the company's own", known) for known in ours]


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None where git, the work tree, the revision or the file is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=60
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
