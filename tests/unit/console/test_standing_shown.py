"""What a person has to look at, in a terminal."""

from __future__ import annotations

import pytest

from console.cli.show.output import screen
from console.cli.show.standing import print_problem

REQUEST = "r-5f2a9c01d7e34b68"
COMMANDS = (
    f"`innsyn requests resend {REQUEST}` tries again",
    f"`innsyn requests notified {REQUEST} --recipient cloud_provider --how email` when it was done there by somebody",
)


def test_a_command_stands_whole_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """One that a narrow terminal breaks cannot be pasted."""
    out = screen()
    out.width = 40
    print_problem(
        out, f"web: has not answered and nobody knows why that is so; {COMMANDS[0]}, or {COMMANDS[1]}"
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if "`" in line] == [*COMMANDS]
    assert all(len(line) <= 40 for line in lines if "`" not in line)
    assert " ".join(line.strip() for line in lines if "`" not in line).endswith("nobody knows why that is so")


def test_a_problem_without_a_command_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_problem(screen(), "no system uses data of the person for this; [red] is no markup")
    assert capsys.readouterr().out == "  no system uses data of the person for this; [red] is no markup\n"
