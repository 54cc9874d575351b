"""``fusepath quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    OUTPUT_FILE,
    check_channels,
    input_shape_option,
    json_option,
    mean_option,
    model_argument,
    open_model,
    parse_channels,
    print_json,
    std_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.progress import telling

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing


@click.command("quantize")
@model_argument
@click.option(
    "--samples", required=True, metavar="DIR", help="Pictures or .npy arrays like those to come."
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.onnx",
    type=OUTPUT_FILE,
    help="Write the model here.",
)
@click.option(
    "--activations",
    type=click.Choice(["uint8", "int8"]),
    default="uint8",
    show_default=True,
    help="Element type of the maps.",
)
@picture_options
@mean_option
@std_option
@input_shape_option
@json_option
def command(
    model: str,
    samples: str,
    output: str,
    activations: str,
    mean: str,
    std: str,
    input_shape: str | None,
    as_json: bool,
    pictures: Preprocessing,
) -> None:
    """Quantise MODEL to bytes by ONNX Runtime's static quantisation.

    What crosses a cut is then a quarter of the bytes. The results are others: how much they change
    on the samples is printed.
    """
    from fusepath.cost import tileable_share
    from fusepath.onnx_io import read_model
    from fusepath.output_file import write_file
    from fusepath.plan import InputFormat
    from fusepath.report import wrapped
    from fusepath.runtime.quantise import quantise
    from fusepath.spelling import spelt

    channels = parse_channels(mean, "--mean"), parse_channels(std, "--std", nonzero=True)
    loaded = open_model(model, input_shape)
    check_channels(loaded, mean=channels[0], std=channels[1])
    files = _files_in(samples)
    with telling(f"quantising with {len(files)} samples"):
        found = quantise(
            loaded,
            [_sample(file, loaded, pictures) for file in files],
            InputFormat(mean=channels[0], std=channels[1]),
            activations=activations,  # type: ignore[arg-type]
        )
    write_file(output, found.data)
    after = read_model(found.data, name=Path(output).stem, source=output).graph
    before_share, share = tileable_share(loaded.graph), tileable_share(after)
    if as_json:
        changes = {
            name: {"largest": change.largest, "root_mean_square": change.root_mean_square}
            for name, change in found.changes.items()
        }
        print_json(
            {
                "path": spelt(output),
                "bytes": len(found.data),
                "samples": len(files),
                "changes": changes,
                "tileable_share": share,
            }
        )
        return
    lines = [f"{output}: {len(found.data)} bytes, ranges from {len(files)} samples"]
    lines += [
        f"'{name}' changes by {change.root_mean_square:.2%} of its largest value "
        f"(root mean square), {change.largest:.2%} at most"
        for name, change in found.changes.items()
    ]
    if share < before_share and after.barrier is not None:
        lines.append(
            f"{share:.1%} of the MACs are in layers that can be tiled, {before_share:.1%} were: "
            f"'{after.barrier.name}' ({after.barrier.op_type}) {after.barrier.barrier_reason}"
        )
    click.echo(wrapped(lines))


def _files_in(folder: str) -> list[str]:
    """The samples of a folder.

    Raises:
        InputError: there is no such folder, or none in it.
    """
    from fusepath.errors import InputError
    from fusepath.pictures.sources import files_in

    what = "give a folder of pictures or .npy arrays"
    if not Path(folder).is_dir():
        missing = "is no folder" if Path(folder).exists() else "there is no such folder"
        raise InputError(f"--samples {folder}: {missing}; {what}")
    files = files_in(folder, videos=False)
    if not files:
        raise InputError(f"--samples {folder}: no samples; {what}")
    return files


def _sample(file: str, model: Model, pictures: Preprocessing) -> Array:
    """An input like those to come.

    Raises:
        ImageError: the file is none, or holds NaN.
    """
    import numpy as np

    from fusepath.errors import ImageError
    from fusepath.pictures.inputs import load_input

    values = load_input(file, model.graph.input, pictures=pictures, batch=model.boundary.batch)
    if not np.isfinite(values).all():
        raise ImageError(
            f"sample '{file}' holds NaN or infinity, of which no range of bytes can be told; leave "
            f"it out"
        )
    return values
