"""Reads a batch so that an offset that ends the process is found, and set aside. See `journal` beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from schemas.codec import split_frame
from schemas.errors import DecodeError, InnsynError, SettingsError, place_of
from schemas.records import RecordSchema
from sinks.ports.offsets import in_kafka
from streams.kafka.batches import Gap, Partition, TopicBatch
from streams.tagging.crashes.journal import Journal, Offset, Suspects, suspects_of
from streams.tagging.crashes.trial import fatal_among
from streams.tagging.prepare import Prepared, Preparer

CHUNK = 256
"""Messages that are read at a time where a process ended over one of them. A batch of few costs as much as one of one:
a full batch is 256 of them, and what a second death leaves to be tried is few again."""
_MOST_NAMED = 5
_MEANING = "a tagger ended twice over this message: it is a dead letter `ended_process`, the rest goes on"
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
        """Says what earlier processes died over. `alive()` is called with each chunk that is read again; it may
        raise Stopped.

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
        try:
            return self._prepared(taken, gaps, epochs)
        finally:
            # Whoever ends the process from now on ends it over nothing of these.
            self._journal.rest()

    @property
    def died(self) -> bool:
        """Whether an earlier tagger of this host ended without a word."""
        return self._journal.died

    def wait(self) -> None:
        """Until `resume` nothing is decoded, so that no message is to blame for an end."""
        self._journal.wait()

    def resume(self) -> None:
        """See `wait`."""
        self._journal.resume()

    def passed(self, at: Mapping[Partition, int]) -> None:
        """The ledger goes on at these offsets."""
        self._journal.passed(at)

    def close(self, *, clean: bool) -> None:
        """See `Journal.close`."""
        self._journal.close(clean=clean)

    def _prepared(
        self, taken: Sequence[TopicBatch], gaps: Sequence[Gap], epochs: Mapping[Partition, int]
    ) -> Prepared:
        self._sift(taken, epochs)
        try:
            return self._whole(taken, gaps, epochs)
        except (InnsynError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library thinks of them
            _log.warning("batch.failed", error=place_of(error), meaning="it is read again in parts")
        self._journal.suspect([found for item in taken for found in _of(item)])
        self._sift(taken, epochs)
        return self._whole(taken, gaps, epochs)

    def _whole(
        self, taken: Sequence[TopicBatch], gaps: Sequence[Gap], epochs: Mapping[Partition, int]
    ) -> Prepared:
        return self._preparer.prepare(
            taken,
            gaps,
            epochs,
            self._clock(),
            self._journal.fatal,
            lambda item: self._journal.begin(_of(item)),
        )

    def _sift(self, taken: Sequence[TopicBatch], epochs: Mapping[Partition, int]) -> None:
        """Find the fatal among what processes died over: something ends over it here, or the note of this one tells."""
        if not self._journal.suspects and not self._journal.pinned:
            return
        # What is made here is made again with the whole batch: it may take nothing from that.
        trying = self._preparer.anew()
        for item in taken:
            pinned = _among(item, self._journal.pinned)
            if pinned.any():
                self._try(trying, _part(item, np.flatnonzero(pinned)), epochs)
            suspect = np.flatnonzero(_among(item, self._journal.suspects) & ~pinned)
            for first in range(0, len(suspect), CHUNK):
                self._again(trying, _part(item, suspect[first : first + CHUNK]), epochs)

    def _try(self, trying: Preparer, item: TopicBatch, epochs: Mapping[Partition, int]) -> None:
        """Set aside what ends another process; where nothing does, it may be of this one that something dies."""
        item = _without(item, self._journal.fatal)
        records = self._records(item)
        self._journal.rest()
        places = _places(item)
        fatal = fatal_among(trying, records, item, epochs, self._clock(), self._alive)
        for at in fatal:
            self._journal.died_over(places[at])
            _log.warning("offset.set_aside", **_named(places[at]), meaning=_MEANING)
        if not fatal:
            self._one_by_one(trying, item, epochs)

    def _records(self, item: TopicBatch) -> dict[bytes, RecordSchema]:
        """The schemas of the messages by their prefix, where there are any."""
        found: dict[bytes, RecordSchema | None] = {}
        for place, value in zip(_places(item), item.values, strict=True):
            try:
                prefix, _ = split_frame(value or b"")
                if prefix not in found:
                    found[prefix] = None
                    # It may be its schema that is fatal.
                    self._journal.alone(place)
                    found[prefix] = self._preparer.resolved(prefix, item.topic)
            except DecodeError:
                continue
        return {prefix: record for prefix, record in found.items() if record is not None}

    def _again(self, trying: Preparer, item: TopicBatch, epochs: Mapping[Partition, int]) -> None:
        self._alive()
        self._journal.again(_of(item))
        try:
            trying.prepare([item], (), epochs, self._clock(), self._journal.fatal)
        except (InnsynError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library thinks of one of them
            _log.warning("batch.failed", error=place_of(error), meaning="it is read message by message")
            self._one_by_one(trying, item, epochs)

    def _one_by_one(self, trying: Preparer, item: TopicBatch, epochs: Mapping[Partition, int]) -> None:
        """Either this process ends over the fatal one, and its note tells, or it fails here."""
        for at, place in enumerate(_places(item)):
            if place in self._journal.fatal:
                continue
            self._alive()
            self._journal.alone(place)
            try:
                trying.prepare([_part(item, np.array([at]))], (), epochs, self._clock())
            except (InnsynError, Stopped):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library thinks of one of them
                self._journal.died_over(place)
                _log.warning("offset.set_aside", **_named(place), error=place_of(error))


def _among(item: TopicBatch, found: Sequence[Suspects]) -> npt.NDArray[np.bool_]:
    """Which messages lie in one of these."""
    among = np.zeros(len(item.values), np.bool_)
    for suspects in found:
        among |= suspects.among(item.topic, item.partition, item.offset)
    return among


def _part(item: TopicBatch, chosen: npt.NDArray[np.int64]) -> TopicBatch:
    values = [item.values[at] for at in chosen.tolist()]
    return replace(item, values=values, partition=item.partition[chosen], offset=item.offset[chosen])


def _without(item: TopicBatch, places: Set[Offset]) -> TopicBatch:
    kept = [at for at, place in enumerate(_places(item)) if place not in places]
    return _part(item, np.array(kept, np.int64))


def _places(item: TopicBatch) -> list[Offset]:
    pairs = zip(item.partition.tolist(), item.offset.tolist(), strict=True)
    return [(item.topic, partition, offset) for partition, offset in pairs]


def _of(item: TopicBatch) -> list[Suspects]:
    return suspects_of(item.topic, item.partition, item.offset)


def _tell(journal: Journal) -> None:
    if journal.died:
        _log.warning(
            "tagger.ended_without_a_word",
            meaning="the batches there are now are measured before they are unpacked, which takes longer",
        )
    for place in sorted(journal.fatal):
        _log.warning("offset.set_aside", **_named(place), meaning=_MEANING)
    for found, meaning in (
        (journal.suspects, "those that are not in the index are read again in parts"),
        (journal.pinned, "taggers ended twice over one of them: they are tried in a process of their own"),
    ):
        if found:
            _log.warning(
                "tagger.ended_before",
                messages=sum(item.last - item.first + 1 for item in found),
                places=[
                    f"{item.topic}/{in_kafka(item.partition)}/{item.first}-{item.last}"
                    for item in found[:_MOST_NAMED]
                ],
                meaning=f"the last tagger ended while it had these: {meaning}",
            )


def _named(place: Offset) -> dict[str, object]:
    return dict(zip(("topic", "partition", "offset"), place, strict=True))
