"""Getting a model by name: a file that is fit to be read, or a network of the zoo."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fusepath.onnx_io import zoo
from fusepath.onnx_io.complaint import bad_model
from fusepath.onnx_io.files import ModelFiles, read_files
from fusepath.onnx_io.read import read_model
from fusepath.onnx_io.source import PREFIX, ZooSource, zoo_source
from fusepath.spelling import spelt

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io.model import Model


def load_model(
    source: str | Path,
    *,
    input_shape: tuple[int, ...] | None = None,
    post: str | Path | None = None,
) -> Model:
    """The model that the user named.

    Args:
        source: A path, or ``zoo:NAME`` with an optional query
            (``?size=320&seed=1&weights=integer``).
        input_shape: of the input as the file has it, such as (1, C, H, W); needed where the file
            leaves more than the batch open.
        post: an ONNX file of one's own, which takes outputs of the model by their names and makes
            of them what is to return. An edge server needs both files in its folder.

    Raises:
        ModelError: there is no such model, it cannot be used, or ``post`` does not fit it.
    """
    if isinstance(source, str) and source.startswith(PREFIX):
        wanted = zoo_source(source)
        origin, name = partial(_zoo_files, wanted), wanted.name
    else:
        name = Path(spelt(source)).stem
        origin = partial(read_files, Path(source).absolute())
    if post is not None:
        origin = partial(_with_post, origin, Path(post).absolute())
    files = origin()
    return read_model(
        files.data,
        name=name,
        source=spelt(source),
        input_shape=input_shape,
        external=files.external,
        post=files.post,
        origin=origin,
    )


def _zoo_files(wanted: ZooSource) -> ModelFiles:
    """The file of a built-in network, the same one every time."""
    return ModelFiles(
        zoo.serialize(
            zoo.build(wanted.name, input_size=wanted.size, seed=wanted.seed, weights=wanted.weights)
        )
    )


def _with_post(origin: Callable[[], ModelFiles], path: Path) -> ModelFiles:
    """A model and the graph behind it."""
    post = read_files(path).as_one_file(name=path.stem)
    if not post:
        raise bad_model(str(path), "is empty; give an ONNX file")
    return replace(origin(), post=post)


def file_sha256(path: Path) -> str:
    """Digest of a model file with all that it keeps in other files: that of its `Model`.

    Raises:
        ModelError: a file is missing, none that may be read, or too large.
    """
    return read_files(path).sha256
