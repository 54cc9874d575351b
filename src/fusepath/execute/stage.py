"""A layer range as one session that serves every tile, on either machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.cost import layer_macs
from fusepath.execute.pixels import to_model_input
from fusepath.execute.runner import Runner
from fusepath.onnx_io import build_submodel
from fusepath.tiling import Tiling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat, Plan
    from fusepath.tiling import Box

    Array = NDArray[Any]


@dataclass(frozen=True)
class Paths:
    """What every path of a plan holds of every map; None for one path, which holds all."""

    tiling: Tiling | None

    @classmethod
    def of(cls, model: Model, plan: Plan) -> Paths:
        """The paths of a plan that has been checked."""
        return cls(None if plan.is_whole else Tiling(model.graph, plan.tau, plan.tiles))

    def piece_shape(self, model: Model, path: int, tensor: str) -> tuple[int, ...]:
        """Shape of the part of a tensor that path ``path`` (0-based) holds and sends."""
        shape = model.graph.tensors[tensor].shape
        if self.tiling is None:
            return shape
        return (*shape[:2], *self.tiling.region(path, tensor).shape)


class Stage:
    """Layers ``first … last`` (1-based, both included) for all paths of a plan.

    Pieces go in and come out as dictionaries from tensor name to array; a piece is exactly what
    the path needs of the tensor. The session is fed the larger, aligned region (see
    `fusepath.tiling.aligned`), zero where nobody will look.
    """

    def __init__(
        self,
        model: Model,
        paths: Paths,
        form: InputFormat,
        first: int,
        last: int,
        *,
        threads: int = 1,
    ) -> None:
        sub = build_submodel(model, first, last)
        self.first, self.last = first, last
        self._model = model
        self._tiling = paths.tiling
        self._form = form
        self._inputs, self._outputs = sub.inputs, sub.outputs
        self._runner = Runner(sub.data, outputs=sub.outputs, threads=threads)

    def run(self, path: int, pieces: Mapping[str, Array]) -> dict[str, Array]:
        """Compute a path (0-based): pieces of ``frontier(first − 1)`` to ``frontier(last)``.

        Tensors that the range neither reads nor makes pass through.
        """
        graph = self._model.graph
        if self._tiling is None:
            results = self._runner.run({name: self._value(name, pieces) for name in self._inputs})
        else:
            regions = self._tiling.session_regions(path, self.first, self.last)
            raw = self._runner.run(
                {name: self._feed(path, name, pieces, regions[name]) for name in self._inputs}
            )
            results = {}
            for name, value in raw.items():
                rows, cols = self._tiling.region(path, name).within(regions[name])
                results[name] = value[:, :, rows, cols]
        return {
            name: results[name] if name in results else pieces[name]
            for name in graph.frontier(self.last)
        }

    def macs(self, path: int) -> int:
        """Multiply-accumulates that the session does for a path (0-based)."""
        graph = self._model.graph
        if self._tiling is None:
            return sum(layer_macs(graph, index) for index in range(self.first, self.last + 1))
        regions = self._tiling.session_regions(path, self.first, self.last)
        return sum(
            op.work.macs * regions[op.outputs[0]].area
            for op in graph.operators(self.first, self.last)
        )

    def blank(self, path: int) -> dict[str, Array]:
        """Zero pieces of the right shapes, for warming the session up."""
        graph = self._model.graph
        paths = Paths(self._tiling)
        return {
            name: np.zeros(paths.piece_shape(self._model, path, name), dtype=self._dtype(name))
            for name in graph.frontier(self.first - 1)
        }

    def _dtype(self, name: str) -> str:
        graph = self._model.graph
        return self._form.dtype if name == graph.input.name else graph.tensors[name].dtype

    def _value(self, name: str, pieces: Mapping[str, Array]) -> Array:
        value = pieces[name]
        if name == self._model.graph.input.name:
            value = to_model_input(value, self._form)
        return np.ascontiguousarray(value)

    def _feed(self, path: int, name: str, pieces: Mapping[str, Array], region: Box) -> Array:
        assert self._tiling is not None
        value = self._value(name, pieces)
        own = self._tiling.region(path, name)
        if own == region:
            return value
        rows, cols = own.within(region)
        feed = np.zeros((*value.shape[:2], *region.shape), dtype=value.dtype)
        feed[:, :, rows, cols] = value
        return feed
