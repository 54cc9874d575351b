"""Inputs like those to come, for the commands that plan: what they show is planned with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import InputFormat, Preprocessing
    from fusepath.profiling.samples import Samples

sample_option = click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="FILE|DIR",
    help="An input like those to come, or a folder of them; may be given several times. Codecs are "
    "tried on them, and where they are pictures, their files may be forwarded.",
)


def tried_samples(
    model: Model,
    samples: Sequence[str],
    *,
    compress: str | None,
    lossy: str = "off",
    form: InputFormat,
    pictures: Preprocessing,
) -> Samples | None:
    """What ``--sample``, ``--compress`` and ``--lossy`` say; None where nothing does.

    Raises:
        InputError: a codec is asked for, and there is no sample to try it on.
    """
    from fusepath.profiling.codecs import named_codecs
    from fusepath.profiling.samples import try_samples

    codecs = named_codecs(compress or "auto", lossy)
    if not samples:
        if lossy != "off":
            raise InputError(
                f"--lossy {lossy} needs --sample FILE: how much results change depends on what is "
                f"in them"
            )
        if compress in {None, "off"}:
            return None
        raise InputError(
            f"--compress {compress} needs --sample FILE: how well tensors compress depends on what "
            f"is in them"
        )
    frames = frames_of(model, samples, pictures)
    return try_samples(model, frames, form, codecs=codecs)


def frames_of(model: Model, samples: Sequence[str], pictures: Preprocessing) -> list[Frame]:
    """The inputs of ``--sample``."""
    return [frame for name in samples for frame in _frames(name, model, pictures)]


def _frames(name: str, model: Model, pictures: Preprocessing) -> Iterator[Frame]:
    """The inputs of a file or of all files of a folder, each for one image of a batch."""
    import numpy as np

    from fusepath.pictures.arrays import is_array_file
    from fusepath.pictures.decoding import PictureFile
    from fusepath.pictures.frame import PictureFrame
    from fusepath.pictures.inputs import load_input
    from fusepath.pictures.sources import files_in

    files = files_in(name, videos=False) if Path(name).is_dir() else [name]
    if not files:
        raise InputError(f"--sample '{name}' is a folder without pictures or arrays")
    target, batch = model.graph.input, model.boundary.batch
    for file in files:
        if is_array_file(file):
            yield from np.split(load_input(file, target, batch=batch), batch)
        else:
            yield PictureFrame.of(PictureFile.read(file), pictures, target)
