"""A range of layers on one machine, for all paths of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from fusepath.cost import range_macs
from fusepath.onnx_io import build_submodel
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.pixels import model_value
from fusepath.runtime.runner import Runner
from fusepath.runtime.strip_stage import StripStage
from fusepath.tiling import StripLayout, TileLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat
    from fusepath.runtime.strip_stage import StripState
    from fusepath.tiling import Box, Layout, Tiling

    Pieces = dict[str, Array]


class Stage(Protocol):
    """Layers ``first … last`` (1-based, both included) for all paths of a plan.

    Pieces go in and come out as dictionaries from tensor name to array; a piece is exactly what
    the path holds of the tensor (`fusepath.tiling.layout`).
    """

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""

    def prepare(self, path: int) -> None:
        """Build what a path (0-based) needs, if it is not there yet."""

    def forward(self, path: int, pieces: Mapping[str, Array], state: StripState) -> Pieces:
        """Compute a path (0-based): pieces of ``frontier(first − 1)`` to ``frontier(last)``.

        Tensors that the range neither reads nor makes pass through, but for companions.
        """

    def macs(self, path: int) -> int:
        """Multiply-accumulates that are done for a path (0-based)."""


def make_stage(
    model: Model,
    paths: Layout,
    form: InputFormat,
    first: int,
    last: int,
    *,
    execution: Execution = ON_CPU,
) -> Stage:
    """The stage for the way in which a plan cuts the network."""
    match paths:
        case StripLayout(strips=strips):
            return StripStage(model, strips, form, first, last, execution=execution)
        case TileLayout(tiling=tiling):
            return TileStage(model, tiling, form, first, last, execution=execution)
    return WholeStage(model, form, first, last, execution=execution)


class WholeStage:
    """The layers on whole tensors."""

    def __init__(
        self,
        model: Model,
        form: InputFormat,
        first: int,
        last: int,
        *,
        execution: Execution = ON_CPU,
    ) -> None:
        sub = build_submodel(model, first, last)
        self._first, self._last = first, last
        self._model, self._form = model, form
        self._inputs = sub.inputs
        self._runner = Runner(
            sub.data, weights=sub.weights, outputs=sub.outputs, execution=execution
        )

    sessions = 1

    def prepare(self, path: int) -> None:
        """Nothing is left to build."""

    def forward(self, path: int, pieces: Mapping[str, Array], state: StripState) -> Pieces:  # noqa: ARG002 - there is one path, and it keeps nothing
        """Compute the layers."""
        graph = self._model.graph
        feeds = {name: model_value(self._model, self._form, name, pieces) for name in self._inputs}
        results = self._runner.run(feeds)
        return {
            name: results[name] if name in results else pieces[name]
            for name in graph.frontier(self._last)
            if name in results or name in pieces
        }

    def macs(self, path: int) -> int:  # noqa: ARG002 - there is one path
        """Multiply-accumulates of the layers."""
        return range_macs(self._model.graph, self._first, self._last)


class TileStage:
    """The layers as one session that serves every tile.

    The session is fed the aligned region, which is larger than the piece (see
    `fusepath.tiling.aligned`), zero where nobody will look.
    """

    def __init__(
        self,
        model: Model,
        tiling: Tiling,
        form: InputFormat,
        first: int,
        last: int,
        *,
        execution: Execution = ON_CPU,
    ) -> None:
        sub = build_submodel(model, first, last)
        self._first, self._last = first, last
        self._model, self._tiling, self._form = model, tiling, form
        self._inputs = sub.inputs
        self._runner = Runner(
            sub.data, weights=sub.weights, outputs=sub.outputs, execution=execution
        )

    sessions = 1

    def prepare(self, path: int) -> None:
        """All tiles share the one session."""

    def forward(self, path: int, pieces: Mapping[str, Array], state: StripState) -> Pieces:  # noqa: ARG002 - tiles keep nothing
        """Compute a tile."""
        regions = self._tiling.session_regions(path, self._first, self._last)
        raw = self._runner.run(
            {name: self._feed(path, name, pieces, regions[name]) for name in self._inputs}
        )
        results = {}
        for name, value in raw.items():
            rows, cols = self._tiling.region(path, name).within(regions[name])
            results[name] = value[:, :, rows, cols]
        return {
            name: results[name] if name in results else pieces[name]
            for name in self._model.graph.frontier(self._last)
            if name in results or name in pieces
        }

    def macs(self, path: int) -> int:
        """Multiply-accumulates that the session does for a tile."""
        regions = self._tiling.session_regions(path, self._first, self._last)
        return sum(
            op.work.macs * regions[op.counted].area
            for op in self._model.graph.operators(self._first, self._last)
        )

    def _feed(self, path: int, name: str, pieces: Mapping[str, Array], region: Box) -> Array:
        value = model_value(self._model, self._form, name, pieces)
        own = self._tiling.region(path, name)
        if own == region:
            return value
        rows, cols = own.within(region)
        feed = np.zeros((*value.shape[:2], *region.shape), dtype=value.dtype)
        feed[:, :, rows, cols] = value
        return feed
