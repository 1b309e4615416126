"""Reads a batch so that an offset that ends the process is found, and set aside. See `streams.tagging.journal`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import structlog

from schemas.errors import InnsynError, SettingsError
from sinks.histories import in_kafka
from streams.kafka.consumer import Gap, Partition, TopicBatch
from streams.tagging.batch import Prepared, Preparer
from streams.tagging.journal import Journal, Offset, Suspects, suspects_of

_MOST_NAMED = 5
_log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The worker was asked to stop while it waited."""


class Careful:
    """Prepares batches under a journal. Not for several threads."""

    def __init__(
        self,
        preparer: Preparer,
        folder: Path,
        clock: Callable[[], datetime],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Says what earlier processes died over. `alive()` is called with each message that is read alone.

        Raises SettingsError where nothing can be noted.
        """
        self._preparer = preparer
        self._clock = clock
        self._alive = alive
        try:
            self._journal = Journal(folder)
        except OSError as error:
            raise SettingsError(
                f"the tagger cannot write to {folder} ({error.strerror or error}); make it writable, or set INNSYN_HOME"
            ) from None
        _tell(self._journal)

    def prepare(
        self, taken: Sequence[TopicBatch], gaps: Sequence[Gap], epochs: Mapping[Partition, int]
    ) -> Prepared:
        """The batch, what is fatal set aside. Raises as `Preparer.prepare` does."""
        if self._journal.suspects:
            self._one_by_one(taken, epochs)
        try:
            return self._whole(taken, gaps, epochs)
        except (InnsynError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library thinks of
            _log.warning(
                "batch.failed", error=type(error).__name__, meaning="it is read one message at a time"
            )
        self._journal.suspect([found for item in taken for found in _of(item)])
        self._one_by_one(taken, epochs)
        return self._whole(taken, gaps, epochs)

    def _whole(
        self, taken: Sequence[TopicBatch], gaps: Sequence[Gap], epochs: Mapping[Partition, int]
    ) -> Prepared:
        fatal, now = self._journal.fatal, self._clock()
        prepared = self._preparer.prepare(
            taken, gaps, epochs, now, fatal, lambda item: self._journal.begin(_of(item))
        )
        # Whoever ends the process from now on ends it over nothing of these.
        self._journal.begin(())
        return prepared

    def passed(self, at: Mapping[Partition, int]) -> None:
        """The ledger goes on at these offsets."""
        self._journal.passed(at)

    def close(self, *, clean: bool) -> None:
        """See `Journal.close`."""
        self._journal.close(clean=clean)

    def _one_by_one(self, taken: Sequence[TopicBatch], epochs: Mapping[Partition, int]) -> None:
        """Find the fatal among the suspects: either this process ends over it, and its note tells, or it fails here."""
        for item in taken:
            suspect = np.zeros(len(item.values), np.bool_)
            for suspects in self._journal.suspects:
                suspect |= suspects.among(item.topic, item.partition, item.offset)
            for at in np.flatnonzero(suspect).tolist():
                place = item.topic, int(item.partition[at]), int(item.offset[at])
                if place not in self._journal.fatal:
                    self._alone(item, at, place, epochs)

    def _alone(self, item: TopicBatch, at: int, place: Offset, epochs: Mapping[Partition, int]) -> None:
        self._alive()
        self._journal.alone(place)
        one = slice(at, at + 1)
        message = replace(
            item, values=item.values[one], partition=item.partition[one], offset=item.offset[one]
        )
        try:
            self._preparer.prepare([message], (), epochs, self._clock())
        except (InnsynError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._journal.died_over(place)
            _log.warning("offset.set_aside", **_named(place), error=type(error).__name__)


def _of(item: TopicBatch) -> list[Suspects]:
    return suspects_of(item.topic, item.partition, item.offset)


def _tell(journal: Journal) -> None:
    for place in sorted(journal.fatal):
        _log.warning(
            "offset.set_aside",
            **_named(place),
            meaning="a tagger ended twice over this message: it is a dead letter `ended_process`, the rest goes on",
        )
    if journal.suspects:
        _log.warning(
            "tagger.ended_before",
            messages=sum(item.last - item.first + 1 for item in journal.suspects),
            places=[
                f"{item.topic}/{in_kafka(item.partition)}/{item.first}-{item.last}"
                for item in journal.suspects[:_MOST_NAMED]
            ],
            meaning="the last tagger ended while it had these: those that are not in the index are read one at a time",
        )


def _named(place: Offset) -> dict[str, object]:
    return dict(zip(("topic", "partition", "offset"), place, strict=True))
