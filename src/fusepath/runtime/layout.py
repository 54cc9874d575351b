"""What every path of a plan holds of every tensor, however the plan cuts the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.tiling import StripTiling, Tiling

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.tiling import Box


@dataclass(frozen=True)
class Paths:
    """Tiles, strips, or the unsplit network (None), whose one path holds all of everything.

    A single path that ends before the last layer is a tile like any other: it leaves out what its
    fused layer does not depend on, as the planner counts it.
    """

    tiling: Tiling | StripTiling | None

    @classmethod
    def of(cls, model: Model, plan: Plan) -> Paths:
        """The paths of a plan that has been checked."""
        graph = model.graph
        if plan.segments:
            return cls(plan.strip_tiling(graph))
        unsplit = plan.is_whole and (plan.tau == graph.depth or plan.tau > graph.tileable_layers)
        return cls(None if unsplit else Tiling(graph, plan.tau, plan.tiles, plan.sizes))

    def box(self, path: int, tensor: str) -> Box | None:
        """The part of a map that path ``path`` (0-based) holds; None where a strip adds nothing."""
        assert self.tiling is not None
        return self.tiling.region(path, tensor)

    def piece_shape(self, model: Model, path: int, tensor: str) -> tuple[int, ...] | None:
        """Shape of the part of a tensor that a path holds and sends; None for nothing."""
        shape = model.graph.tensors[tensor].shape
        if self.tiling is None:
            return shape
        box = self.box(path, tensor)
        return None if box is None else (*shape[:2], *box.shape)

    def returning(self, plan: Plan) -> frozenset[int] | None:
        """Paths (0-based) whose rows of the outputs the edge server returns as they are done.

        None where the outputs return as a whole, because something follows the fused layer or the
        paths are no strips.
        """
        if not (isinstance(self.tiling, StripTiling) and self.tiling.rows.makes_outputs):
            return None
        outputs = self.tiling.graph.outputs
        return frozenset(
            path
            for path, cut in enumerate(plan.cuts)
            if cut <= plan.tau and any(self.box(path, name) is not None for name in outputs)
        )

    def part_shapes(self, model: Model, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) of what a path (0-based) makes of every output of which it makes any."""
        shapes = {name: self.piece_shape(model, path, name) for name in model.graph.outputs}
        return {
            name: (model.graph.tensors[name].dtype, shape)
            for name, shape in shapes.items()
            if shape is not None
        }

    def predecessors(self) -> dict[int, int]:
        """Paths (0-based) that must not start before another one has ended, and that other."""
        if not isinstance(self.tiling, StripTiling):
            return {}
        return {strip: strip - 1 for strip in range(1, self.tiling.paths)}
