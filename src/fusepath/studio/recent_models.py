"""Networks to plan for: those of the zoo, and files that were given."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from fusepath.errors import ModelError
from fusepath.onnx_io import load_model, read_model, zoo
from fusepath.onnx_io.source import PREFIX as ZOO
from fusepath.spelling import path_of

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.onnx_io import Model

_MOST_MODELS = 16
_MOST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class HeldModel:
    """A network without its weights."""

    graph: ModelGraph
    source: str
    """``zoo:NAME``, or how the name of a file is spelt."""
    was_given: bool = False
    """Whether it came as bytes, which are not kept, so that it cannot be loaded again."""

    def load(self) -> Model:
        """All of it, to be run.

        Raises:
            ModelError: it cannot be loaded.
        """
        if self.was_given:
            raise ModelError(
                f"the weights of '{self.source}' are not kept; begin the studio with its path"
            )
        return load_model(path_of(self.source), input_shape=self.graph.fed_shape)


class RecentModels:
    """The networks that were last asked for. May be used by several threads."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, HeldModel] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: str) -> HeldModel:
        """A network of the zoo, which is built where it is not at hand, or one that was put here.

        Args:
            key: ``zoo:NAME``, or what `put` returned.

        Raises:
            ModelError: it is neither.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            if not _is_in_zoo(key):
                raise ModelError(
                    f"there is no model '{key[:_MOST_NAME]}' here; give its file again"
                )
            return self._keep(key, load_model(key))

    def put(self, data: bytes, file_name: str) -> str:
        """Read a model file; the key to ask for it by.

        Args:
            data: all of the file.
            file_name: what its owner calls it.

        Raises:
            ModelError: it cannot be read.
        """
        key = hashlib.sha256(data).hexdigest()
        source = PurePath(file_name.replace("\\", "/")).name[:_MOST_NAME] or "model.onnx"
        model = read_model(data, name=PurePath(source).stem, source=source)
        with self._lock:
            self._keep(key, model, was_given=True)
        return key

    def load(self, source: str, *, input_shape: tuple[int, ...] | None = None) -> str:
        """Read a model by its path or ``zoo:`` source; the key to ask for it by.

        Args:
            source: as of `load_model`.
            input_shape: likewise.

        Raises:
            ModelError: it cannot be read.
        """
        model = load_model(source, input_shape=input_shape)
        key = source if _is_in_zoo(source) else model.sha256
        with self._lock:
            self._keep(key, model)
        return key

    def files(self) -> dict[str, HeldModel]:
        """By key: what was put here, the latest last."""
        with self._lock:
            return {key: held for key, held in self._held.items() if not _is_in_zoo(key)}

    def _keep(self, key: str, model: Model, *, was_given: bool = False) -> HeldModel:
        held = HeldModel(graph=model.graph, source=model.source, was_given=was_given)
        self._held[key] = held
        self._held.move_to_end(key)
        if len(self._held) > _MOST_MODELS:
            self._held.popitem(last=False)
        return held


def _is_in_zoo(key: str) -> bool:
    """Whether it is a network of the zoo as it was published."""
    return key.startswith(ZOO) and key.removeprefix(ZOO) in zoo.NAMES
