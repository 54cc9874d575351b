"""``fusepath cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.options import json_option, print_json
from fusepath.errors import one_line

if TYPE_CHECKING:
    from pathlib import Path

_MOST_CHARACTERS = 40
"""Of a name, which is a digest; ``--json`` has all of it."""


@click.command("cache")
@click.argument("action", type=click.Choice(["ls", "clear"]))
@json_option
def command(action: str, as_json: bool) -> None:
    """List (ls) or remove (clear) what is remembered of this machine.

    Profiles of models, so that a machine is measured once, and the last plan of every session.
    """
    from fusepath.errors import OutputError
    from fusepath.profiling.cache import cache_folder, remembered_files
    from fusepath.spelling import spelt
    from fusepath.units import format_bytes, number_of

    folder, files = cache_folder(), remembered_files()
    rows = [(file, file.stat().st_size) for file in files]
    if action == "clear":
        for file in files:
            try:
                file.unlink()
            except OSError as error:
                raise OutputError(f"cannot remove {file}: {error.strerror or error}") from error
    if as_json:
        print_json(
            {
                "folder": None if folder is None else spelt(folder),
                "removed": action == "clear",
                "files": [
                    {"kind": _kind(file), "path": spelt(file), "bytes": size} for file, size in rows
                ],
            }
        )
        return
    if folder is None:
        click.echo("nothing is remembered: this user has no home folder")
        return
    if action == "ls":
        for file, size in rows:
            click.echo(
                f"{_kind(file):<9}{format_bytes(size):>8}  {one_line(file.name, _MOST_CHARACTERS)}"
            )
    total = format_bytes(sum(size for _, size in rows))
    verb = "removed from" if action == "clear" else "in"
    click.echo(f"{number_of(len(rows), 'file')}, {total}, {verb} {folder}")


def _kind(file: Path) -> str:
    return file.parent.name.removesuffix("s")
