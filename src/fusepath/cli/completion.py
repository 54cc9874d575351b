"""``fusepath completion``."""

from __future__ import annotations

import click

from fusepath.cli.options import json_option, print_json

_VARIABLE = "_FUSEPATH_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print what makes SHELL complete commands, options, algorithms and networks.

    bash: into ~/.local/share/bash-completion/completions/fusepath. zsh: into a file _fusepath in a
    folder of $fpath. fish: into ~/.config/fish/completions/fusepath.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # the choices are those that click knows
    group = click.get_current_context().find_root().command
    completion = kind(group, {}, "fusepath", _VARIABLE)
    # Its method `source` would look for a bash of this machine, which need not be the one.
    script = completion.source_template % completion.source_vars()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
