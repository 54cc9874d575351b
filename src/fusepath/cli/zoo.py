"""``fusepath zoo``."""

from __future__ import annotations

import click

from fusepath.cli.options import OUTPUT_FILE, json_option, print_json
from fusepath.cli.progress import telling
from fusepath.errors import InputError


@click.command("zoo")
@click.argument("name", required=False)
@click.argument("output", required=False, metavar="OUT.onnx", type=OUTPUT_FILE)
@click.option("--input-size", type=int, help="Height and width of the input.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the weights.")
@click.option(
    "--weights",
    type=click.Choice(["he", "integer"]),
    default="he",
    show_default=True,
    help="Random weights, or small integers for exactness tests.",
)
@json_option
def command(
    name: str | None,
    output: str | None,
    input_size: int | None,
    seed: int,
    weights: str,
    as_json: bool,
) -> None:
    """List the built-in networks, or write NAME to OUT.onnx.

    The networks have published layer tables and seeded random weights: good for timing and for
    exactness, not for recognising anything.
    """
    from fusepath.onnx_io import zoo
    from fusepath.output_file import write_file
    from fusepath.spelling import spelt

    if name is None:
        if as_json:
            print_json({"names": list(zoo.NAMES), "input_sizes": dict(zoo.DEFAULT_SIZES)})
        else:
            for item in zoo.NAMES:
                click.echo(f"{item:<20}{zoo.DEFAULT_SIZES[item]} x {zoo.DEFAULT_SIZES[item]}")
        return
    network, more, _ = name.partition("?")
    if more:
        raise InputError(
            f"'{name}': size, seed and weights are options here: fusepath zoo {network} OUT.onnx "
            f"--input-size SIZE"
        )
    if output is None:
        raise InputError(f"say where to write '{name}': fusepath zoo {name} OUT.onnx")
    with telling(f"writing {name}"):
        data = zoo.serialize(
            zoo.build(name, input_size=input_size, seed=seed, weights=weights)  # type: ignore[arg-type]
        )
        write_file(output, data)
    if as_json:
        print_json({"name": name, "path": spelt(output), "bytes": len(data)})
    else:
        click.echo(f"{output}: {name}, {len(data)} bytes")
