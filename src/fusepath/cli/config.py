"""Options from a file: a table for every command, keys as on the command line."""

from __future__ import annotations

from typing import Any

import click

from fusepath.cli.group import COMMANDS, option_name
from fusepath.errors import FileFormatError
from fusepath.nearest import did_you_mean


def use_config(context: click.Context, _: click.Parameter, path: str | None) -> None:
    """Make the options of a TOML file the defaults of their commands.

    Raises:
        FileFormatError: it is missing or no TOML, or it names what no command has.
    """
    if path is None or context.resilient_parsing:
        return
    import tomllib
    from pathlib import Path

    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise FileFormatError(f"{path}: not a TOML file: {error}") from error
    context.default_map = {
        name: _defaults(context, name, table, where=path) for name, table in tables.items()
    }


def _defaults(context: click.Context, name: str, table: object, *, where: str) -> dict[str, Any]:
    """Values by the names that click gives to options."""
    if name not in COMMANDS or not isinstance(table, dict):
        raise FileFormatError(
            f"{where}: there is no command '{name}'{did_you_mean(name, COMMANDS)}; options stand "
            f"in a table of their command, like [plan]"
        )
    group = context.command
    assert isinstance(group, click.Group)
    command = group.get_command(context, name)
    assert command is not None  # it is one of them
    options = {option_name(item): item for item in command.params if isinstance(item, click.Option)}
    defaults = {}
    for key, value in table.items():
        if key not in options:
            guess = did_you_mean(key, options)
            raise FileFormatError(f"{where}: {name} has no option --{key}{guess}")
        option = options[key]
        if isinstance(value, dict) or (isinstance(value, list) and not option.multiple):
            raise FileFormatError(f"{where}: --{key} of {name} is one value, not a table or a list")
        assert option.name is not None
        defaults[option.name] = value if isinstance(value, bool | list) else str(value)
    return defaults
