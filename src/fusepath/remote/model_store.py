"""The models an edge server may run: files of one folder, and the zoo."""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from fusepath.errors import ModelError
from fusepath.onnx_io import file_sha256, joined_sha256, load_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.onnx_io import Model
    from fusepath.plan import ModelReference

logger = logging.getLogger(__name__)

MAX_INPUT_ELEMENTS = 3 * 2048 * 2048
MAX_LOADED = 4


class ModelStore:
    """Finds models by the SHA-256 of their files; keeps the last few loaded.

    Args:
        folder: where ``*.onnx`` files lie; None knows the zoo alone. Files that cannot be read, or
            lack the weights that they keep elsewhere, are left out with a warning.

    Raises:
        ModelError: the folder cannot be read.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._files: dict[str, Path] = {}
        self._loaded: OrderedDict[tuple[str, tuple[int, ...]], Model] = OrderedDict()
        if folder is not None:
            directory = Path(folder)
            if not directory.is_dir():
                raise ModelError(f"models folder '{folder}' is not a folder")
            for file in sorted(directory.glob("*.onnx")):
                if file.is_file():
                    self._add(file)

    def _add(self, file: Path) -> None:
        try:
            self._files[file_sha256(file)] = file
        except ModelError as error:
            logger.warning("not served: %s", error)

    @classmethod
    def of(cls, model: Model) -> ModelStore:
        """A store that holds a model which is loaded already, and knows the zoo besides."""
        store = cls()
        store._loaded[model.graph.sha256, model.graph.fed_shape] = model
        return store

    def __len__(self) -> int:
        return len(self._files)

    def get(self, reference: ModelReference) -> Model:
        """The model of a digest.

        Raises:
            ModelError: no file has this digest, and it is not the zoo's model either.
        """
        key = (reference.sha256, reference.input_shape)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key]
        if _elements(reference.input_shape) > MAX_INPUT_ELEMENTS:
            shape = list(reference.input_shape)[:8]
            raise ModelError(f"an input of {shape} is too large to serve")
        model = self._load(reference)
        self._loaded[key] = model
        while len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)
        return model

    def _load(self, reference: ModelReference) -> Model:
        parts = self._parts(reference.sha256, self._files)
        if parts is not None:
            model = load_model(parts[0], input_shape=reference.input_shape, post=parts[1])
        elif reference.source.startswith("zoo:"):
            model = load_model(reference.source)
            built = {model.graph.sha256: reference.source}
            if (parts := self._parts(reference.sha256, built)) is not None and parts[1]:
                model = load_model(reference.source, post=parts[1])
        else:
            raise ModelError(
                f"no model with SHA-256 {reference.sha256[:12]} ('{reference.name}') here; "
                f"start the server with a folder of models that holds this very file, and the "
                f"graph behind it, if any"
            )
        if model.graph.sha256 != reference.sha256:
            raise ModelError(
                f"'{reference.source}' has SHA-256 {model.graph.sha256[:12]} here, the device has "
                f"{reference.sha256[:12]}; use the same file and the same fusepath on both sides"
            )
        if model.graph.fed_shape != reference.input_shape:
            # What was held against the limit is not what would be run.
            raise ModelError(
                f"'{model.graph.name}' takes an input of {list(model.graph.fed_shape)}, but the "
                f"plan says {list(reference.input_shape)[:8]}; plan this model"
            )
        return model

    def _parts(
        self, sha256: str, models: Mapping[str, Path | str]
    ) -> tuple[Path | str, Path | None] | None:
        """Where the model of a digest is, and the file of the graph that comes behind it."""
        if sha256 in models:
            return models[sha256], None
        for (model, source), (post, file) in itertools.product(models.items(), self._files.items()):
            if joined_sha256(model, post) == sha256:
                return source, file
        return None


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= max(size, 1)
    return count
