"""Getting a model by name: a file that is fit to be read, or a network of the zoo."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fusepath.errors import ModelError
from fusepath.onnx_io import zoo
from fusepath.onnx_io.complaint import one_line
from fusepath.onnx_io.parse import MOST_BYTES
from fusepath.onnx_io.read import read_model
from fusepath.onnx_io.source import PREFIX, ZooSource, zoo_source

if TYPE_CHECKING:
    from fusepath.onnx_io.model import Model


def load_model(source: str | Path, *, input_shape: tuple[int, ...] | None = None) -> Model:
    """The model that the user named.

    Args:
        source: A path, or ``zoo:NAME`` with an optional query
            (``?size=320&seed=1&weights=integer``).
        input_shape: (1, C, H, W); needed where the file leaves C, H or W open.

    Raises:
        ModelError: there is no such model, or it cannot be used.
    """
    if isinstance(source, str) and source.startswith(PREFIX):
        wanted = zoo_source(source)
        origin, name = partial(_zoo_bytes, wanted), wanted.name
        data = origin()
    else:
        data, name = _file_bytes(Path(source)), Path(source).stem
        origin = partial(_file_bytes, Path(source).absolute())
    return read_model(data, name=name, source=str(source), input_shape=input_shape, origin=origin)


def _zoo_bytes(wanted: ZooSource) -> bytes:
    """The file of a built-in network, the same one every time."""
    return zoo.serialize(
        zoo.build(wanted.name, input_size=wanted.size, seed=wanted.seed, weights=wanted.weights)
    )


def _file_bytes(path: Path) -> bytes:
    """The content of a regular file below 2 GiB.

    Raises:
        ModelError: it is missing, no regular file, too large or cannot be read.
    """
    label = f"model file '{one_line(path)}'"
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelError(f"{label} is a directory; name the .onnx file in it")
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{label} is not a regular file; copy the model into one")
        if status.st_size > MOST_BYTES:
            raise ModelError(
                f"{label} has {status.st_size} bytes; ONNX files end at 2 GiB, use a smaller model"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{label} does not exist; check the path, or use zoo:NAME") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{label} cannot be read: {one_line(error)}") from error
