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
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from console.cli.show.logs import configure_logging, quiet_libraries, quiet_threads
from console.cli.show.output import shown
from console.wiring.ending import over
from console.wiring.private import only_ours
from schemas.errors import InnsynError, place_of


@dataclass(frozen=True)
class Entry:
    """Where a command lives (`module:attribute`: a function or a Typer application), its help and its example."""

    target: str
    summary: str
    example: str
    company: bool = False
    """Whether it takes --company."""


COMMANDS = {
    "demo": Entry(
        "console.cli.demo:demo", "See all of it in a minute, nothing to install", "innsyn demo", company=True
    ),
    "up": Entry(
        "console.cli.up:up",
        "Run everything on this machine; ctrl-C stops it",
        "innsyn up --port 8480",
        company=True,
    ),
    "tag": Entry("console.cli.tag:tag", "Run a tagger: events in, lineage out", "innsyn tag", company=True),
    "rights": Entry(
        "console.cli.rights:rights",
        "Run the rights worker: plans, commands, receipts",
        "innsyn rights",
        company=True,
    ),
    "serve": Entry("console.cli.serve:serve", "Serve the HTTP API", "innsyn serve", company=True),
    "ingest": Entry(
        "console.cli.ingest:ingest",
        "Turn existing logs into events",
        "innsyn ingest --format combined access.log.gz",
        company=True,
    ),
    "simulate": Entry(
        "console.cli.simulate:simulate",
        "Send events of an invented provider",
        "innsyn simulate --customers 200 --days 30",
        company=True,
    ),
    "lookup": Entry(
        "console.cli.lookup:lookup",
        "What is held about a person, and where",
        "innsyn lookup --id customer_number=10042 --system billing",
        company=True,
    ),
    "identity": Entry(
        "console.cli.identity:identity",
        "Who it was: whom an address or handle belonged to",
        "innsyn identity --id ip=192.0.2.7 --at 2026-03-01T12:00:00Z --port 40000",
    ),
    "access": Entry(
        "console.cli.access:access",
        "The whole access answer about a person",
        "innsyn access --id customer_number=10042 --id email=-",
        company=True,
    ),
    "erase": Entry(
        "console.cli.erase:erase",
        "Erase a person; what the law holds is held and named",
        "innsyn erase --id customer_number=10042 --dry-run",
        company=True,
    ),
    "rectify": Entry(
        "console.cli.restrict:rectify",
        "Have what is wrong about a person corrected",
        "innsyn rectify --id customer_number=10042 --set CustomerDetails.name=-",
        company=True,
    ),
    "restrict": Entry(
        "console.cli.restrict:restrict",
        "Have a person's data stored and not used",
        "innsyn restrict --id customer_number=10042 --ground accuracy",
        company=True,
    ),
    "object": Entry(
        "console.cli.restrict:object_to", "Stop what is objected to", "innsyn object --id ip=-", company=True
    ),
    "withdraw": Entry(
        "console.cli.restrict:withdraw",
        "Erase what rested on a consent",
        "innsyn withdraw --id customer_number=10042",
        company=True,
    ),
    "requests": Entry(
        "console.cli.bundle:app",
        "Rights requests and how far they are",
        "innsyn requests show R-2026-0001",
        company=True,
    ),
    "preserve": Entry(
        "console.cli.preserve:app",
        "Hold everything of a person by an order",
        "innsyn preserve show",
        company=True,
    ),
    "deadletters": Entry(
        "console.cli.deadletters:app",
        "Messages nobody could read: list, retry, drop",
        "innsyn deadletters retry --reason unknown_schema",
    ),
    "topics": Entry(
        "console.cli.topics:topics",
        "Topics: record, key, who writes them",
        "innsyn topics --owner web",
        company=True,
    ),
    "schema": Entry(
        "console.cli.schema:app", "Check, show and register Avro records", "innsyn schema check", company=True
    ),
    "catalogue": Entry(
        "console.cli.catalogue:app",
        "Check categories, purposes, systems, rules",
        "innsyn catalogue check",
        company=True,
    ),
    "company": Entry(
        "console.cli.company:app", "Check a company's folder", "innsyn company check our-company"
    ),
    "discover": Entry(
        "console.cli.discover:discover",
        "Which topics hold personal data nobody declared",
        "innsyn discover --sample 200 --out drafts",
        company=True,
    ),
    "init": Entry(
        "console.cli.init:init",
        "Write a folder for a company of your own",
        "innsyn init our-company --from minimal",
    ),
    "keys": Entry("console.cli.keys:app", "Make and show the keys", "innsyn keys show", company=True),
    "systems": Entry(
        "console.cli.systems:app",
        "The keys of the systems that erase",
        "innsyn systems add billing",
        company=True,
    ),
    "job": Entry(
        "console.cli.job:app",
        "Whether a system's job holds what the protocol demands",
        "innsyn job test --system billing --bootstrap localhost:9092 --id customer_number=100042 --field Invoice.name",
    ),
    "audit": Entry(
        "console.cli.audit:audit", "Who asked what about whom", "innsyn audit --since 2026-03-01T00:00Z"
    ),
    "certificate": Entry(
        "console.cli.certificate:app",
        "Certificates of erasure, and their check",
        "innsyn certificate verify certificate.json",
        company=True,
    ),
    "suppression": Entry(
        "console.cli.suppression:app", "Erased data that came back", "innsyn suppression show"
    ),
    "log": Entry(
        "console.cli.log:app",
        "The log that shows whether the record was changed",
        "innsyn log check",
        company=True,
    ),
    "migrate": Entry(
        "console.cli.migrate:migrate",
        "Bring index and topics to their shape",
        "innsyn migrate --dry-run",
        company=True,
    ),
    "doctor": Entry(
        "console.cli.doctor:doctor",
        "Settings in force, and what is wrong",
        "innsyn doctor --json",
        company=True,
    ),
    "bench": Entry("console.cli.bench:bench", "Measure this machine", "innsyn bench"),
}


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
        return name, command and _load(args[0]), rest

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **extra: Any
    ) -> Any:
        sys.exit(_ended(lambda: super(Commands, self).main(args, prog_name="innsyn", standalone_mode=False)))


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
    if not hasattr(command, "commands"):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command()(_option)
        shared = typer.main.get_command(single).params
        command.params += [item for item in shared if item.name == "company"]


def _plain(command: Any) -> None:
    """One look for all help texts, without the quarter of a second that importing the rich ones takes."""
    command.rich_markup_mode = None
    for below in getattr(command, "commands", {}).values():
        _plain(below)


def _ended(call: Callable[[], Any]) -> int:
    """Exit status of the call; what failed is said in one line."""
    try:
        return _status(call)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug of ours and must not show a value
        if os.environ.get("INNSYN_LOG_LEVEL") == "debug":
            traceback.print_exc()
        return _say(f"{place_of(error)}: a bug in innsyn; report this, INNSYN_LOG_LEVEL=debug shows more")


def _status(call: Callable[[], Any]) -> int:
    try:
        answer = call()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except InnsynError as error:
        return _say(str(error))
    except typer.TyperException as error:
        return _misused(error)
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


def _misused(error: Any) -> int:
    """A wrong option or argument. The parser's own text quotes what was given, so only names known here go on."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "innsyn"
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        typer.echo(context.get_help() if context else error.message)
        return 0
    parameter = getattr(error, "param", None)
    known = max(parameter.opts, key=len) if parameter is not None else ""
    option = getattr(error, "option_name", "")
    if kind == "MissingParameter":
        what = f"{known or 'an argument'} is missing"
    elif kind == "BadParameter" and parameter is not None:
        what = f"the value of {known} does not fit{_expected(parameter)}"
    elif kind == "NoSuchOption":
        what = "there is no such option"
        possible = getattr(error, "possibilities", None)
        what += f"; did you mean {' or '.join(sorted(possible))}?" if possible else ""
    elif kind == "BadOptionUsage" and context and any(option in p.opts for p in context.command.params):
        what = f"{option} is not used as it should be (a value is missing or too many)"
    elif path == "innsyn":
        what = "there is no such command"
    else:
        what = "an argument is given that belongs to no option, or an option misses its value"
    return _say(f"{what}; see `{path} --help`")


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
