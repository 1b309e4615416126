"""What systems keep of what they were told to erase, as the law has it: it stays in the index too. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streams.rights.protocol.command import Command


@dataclass(frozen=True)
class Withholding:
    """`systems`: those that keep some, each with the kinds of records of which it erased every one all the same."""

    systems: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def keeps(self, system: str, record: str) -> bool:
        """Whether the system withholds records of this kind."""
        return system in self.systems and record not in self.systems[system]

    def beside(self, command: Command) -> Withholding:
        """With what the system of that command keeps."""
        return Withholding({**self.systems, command.system: command.erased_kinds})

    def __or__(self, other: Withholding) -> Withholding:
        """Of a system that is in both the other's word counts."""
        return Withholding({**self.systems, **other.systems})


NOTHING_WITHHELD = Withholding()


def withholding_of(commands: Iterable[Command]) -> Withholding:
    """What systems withhold lawfully, by their answers."""
    return Withholding({item.system: item.erased_kinds for item in commands if item.withholds})
