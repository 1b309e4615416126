"""The command `innsyn`: which commands there are, and how a failure ends.

A command's module is imported only when that command is called: `innsyn --help` stays fast however much they need.
"""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from console.cli.commands import COMMANDS
from console.cli.options import TYPED
from console.cli.show.logs import configure_logging, quiet_libraries, quiet_threads
from console.cli.show.output import shown
from console.wiring.ending import over
from console.wiring.private import only_ours
from schemas.errors import InnsynError, place_of

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_COMPLETION = ("install_completion", "show_completion")


class Commands(TyperGroup):
    """The commands of the table. Ends every failure in one line on standard error that shows no value."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """A stand-in with the help line only; `resolve_command` loads the command itself."""
        entry = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=entry.summary, rich_markup_mode=None) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        ctx.meta[TYPED] = tuple(rest)
        return name, command and _load(args[0]), rest

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **extra: Any
    ) -> Any:
        words = sys.argv[1:] if args is None else args
        call = partial(super().main, words, prog_name="innsyn", standalone_mode=False)
        sys.exit(_ended(call, words))


app = typer.Typer(
    cls=Commands,
    name="innsyn",
    help="innsyn: what is held about a person, where, why and until when, and erasure with proof.",
    epilog="Example: innsyn lookup --id customer_number=10042",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"innsyn {importlib.metadata.version('innsyn')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def run() -> None:
    """Entry point of the installed command. Exit status: 0 done, 1 it found something wrong, 2 it could not."""
    # Schemas and companies are kept in a source tree, which belongs to more than one; all else that is written is ours.
    if sys.argv[1:2] not in (["schema"], ["init"], ["discover"]):
        only_ours()
    quiet_threads()
    try:
        app()
    finally:
        over()


def _load(name: str) -> Any:
    entry = COMMANDS[name]
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    quiet_libraries(os.environ.get("INNSYN_LOG_LEVEL", ""))
    if "structlog" in sys.modules:
        # Unconfigured it would write to standard output, between the JSON. A role sets its own level later.
        configure_logging("info")
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        single.command(name=name)(found)
        found = single
    command = typer.main.get_command(found)
    if "Example:" not in f"{command.help} {command.epilog}":
        command.epilog = f"Example: {entry.example}"
    # Only the whole of innsyn could be completed, not one of its commands.
    command.params = [item for item in command.params if item.name not in _COMPLETION]
    if entry.company:
        _with_company(command)
    _plain(command)
    return command


def _company(folder: str | None) -> None:
    # It stands for the setting, also in the processes that a role starts.
    if folder is not None:
        os.environ["INNSYN_COMPANY"] = folder


def _option(
    company: Annotated[
        str | None,
        typer.Option(
            "--company",
            metavar="FOLDER",
            help="The company's folder; default INNSYN_COMPANY.",
            callback=_company,
            expose_value=False,
        ),
    ] = None,
) -> None:
    """Carries the option that all commands of a company share."""


def _with_company(command: Any) -> None:
    for below in getattr(command, "commands", {}).values():
        _with_company(below)
    # A command may have an option of that name with another meaning.
    if not hasattr(command, "commands") and not any("--company" in item.opts for item in command.params):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command()(_option)
        shared = typer.main.get_command(single).params
        command.params += [item for item in shared if item.name == "company"]


def _plain(command: Any) -> None:
    """One look for all help texts, without the quarter of a second that importing the rich ones takes."""
    command.rich_markup_mode = None
    for below in getattr(command, "commands", {}).values():
        _plain(below)


def _ended(call: Callable[[], Any], words: Sequence[str] = ()) -> int:
    """Exit status of the call with these words; what failed is said in one line."""
    try:
        return _status(call, words)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug of ours and must not show a value
        if os.environ.get("INNSYN_LOG_LEVEL") == "debug":
            traceback.print_exc()
        return _say(f"{place_of(error)}: a bug in innsyn; report this, INNSYN_LOG_LEVEL=debug shows more")


def _status(call: Callable[[], Any], words: Sequence[str]) -> int:
    try:
        answer = call()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except InnsynError as error:
        return _say(str(error))
    except typer.TyperException as error:
        return _misused(error, words)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # Nobody reads on (`| head`). Standard output is given away so that the interpreter's last flush is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        if error.errno in _FULL:
            return _say(f"nothing more can be written ({error.strerror}); free some space, then repeat")
        raise


def _say(message: str) -> int:
    sys.stderr.write(f"innsyn: {shown(' '.join(message.split()))}\n")
    return 2


def _misused(error: Any, words: Sequence[str]) -> int:
    """A wrong option or argument. The parser's own text quotes what was given, so only names known here go on."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "innsyn"
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        typer.echo(context.get_help() if context else error.message)
        return 0
    parameter = getattr(error, "param", None)
    known = max(parameter.opts, key=len) if parameter is not None else ""
    if kind == "MissingParameter":
        what = f"{known or 'an argument'} is missing"
    elif kind == "BadParameter" and parameter is not None:
        what = f"the value of {known} does not fit{_expected(parameter)}"
    elif kind == "NoSuchOption":
        what = f"there is no such option{_place(error.option_name, words)}"
        possible = getattr(error, "possibilities", None)
        what += f"; did you mean {' or '.join(sorted(possible))}?" if possible else ""
    elif kind == "BadOptionUsage" and (found := _option_of(error.option_name, words)) is not None:
        # Its context is not told with this kind of error.
        path, what = found
    elif hasattr(getattr(context, "command", None), "commands"):
        what = "there is no such command"
    else:
        what = "an argument is given that belongs to no option, or an option misses its value"
    return _say(f"{what}; see `{path} --help`")


def _place(option: str, words: Sequence[str]) -> str:
    """Which word of the command line is meant by an option that nobody knows: it may be a value, so it is not said."""
    found = next((number for number, word in enumerate(words, 1) if word.startswith(option)), None)
    return "" if found is None else f" as word {found} behind `innsyn`"


def _option_of(option: str, words: Sequence[str]) -> tuple[str, str] | None:
    """The command that these words begin with, and how that option of it is written. None: it has no such option."""
    path, command = "innsyn", None
    for word in words:
        below = COMMANDS if command is None else getattr(command, "commands", {})
        if word not in below:
            break
        path, command = f"{path} {word}", _load(word) if command is None else below[word]
    found = next((item for item in getattr(command, "params", ()) if option in item.opts), None)
    if found is None:
        return None
    if found.is_flag:
        return path, f"{option} takes no value; leave it out"
    return path, f"{option} misses its value; write it behind {option}"


def _expected(parameter: Any) -> str:
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f": write one of {', '.join(str(item.value) for item in kind)}"
    known = {int: "a whole number", float: "a number"}.get(kind) if isinstance(kind, type) else None
    if known is None:
        return ""
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if kind is int and least is not None and most == least + 1:
        return f": write {least} or {most}"
    bounds = [f"from {least}" if least is not None else "", f"to {most}" if most is not None else ""]
    return f": write {' '.join(filter(None, [known, *bounds]))}"
