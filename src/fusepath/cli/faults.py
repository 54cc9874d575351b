"""``fusepath faults``."""

from __future__ import annotations

import click

from fusepath.cli.options import json_option, print_json


@click.command("faults")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of it all.")
@click.option("--fault", metavar="NAME", help="The only one that happens; any, as the seed has it.")
@click.option("--list", "as_list", is_flag=True, help="List the faults there are.")
@click.option("--story", is_flag=True, help="Tell all that happens.")
@json_option
def command(seed: int, fault: str | None, as_list: bool, story: bool, as_json: bool) -> int:
    """Play a session of a device and an edge server through faults, in simulated time.

    The conversation is that of real sessions; clock, link and machines are made up. The same seed
    always plays the same, so what was seen once can be looked at again.
    """
    from fusepath.faults import FAULTS, play

    if as_list:
        if as_json:
            print_json({"faults": list(FAULTS)})
        else:
            click.echo("\n".join(FAULTS))
        return 0
    told = play(seed, fault)
    lines = [str(line) for line in told.story.lines] if story else []
    if as_json:
        document = {"seed": seed, "fault": fault, "outcome": told.words, "right": told.is_right}
        print_json(document | ({"story": lines} if story else {}))
    else:
        click.echo("\n".join([*lines, told.words]))
    return 0 if told.is_right else 1
