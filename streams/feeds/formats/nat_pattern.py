"""Port blocks in the log of any address translator, as a small YAML file describes its lines.

    line: '(?P<time>\\S+) (?P<event>\\w+) (?P<inside>\\S+) (?P<public>\\S+) (?P<first_port>\\d+)-(?P<last_port>\\d+)'
    each: ...              # where one line tells of several blocks: found as often as it fits behind `line`
    time: iso              # iso, syslog, epoch, epoch-ms, epoch-hex, or a format of strptime
    zone: Europe/Oslo      # of a time that names none
    began: epoch-hex       # the form of group `began`, when the block was given
    server: cgn-1          # where no group `server` names the translator
    block_size: 256        # where neither `last_port` nor `size` is in the line; without any it is one port
    events: {alloc: [created], interim: [alive], release: [deleted], other: [exhausted]}

Both patterns are regular expressions of Python, `line` at the beginning of a line. Lines that it does not fit are about
something else.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.counted import counted
from schemas.errors import DecodeError, FeedError
from schemas.files import read_regular
from schemas.vocabulary import AssignmentKind
from streams.feeds.formats.blocks import Block, Blocks
from streams.feeds.lines import times
from streams.feeds.lines.names import Names
from streams.feeds.lines.reader import BLANK, OTHER, Event, Read, RememberingReader
from streams.feeds.lines.record import Record
from streams.feeds.lines.regex import nested

_MOST_BYTES = 64 * 1024
_REQUIRED = ("time", "event", "inside", "public", "first_port")
_OPTIONAL = ("server", "last_port", "size", "subscriber", "began")
_FORMS = ("iso", "syslog", "epoch", "epoch-ms", "epoch-hex")
_ZONED = ("iso", "epoch", "epoch-ms", "epoch-hex")
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)", re.ASCII)
_SECONDS_FOR_A_LINE = 1.0
_SLOW_LINES = 3


def zone(name: str) -> tzinfo:
    """UTC, +01:00 or Europe/Oslo. Raises FeedError."""
    if found := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset < timedelta(hours=24):
            return timezone(-offset if found[1] == "-" else offset)
    try:
        return UTC if name in ("UTC", "Z") else ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise FeedError(f"there is no zone {name!r}; write UTC, +01:00 or a name like Europe/Oslo") from None


def _compiled(text: object) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise ValueError("is not text; put it between single quotes")
    try:
        pattern = re.compile(text, re.ASCII)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if why := nested(text):
        raise ValueError(why)
    unknown = sorted(pattern.groupindex.keys() - {*_REQUIRED, *_OPTIONAL})
    if unknown:
        raise ValueError(
            f"has the unknown group {unknown[0]}; groups are {', '.join((*_REQUIRED, *_OPTIONAL))}"
        )
    return pattern


def _zone(name: object) -> tzinfo:
    try:
        return zone(str(name))
    except FeedError as error:
        raise ValueError(str(error)) from None


Pattern = Annotated[re.Pattern[str], BeforeValidator(_compiled)]
Words = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


class Events(BaseModel):
    """The words that say what happened to a block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alloc: Words = Field(min_length=1)
    release: Words = ()
    interim: Words = ()
    other: Words = ()

    def kinds(self) -> Mapping[str, AssignmentKind | None]:
        """By word; None: of no block."""
        named: list[tuple[Words, AssignmentKind | None]] = [
            (self.alloc, AssignmentKind.ALLOC), (self.release, AssignmentKind.RELEASE),
            (self.interim, AssignmentKind.INTERIM), (self.other, None),
        ]  # fmt: skip
        return {word: kind for words, kind in named for word in words}


class NatPattern(BaseModel):
    """A pattern file."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    line: Pattern
    each: Pattern | None = None
    time: str
    zone: Annotated[tzinfo | None, BeforeValidator(_zone)] = None
    began: Literal["iso", "epoch", "epoch-ms", "epoch-hex"] | None = None
    server: str | None = None
    block_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    events: Events

    @model_validator(mode="after")
    def _whole(self) -> NatPattern:
        groups = [*self.line.groupindex, *(self.each.groupindex if self.each else ())]
        if missing := [name for name in _REQUIRED if name not in groups]:
            raise ValueError(f"no group (?P<{missing[0]}>...) in line or each")
        if twice := [name for name in groups if groups.count(name) > 1]:
            raise ValueError(f"group {twice[0]} stands in line and in each")
        if "server" not in groups and self.server is None:
            raise ValueError("what names the translator is missing: a group (?P<server>...) or server: NAME")
        if ("began" in groups) != (self.began is not None):
            raise ValueError("group began and its form, began: epoch-hex, go together")
        sizes = sum((name in groups) for name in ("last_port", "size")) + (self.block_size is not None)
        if sizes > 1:
            raise ValueError("of last_port, size and block_size one is enough")
        if self.time not in _FORMS:
            _check_format(self.time)
        if self.time not in _ZONED and "%z" not in self.time and self.zone is None:
            raise ValueError("the time names no zone: add zone: UTC, +01:00 or a name like Europe/Oslo")
        words = [word for words in dict(self.events).values() for word in words]
        if twice := [word for word in words if words.count(word) > 1]:
            raise ValueError(f"event {twice[0]!r} is said twice")
        return self


def _check_format(form: str) -> None:
    if "%" not in form:
        raise ValueError(f"time is none of {', '.join(_FORMS)} and no format such as %Y-%m-%d %H:%M:%S")
    sample = datetime(2026, 11, 23, 14, 35, 46, tzinfo=UTC)
    try:
        read = datetime.strptime(sample.strftime(form), form).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"time cannot be read back in the format {form}") from None
    if read != sample:
        raise ValueError("the format of time must hold year, month, day, hour, minute and second")


def load_pattern(name: str) -> tuple[NatPattern, bytes]:
    """The pattern file and its bytes. Raises FeedError, which says what is wrong in one line."""
    try:
        data = read_regular(name, _MOST_BYTES)
        described = _yaml(data)
        if not isinstance(described, dict):
            raise FeedError(
                f"{name}: describes no line; write line, time and events, each with a colon behind it"
            )
        return NatPattern.model_validate(described), data
    except OSError as error:
        raise FeedError(f"{name}: cannot be read ({error.strerror}); mend the file or its path") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" line {place.line + 1}" if place else ""
        raise FeedError(f"{name}:{where} is not YAML; put patterns between single quotes") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "pattern file"
        raise FeedError(f"{name}: {field}: {first['msg'].removeprefix('Value error, ')}") from None


def _yaml(data: bytes) -> object:
    """All values as text: the usual reading takes +01:00 for sixty and on for true."""
    return yaml.load(data.decode("utf-8-sig"), Loader=yaml.BaseLoader)


class NatPatternReader(RememberingReader):
    """Reads the lines of one log."""

    def __init__(self, pattern: NatPattern, names: Names) -> None:
        self._pattern = pattern
        self._kinds = pattern.events.kinds()
        self._moment = _moment(pattern.time, pattern.zone)
        self._began = _moment(pattern.began, None) if pattern.began else None
        self._blocks = Blocks(names)
        self._slow = 0

    def read(self, record: Record) -> Read:
        """Raises DecodeError: slow_pattern, unknown_event, bad_time, no_year, clock_change, bad_address, bad_number,
        end_before_start; FeedError if the pattern is slow on several lines."""
        line = record.text
        if not line or line.isspace():
            return BLANK
        found = self._found(line)
        if not found:
            return OTHER
        reads = [read for values in found if (read := self._block(values))]
        events: list[Event] = [event for read in reads for event in read.events]
        notice = next((read.notice for read in reads if read.notice), None)
        return Read(events, notice, counted=[reason for read in reads for reason in read.counted])

    def _found(self, line: str) -> list[dict[str, str]]:
        try:
            with _at_most(_SECONDS_FOR_A_LINE):
                head = self._pattern.line.match(line)
                if head is None:
                    return []
                known = head.groupdict("")
                if self._pattern.each is None:
                    return [known]
                return [known | one.groupdict("") for one in self._pattern.each.finditer(line, head.end())]
        except TimeoutError:
            self._slow += 1
            if self._slow >= _SLOW_LINES:
                raise FeedError(
                    f"the pattern takes more than a second on {counted(self._slow, 'line')}; say more exactly what"
                    " stands between its groups, such as [^ ]+ for .+"
                ) from None
            raise DecodeError("slow_pattern") from None

    def _block(self, values: Mapping[str, str]) -> Read | None:
        if values["event"] not in self._kinds:
            raise DecodeError("unknown_event")
        kind = self._kinds[values["event"]]
        if kind is None:
            return None
        at = self._moment(values["time"])
        began = self._began(values["began"]) if self._began and values["began"] else None
        first = values["first_port"]
        last = values.get("last_port") or self._last(first, values.get("size"))
        block = Block(kind, values["inside"], values["public"], first, last, values.get("subscriber", ""))
        return self._blocks.event(block, values.get("server") or self._pattern.server or "", at, began)

    def _last(self, first: str, size: str | None) -> str:
        count = size or str(self._pattern.block_size or 1)
        if not (first.isdecimal() and count.isdecimal() and len(first + count) <= 10 and int(count)):
            raise DecodeError("bad_number")
        return str(int(first) + int(count) - 1)


def _moment(form: str, zone: tzinfo | None) -> Callable[[str], int]:
    """From the text of a time to milliseconds."""
    match form:
        case "iso":
            return times.timestamp
        case "epoch":
            return times.timestamp
        case "epoch-ms":
            return lambda text: times.timestamp(text[:-3])
        case "epoch-hex":
            return lambda text: times.timestamp(_decimal(text))
        case "syslog":
            return lambda text: times.local(text, zone or UTC)
    return lambda text: times.formatted(text, form, zone or UTC)


def _decimal(hexadecimal: str) -> str:
    try:
        return str(int(hexadecimal, 16))
    except ValueError:
        raise DecodeError("bad_time") from None


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError when it takes longer: the expression engine looks for signals while it works."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
