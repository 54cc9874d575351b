"""A plan made ready to run: its sessions are built and warm before the first image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.execute.stage import Paths, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

    Array = NDArray[Any]


class DeviceWork:
    """The device's share of a plan: layers before each path's cut."""

    def __init__(self, model: Model, plan: Plan, *, threads: int = 1) -> None:
        self._model = model
        self._plan = plan
        self._paths = Paths.of(model, plan)
        self._stages = {
            cut: Stage(model, self._paths, plan.input, 1, cut - 1, threads=threads)
            for cut in sorted(set(plan.cuts))
            if cut > 1
        }

    def compute(self, path: int, image: Array) -> dict[str, Array]:
        """What path (0-based) sends: its tile of the image, taken as far as its cut.

        Args:
            path: 0-based.
            image: the whole input, (1, C, H, W), of the plan's input dtype.
        """
        name = self._model.graph.input.name
        tile = image
        if self._paths.tiling is not None:
            box = self._paths.tiling.region(path, name)
            tile = image[:, :, box.rows.slice(), box.cols.slice()]
        stage = self._stages.get(self._plan.cuts[path])
        return stage.run(path, {name: tile}) if stage is not None else {name: tile}

    def macs(self) -> int:
        """Multiply-accumulates of one inference on the device."""
        return sum(
            self._stages[cut].macs(path)
            for path, cut in enumerate(self._plan.cuts)
            if cut in self._stages
        )

    def computes(self, path: int) -> bool:
        """Whether the device does anything for a path but cut it out of the image."""
        return self._plan.cuts[path] in self._stages

    def quickest_s(self, image: Array, *, repeats: int) -> list[float]:
        """Warm every session up; the least time of each path over some repeats, in seconds."""
        least = [float("inf")] * len(self._plan.cuts)
        for _ in range(repeats):
            for path in range(len(least)):
                started_s = time.perf_counter()
                self.compute(path, image)
                least[path] = min(least[path], time.perf_counter() - started_s)
        return least


class EdgeWork:
    """The edge server's share of a plan: every path from its cut on, and the tail."""

    def __init__(self, model: Model, plan: Plan, *, threads: int = 1) -> None:
        self._model = model
        self.plan = plan
        self._paths = Paths.of(model, plan)
        self._stages = {
            cut: Stage(model, self._paths, plan.input, cut, plan.tau, threads=threads)
            for cut in sorted(set(plan.cuts))
            if cut <= plan.tau
        }
        depth = model.graph.depth
        self._tail = (
            Stage(model, Paths(None), plan.input, plan.tau + 1, depth, threads=threads)
            if plan.tau < depth
            else None
        )

    def expected(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) of every tensor that path (0-based) arrives with."""
        graph = self._model.graph
        return {
            name: (
                self.plan.input.dtype if name == graph.input.name else graph.tensors[name].dtype,
                self._paths.piece_shape(self._model, path, name),
            )
            for name in graph.frontier(self.plan.cuts[path] - 1)
        }

    def new_fused(self) -> dict[str, Array]:
        """Room for the fused layer of one inference."""
        graph = self._model.graph
        return {
            name: np.empty(graph.tensors[name].shape, dtype=graph.tensors[name].dtype)
            for name in graph.frontier(self.plan.tau)
        }

    def compute(self, path: int, pieces: Mapping[str, Array], fused: dict[str, Array]) -> None:
        """Take a path from its cut to the fused layer and put its share in place."""
        stage = self._stages.get(self.plan.cuts[path])
        shares = stage.run(path, pieces) if stage is not None else pieces
        for name, share in shares.items():
            if self._paths.tiling is None:
                fused[name] = np.asarray(share)
            else:
                box = self._paths.tiling.region(path, name)
                fused[name][:, :, box.rows.slice(), box.cols.slice()] = share

    def compute_tail(self, fused: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs, once all paths are in place."""
        values = self._tail.run(0, fused) if self._tail is not None else fused
        return {name: np.asarray(values[name]) for name in self._model.graph.outputs}

    def macs(self) -> int:
        """Multiply-accumulates of one inference on the edge server."""
        of_paths = sum(
            self._stages[cut].macs(path)
            for path, cut in enumerate(self.plan.cuts)
            if cut in self._stages
        )
        return of_paths + (self._tail.macs(0) if self._tail is not None else 0)

    def warm_up(self) -> None:
        """Run every session once on zeros, so that the first image does not pay for it."""
        fused = self.new_fused()
        for path, cut in enumerate(self.plan.cuts):
            if cut in self._stages:
                self.compute(path, self._stages[cut].blank(path), fused)
        if self._tail is not None:
            self.compute_tail({name: np.zeros_like(value) for name, value in fused.items()})
