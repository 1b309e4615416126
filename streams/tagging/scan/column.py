"""A column of texts at once: distinct texts are scanned once, and what was found comes out as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog

from schemas.errors import InvalidIdentifier, place_of
from schemas.identifiers import IdentifierKind, IdentifierKinds, canonical
from streams.tagging.scan.abroad import abroad
from streams.tagging.scan.finding import CATEGORIES, Finding, Recogniser
from streams.tagging.scan.text import DEFAULT, Limits, scan

GROUP = "innsyn.recognisers"
"""Entry point group of plug-ins: each names a `Recogniser`."""

_log = structlog.get_logger(__name__)
_KIND_CODES = {kind: code for code, kind in enumerate(CATEGORIES)}
_CATEGORY_NAMES = sorted(set(CATEGORIES.values()))
_CATEGORY_CODES = {name: code for code, name in enumerate(_CATEGORY_NAMES)}


@dataclass(frozen=True)
class Scanned:
    """What was found in a column; one element per finding, ordered by row, place and score.

    row: int64, position in the column. start, end: uint32, characters, half-open. kind, category: dictionary arrays
    (int32 to string). score: float32. mentions: (row, kind, canonical value) of each proven identifier, once per row.
    truncated: rows of which only the first part was scanned. failures: distinct texts that plug-ins failed on, and
    findings of theirs that are none; their findings in these are left out.
    """

    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.uint32]
    end: npt.NDArray[np.uint32]
    kind: pa.DictionaryArray
    category: pa.DictionaryArray
    score: npt.NDArray[np.float32]
    mentions: list[tuple[int, IdentifierKind, str]] = field(repr=False)
    truncated: npt.NDArray[np.int64]
    failures: int = 0


class Scanner:
    """Scans columns. One thread at a time for each plug-in that asks for it; the scanner itself keeps nothing."""

    def __init__(
        self, kinds: IdentifierKinds, recognisers: Sequence[Recogniser] = (), limits: Limits = DEFAULT
    ) -> None:
        """`kinds`: what is found is an identifier of the one that says so (`IdentifierKinds.found`)."""
        self._kinds = kinds
        self._recognisers = tuple(recognisers)
        self._limits = limits

    def scan_column(self, texts: pa.Array) -> Scanned:
        """Findings of an Arrow column of strings; nulls hold none."""
        encoded = texts.dictionary_encode()
        distinct: list[str] = encoded.dictionary.to_numpy(zero_copy_only=False).tolist()
        present = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
        index = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)[present]
        found: list[Finding] = []
        counts = np.zeros(len(distinct), np.int64)
        failures, whys = 0, set[str]()
        for at, text in enumerate(distinct):
            mine = scan(text, self._limits)
            if self._kinds.country != "NO":
                mine = tuple(sorted(abroad(text[: self._limits.longest], mine, self._kinds), key=_order))
            if self._recognisers:
                more, failed = self._plugged_in(text[: self._limits.longest], whys)
                mine = tuple(sorted((*mine, *more), key=_order))
                failures += failed
            counts[at] = len(mine)
            found += mine
        for why in sorted(whys):
            _log.warning("recogniser.failed", error=why)
        too_long = np.array([len(text) > self._limits.longest for text in distinct], np.bool_)
        cut = present[too_long[index]] if len(distinct) else present
        return _spread(found, counts, index, present, cut, failures, self._kinds)

    def _plugged_in(self, text: str, whys: set[str]) -> tuple[list[Finding], int]:
        """What the plug-ins found in a text, and how often they failed; why is added to `whys`."""
        found: list[Finding] = []
        failed = 0
        for recogniser in self._recognisers:
            try:
                given = list(recogniser(text))
            except Exception as error:  # noqa: BLE001 - a stranger's code must not cost us the event
                whys.add(f"{getattr(recogniser, '__module__', 'unknown')}: {place_of(error)}")
                failed += 1
                continue
            good = [finding for finding in given if _possible(finding, len(text), self._kinds)]
            failed += len(given) - len(good)
            found += good
        return found, failed


def load_recognisers() -> tuple[Recogniser, ...]:
    """The plug-ins that are installed, by name of their entry point. Raises whatever importing one raises."""
    return tuple(point.load() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name))


def _possible(finding: object, length: int, kinds: IdentifierKinds) -> bool:
    """Whether what a plug-in returned can be a finding of a text of that length."""
    if not (isinstance(finding, Finding) and CATEGORIES.get(finding.kind) == finding.category):
        return False
    if not (0 <= finding.start < finding.end <= length and 0 <= finding.score <= 1):
        return False
    if finding.identifier is None:
        return True
    kind = _kind(finding.identifier[0], kinds)
    try:
        return kind is not None and canonical(kind, finding.identifier[1]) == finding.identifier[1]
    except InvalidIdentifier:
        return False


def _kind(found_as: str, kinds: IdentifierKinds) -> IdentifierKind | None:
    """Of what is found as that, or of that name: a plug-in may know the company's own."""
    return kinds.found.get(found_as) or kinds.get(found_as)


def _order(finding: Finding) -> tuple[int, int, float, str]:
    return finding.start, finding.end, -finding.score, finding.kind


def _spread(
    found: list[Finding],
    counts: npt.NDArray[np.int64],
    index: npt.NDArray[np.int32],
    present: npt.NDArray[np.intp],
    cut: npt.NDArray[np.intp],
    failures: int,
    kinds: IdentifierKinds,
) -> Scanned:
    """Findings of distinct texts, repeated for every row that has the text. `counts`: findings of each text."""
    first = np.cumsum(counts) - counts
    repeats = counts[index]
    row = np.repeat(present, repeats).astype(np.int64)
    within = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    source = np.repeat(first[index], repeats) + within
    found_as = np.array([_KIND_CODES[item.kind] for item in found], np.int32)[source]
    categories = np.array([_CATEGORY_CODES[item.category] for item in found], np.int32)[source]
    return Scanned(
        row=row,
        start=np.array([item.start for item in found], np.uint32)[source],
        end=np.array([item.end for item in found], np.uint32)[source],
        kind=pa.DictionaryArray.from_arrays(pa.array(found_as), pa.array(list(CATEGORIES), pa.string())),
        category=pa.DictionaryArray.from_arrays(pa.array(categories), pa.array(_CATEGORY_NAMES)),
        score=np.array([item.score for item in found], np.float32)[source],
        mentions=list(_mentions(found, row, source, kinds)),
        truncated=cut.astype(np.int64),
        failures=failures,
    )


def _mentions(
    found: list[Finding],
    row: npt.NDArray[np.int64],
    source: npt.NDArray[np.int64],
    kinds: IdentifierKinds,
) -> Iterator[tuple[int, IdentifierKind, str]]:
    proven = np.array([item.proven and item.identifier is not None for item in found], np.bool_)[source]
    named = dict.fromkeys(
        (int(at), found[place].identifier)
        for at, place in zip(row[proven], source[proven].tolist(), strict=True)
    )
    for at, identifier in named:
        if identifier is not None and (kind := _kind(identifier[0], kinds)) is not None:
            yield at, kind, identifier[1]
