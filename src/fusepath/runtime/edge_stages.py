"""What computes an edge server's share of a plan: sessions behind every cut, and of the tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fusepath.plan import TailPlace
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.packing import FILE, EncodedTensor
from fusepath.runtime.stage import WholeStage, make_stage
from fusepath.runtime.stages import prepare_stages
from fusepath.runtime.strip_stage import StripState
from fusepath.tiling import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing, Recipe
    from fusepath.runtime.stage import Pieces, Stage

    Arrived = Array | EncodedTensor
    """A piece as it is there, or as it has come."""


class PathStages(Protocol):
    """Computes paths from their cuts to the fused layer, and what is behind it.

    A path depends on what is handed in and on nothing else, so any machine may compute any path,
    and another one may do so once more. All may be called from several threads.
    """

    path_macs: tuple[int, ...]
    """Multiply-accumulates of every path (0-based) up to the fused layer."""
    tail_macs: int
    """Of the layers behind it."""
    sessions: int
    """In memory."""
    elsewhere_bytes: int
    """Memory that they take on each of other machines; 0 where they are in this process."""

    def forward(
        self, path: int, arrived: Mapping[str, Arrived], state: StripState, chain: Preprocessing
    ) -> Pieces:
        """Decode what a path (0-based) has arrived with, and compute its share.

        Args:
            path: with its cut before the fused layer.
            arrived: its pieces.
            state: what strips before it have kept; afterwards, what the next one needs.
            chain: by which files become the input.

        Raises:
            ProtocolError: a tensor does not decode.
            ImageError: a file does not.
        """

    def tail(self, maps: Mapping[str, Array]) -> Pieces:
        """The outputs, from whole maps."""


class MakeStages(Protocol):
    """Makes them for the network behind all that the device computes before the paths."""

    def __call__(self, model: Model, recipe: Recipe, *, execution: Execution) -> PathStages:
        """Build all sessions."""


class EdgeStages:
    """Stages in this process.

    Args:
        model: the network behind all that the device computes before the paths.
        recipe: of that network.
        execution: what to compute on.
    """

    elsewhere_bytes = 0

    def __init__(self, model: Model, recipe: Recipe, *, execution: Execution = ON_CPU) -> None:
        graph, tau = model.graph, recipe.tau
        paths = layout(recipe.divided(graph), recipe.arrangement)
        self._cuts = recipe.cuts
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, paths, recipe.input, cut, tau, execution=execution)
            for cut in sorted(set(recipe.cuts))
            if cut <= tau
        }
        prepare_stages(self._stages, recipe)
        self._tail = (
            WholeStage(model, recipe.input, tau + 1, graph.depth, execution=execution)
            if recipe.tail is TailPlace.EDGE and tau < graph.depth
            else None
        )
        self.path_macs = tuple(
            self._stages[cut].macs(path) if cut in self._stages else 0
            for path, cut in enumerate(recipe.cuts)
        )
        self.tail_macs = 0 if self._tail is None else self._tail.macs(0)
        self.sessions = sum(stage.sessions for stage in self._stages.values())
        self.sessions += self._tail is not None

    def forward(
        self, path: int, arrived: Mapping[str, Arrived], state: StripState, chain: Preprocessing
    ) -> Pieces:
        """Compute a path, as of `PathStages`."""
        stage = self._stages[self._cuts[path]]
        return stage.forward(path, decoded(arrived, chain), state)

    def tail(self, maps: Mapping[str, Array]) -> Pieces:
        """Compute the tail, as of `PathStages`."""
        assert self._tail is not None
        return self._tail.forward(0, maps, StripState())


def decoded(arrived: Mapping[str, Arrived], chain: Preprocessing) -> Pieces:
    """Pieces, of what has arrived.

    Raises:
        ProtocolError: a tensor does not decode.
        ImageError: a file does not.
    """
    return {name: _value(item, chain) for name, item in arrived.items()}


def _value(item: Arrived, chain: Preprocessing) -> Array:
    if not isinstance(item, EncodedTensor):
        return item
    return item.decoded(chain) if item.codec == FILE else item.value()
