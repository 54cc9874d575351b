"""The ``fusepath`` command: parses, calls one library function, prints, returns an exit code.

Exit codes: 0 done, 1 a check failed, 2 bad input or usage, 3 the edge server could not be reached
or refused, 4 no feasible plan, 70 a defect in fusepath, 130 interrupted, 143 ended by SIGTERM.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from typing import Any

import click

from fusepath.cli.config import use_config
from fusepath.cli.group import LazyGroup
from fusepath.cli.options import JSON_ASKED, SO_FAR, as_options, print_json
from fusepath.cli.streams import close_standard_output, keep_standard_streams
from fusepath.errors import FusepathError
from fusepath.spelling import as_text

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Why a write fails though the file is open."""


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from fusepath.version import VERSION

        click.echo(f"fusepath {VERSION}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Options may also come from a file, --config FILE.toml, with a table for every command, "
    "or from the environment, as FUSEPATH_RUN_EDGE for run --edge. Exit codes: 0 done, 1 a check "
    "failed, 2 bad input or usage, 3 the edge server could not be reached or refused, 4 no "
    "feasible plan.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.option(
    "--config",
    metavar="FILE.toml",
    envvar="FUSEPATH_CONFIG",
    is_eager=True,
    expose_value=False,
    callback=use_config,
    help='Options of commands, a table for each: [plan] device = "10GFLOPS".',
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """One CNN inference as fast as a weak device, a slow link and an edge server allow.

    The first layers are cut into tiles that run partly here and partly on the edge server, with
    device, link and server at work at the same time. The result is that of the unsplit model.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def entry(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; errors are one line on standard error."""
    keep_standard_streams()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(arguments))


_terminated = threading.Event()


def _terminate(*_: object) -> None:
    """Give up everything that was begun, as when the user interrupts."""
    _terminated.set()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell runs behind others
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code.

    Where JSON is asked for, an error is one JSON object on standard output as well, together with
    what there was before.
    """
    given = sys.argv[1:] if arguments is None else arguments
    asked: dict[str, Any] = {JSON_ASKED: "--json" in given}
    code, message = _outcome(arguments, asked)
    if message:
        click.echo(f"fusepath: {message}", err=True)
        if asked[JSON_ASKED]:
            _tell_programs(asked.get(SO_FAR, {}) | {"error": message, "exit_code": code})
    return code


def _outcome(arguments: list[str] | None, asked: dict[str, Any]) -> tuple[int, str]:
    """The exit code, and what is to be complained about; nothing where all is well."""
    try:
        result = cli.main(args=arguments, prog_name="fusepath", standalone_mode=False, obj=asked)
    except SystemExit:
        # That is click's for a closed pipe, and for nothing else: whoever read our output has
        # stopped, and that is no error of ours.
        close_standard_output()
        return 0, ""
    except (Exception, KeyboardInterrupt) as error:
        code, message = _complaint(error)
        return code, " ".join(as_text(message).split())
    return result if isinstance(result, int) else 0, ""


def _complaint(error: BaseException) -> tuple[int, str]:
    match error:
        case click.ClickException():
            return 2, error.format_message()
        case click.Abort() | KeyboardInterrupt():
            return (143, "ended by SIGTERM") if _terminated.is_set() else (130, "interrupted")
        case FusepathError():
            return error.exit_code, as_options(str(error))
        case OSError() | MemoryError() if said := _of_this_machine(error):
            return 2, said
    if os.environ.get("FUSEPATH_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return 70, (
        f"this is a defect in fusepath: {type(error).__name__}: {error}; "
        f"set FUSEPATH_DEBUG=1 for details and report it"
    )


def _of_this_machine(error: OSError | MemoryError) -> str | None:
    """What it lacks, where that is no defect."""
    match error:
        case MemoryError():
            return "this needs more memory than there is here; free some, or use a smaller model"
        case OSError() if error.errno in _FULL:
            close_standard_output()
            return f"cannot write standard output: {error.strerror}"
        case OSError() if isinstance(error.filename, str):  # of names that no file can have
            return f"cannot use {error.filename}: {error.strerror}"
    return None


def _tell_programs(document: dict[str, Any]) -> None:
    try:
        print_json(document)
    except (OSError, SystemExit):  # nobody can read it, or nobody does
        close_standard_output()
