"""Every error innsyn raises on purpose.

    InnsynError
    ├── InputError                    what the caller gave is wrong; repeating it will not help (exit status 2)
    │   ├── CatalogueError            a file under schemas/ breaks a rule: file, key, mend
    │   ├── SchemaError               an Avro schema breaks a rule: file, field, mend
    │   │   └── SchemaTooLarge        it is larger or deeper than any schema may be
    │   ├── SettingsError             a setting is missing or wrong
    │   ├── InvalidIdentifier         a value cannot be an identifier of that kind (never shows the value)
    │   └── FeedError                 a log file cannot be read or has an unknown format
    ├── Unavailable                   something outside is not there (now); repeating may help
    │   ├── BrokerUnavailable
    │   ├── IndexUnavailable
    │   ├── RegistryUnavailable
    │   └── Crashed                   a part failed in a way that nobody foresaw; started anew it may run
    ├── DecodeError                   one message cannot be turned into an event: reason code, coordinates outside
    │   └── UnknownSchema             its schema id resolves nowhere (yet); retried, then parked
    ├── QuestionTooLong               a question about a person took longer than it may; ask for less
    ├── QuestionAbandoned             who asked has left
    ├── QuestionsBusy                 as many questions are asked as can be; repeat
    ├── TooOften                      more questions were asked than may be in that time; wait
    ├── Fenced                        this worker lost the partition; what it holds must not be written
    └── KeyUnavailable                a key is missing or was destroyed

No message of these errors contains a personal value: coordinates, names of fields and reasons only.
"""

from __future__ import annotations

import traceback
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OURS = ("schemas", "sinks", "streams", "console")


class InnsynError(Exception):
    """Base of all. `str(error)` is one line: what happened, where, what to do."""


class InputError(InnsynError):
    """Final: the input has to change first."""


class CatalogueError(InputError):
    """A catalogue or topics file is wrong. Args: file, key (dotted path inside it), mend (what to write instead)."""

    def __init__(self, file: str, key: str, mend: str) -> None:
        super().__init__(f"{file}: {key}: {mend}")
        self.file, self.key, self.mend = file, key, mend


class SchemaError(InputError):
    """An Avro schema is wrong. Args: file, where (record or record.field), mend (what to write instead)."""

    def __init__(self, file: str, where: str, mend: str) -> None:
        super().__init__(f"{file}: {where}: {mend}")
        self.file, self.where, self.mend = file, where, mend


class SchemaTooLarge(SchemaError):
    """An Avro schema is larger, deeper or of more types than `schemas.bounds` allows."""


class SettingsError(InputError):
    """A setting is missing or does not parse."""


class InvalidIdentifier(InputError):
    """The value has not the form of its kind. The message names the kind, never the value."""


class FeedError(InputError):
    """A feed file cannot be opened, or its format is not the one named."""


class Unavailable(InnsynError):
    """Something outside is not reachable; the same call may succeed later."""


class BrokerUnavailable(Unavailable):
    """No Kafka broker answers."""


class IndexUnavailable(Unavailable):
    """The lineage index cannot be opened or does not answer."""


class RegistryUnavailable(Unavailable):
    """The schema registry does not answer."""


class Crashed(Unavailable):
    """A part that runs beside others failed in a way that nobody foresaw. Started anew it may run: it keeps nothing."""

    def __init__(self, part: str, error: BaseException | None) -> None:
        super().__init__(f"{part} crashed ({place_of(error) if error is not None else 'nobody knows why'})")


class DecodeError(InnsynError):
    """One message is not an event. `reason` is a stable code for metrics and dead letters."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UnknownSchema(DecodeError):
    """The schema id in the framing is known neither to `schemas/` nor to the registry."""


class QuestionTooLong(InnsynError):
    """A question took longer than it may, and was ended. Asking for less helps, repeating it does not."""


class QuestionAbandoned(InnsynError):
    """Nobody waits for the answer of a question any more."""


class QuestionsBusy(InnsynError):
    """So many questions are being answered and wait that no other is taken; repeating it later helps."""


class TooOften(InnsynError):
    """More was asked than may be in that time. `seconds`: until it may be asked again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Fenced(InnsynError):
    """A newer owner of the partition wrote its epoch to the ledger; this worker must drop what it holds."""


class KeyUnavailable(InnsynError):
    """A key is not in the keyring, or it was destroyed on purpose."""


def place_of(error: BaseException) -> str:
    """What failed and where, for a fault that nobody foresaw: its type and the last line of ours it passed.

    Never its message: that may quote a value, and a value may be somebody's.
    """
    files = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    inside = [(path.relative_to(_ROOT), line) for path, line in files if path.is_relative_to(_ROOT)]
    ours = [f"{path}, line {line}" for path, line in inside if path.parts[0] in _OURS]
    return f"{type(error).__name__} in {ours[-1]}" if ours else type(error).__name__
