"""What cannot be tagged together is tagged apart: an event that nothing was prepared for fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from schemas.errors import place_of
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies
from streams.tagging.tag import Tagged

log = structlog.get_logger()

FAILED = "tagging_failed"
"""Reading or tagging this event failed in a way that nobody foresaw: the log has the error's type and place."""
# What is asked for, not what an event did. Anything else ends one event: libraries in Rust panic with a BaseException.
_ASKED_FOR = (KeyboardInterrupt, SystemExit, GeneratorExit)
Tag = Callable[[Bodies, Coordinates], Tagged]


def apart(tag: Tag, bodies: Bodies, at: Coordinates, topic: str) -> Iterator[tuple[slice, Tagged | str]]:
    """What `tag` makes of the bodies. Where it raises, what it makes of each half, down to single bodies, which get a
    reason in place of rows. The slices are of the bodies given, in order."""
    waiting = [slice(0, len(bodies))]
    while waiting:
        chosen = waiting.pop()
        part = bodies.part(chosen)
        where = Coordinates(at.partition[chosen], at.offset[chosen])
        try:
            made: Tagged | str = tag(part, where)
        except BaseException as error:
            if isinstance(error, _ASKED_FOR):
                raise
            if len(part) > 1:
                middle = (chosen.start + chosen.stop) // 2
                waiting += [slice(middle, chosen.stop), slice(chosen.start, middle)]
                continue
            _say(error, where, topic)
            made = FAILED
        yield chosen, made


def _say(error: BaseException, at: Coordinates, topic: str) -> None:
    """The type and the place in the code: the text of an unforeseen error may hold a value."""
    log.error(
        "event.failed",
        topic=topic,
        partition=int(at.partition[0]),
        offset=int(at.offset[0]),
        error=place_of(error),
    )
