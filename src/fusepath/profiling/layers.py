"""Measuring a model on this machine: layers whole and in pieces, and ranges of them."""

from __future__ import annotations

import itertools
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fusepath.cost import (
    RUNTIME,
    LayerTime,
    MachineProfile,
    fixed_part_s,
    ops_per_position,
)
from fusepath.onnx_io import build_submodel
from fusepath.profiling.drawn import drawn_inputs
from fusepath.profiling.strips import with_strips
from fusepath.profiling.timing import WAIT_S, Timing, time_call
from fusepath.runtime.compare import compare
from fusepath.runtime.execution import ON_CPU, PROVIDERS, Execution
from fusepath.runtime.runner import Runner, runtime_version
from fusepath.tiling import Box, Grid, Tiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model


FITTED_GRIDS = (Grid(4, 1), Grid(16, 1), Grid(2, 2), Grid(4, 4))
"""Grids a tile of which is timed for a layer's cost of a piece and of a position."""
_RANGES = 10
"""Ranges of layers that show what a wait costs."""
_LARGEST_SHARE = 0.8
"""A piece that is nearly all of the layer tells nothing about pieces."""


@dataclass(frozen=True, slots=True)
class PieceTime:
    """A measured piece of one layer."""

    grid: Grid
    share: float
    """Part of the layer's positions that is computed."""
    seconds: float


@dataclass(frozen=True, slots=True)
class LayerMeasurement:
    """One layer by itself."""

    whole: Timing
    pieces: tuple[PieceTime, ...]

    @property
    def fixed_s(self) -> float:
        """What each piece costs, however small."""
        return fixed_part_s(
            self.whole.seconds, [(item.share, item.seconds) for item in self.pieces]
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """A profile, and the layers that it was made from."""

    profile: MachineProfile
    layers: tuple[LayerMeasurement, ...]

    @property
    def layers_s(self) -> float:
        """Sum of all layers, each by itself: not quite the network's time."""
        return _sum_s(self.layers)


class Profiler(Protocol):
    """Says how long each layer of a model takes on this machine."""

    def __call__(self, model: Model, *, execution: Execution) -> MachineProfile:
        """The profile."""


def measure_layers(
    model: Model,
    *,
    execution: Execution = ON_CPU,
    repeats: int = 5,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> MachineProfile:
    """The profile of this machine for a model, measured once; see `measure`."""
    whole = WholeNetwork(model, execution)
    return measure(whole, whole.time(repeats).seconds, repeats=repeats, progress=progress).profile


def measure(
    whole: WholeNetwork,
    whole_s: float,
    *,
    repeats: int = 5,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measurement:
    """Time every layer by itself and scale the times so that they add up to the whole network.

    Each layer is a session of its own, which costs it conversions that it would not pay inside
    the network; the scaling takes that out in total. Layers that can be tiled are timed on tiles
    as well: what does not shrink with the positions is their fixed part. What a call costs after a
    wait comes from tiles of ranges of layers.

    Args:
        whole: the network to measure, on what is to compute it.
        whole_s: seconds of all of it.
        repeats: runs of every layer and piece.
        progress: called with (layers done, layers in all).
    """
    model, execution = whole.model, whole.execution
    graph = model.graph
    measured: list[LayerMeasurement] = []
    for index, item in enumerate(each_layer(model, FITTED_GRIDS, execution, repeats), 1):
        measured.append(item)
        progress(index, graph.depth)
    scale = whole_s / _sum_s(measured)
    call_s = min((item.fixed_s for item in measured if item.fixed_s > 0), default=0.0)
    waking_s = _waking_s(model, execution, repeats)
    profile = MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(
                name=layer.name,
                seconds=item.whole.seconds * scale,
                fixed_s=max(item.fixed_s - call_s, 0.0) * scale,
                spread=item.whole.spread,
            )
            for layer, item in zip(graph.layers, measured, strict=True)
        ),
        threads=execution.threads,
        call_overhead_s=call_s * scale + waking_s,
        waking_s=waking_s,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        software=runtime_version(),
        provider=PROVIDERS[whole.provider],
        rounding=whole.rounding(),
    )
    return Measurement(
        profile=with_strips(model, profile, execution, repeats), layers=tuple(measured)
    )


def _sum_s(layers: Sequence[LayerMeasurement]) -> float:
    return sum(item.whole.seconds for item in layers)


class WholeNetwork:
    """The whole network in the normal form, which is what runs: built once, timed now and then.

    ONNX Runtime folds more of it than of some originals.

    Args:
        model: the network.
        execution: what to compute on.
    """

    def __init__(self, model: Model, execution: Execution = ON_CPU) -> None:
        self.model, self.execution = model, execution
        self._runner = self._built(execution)
        self._feeds = drawn_inputs(model.graph)

    def time(self, repeats: int) -> Timing:
        """Seconds of a run, from so many."""
        return _timed(self._runner, self._feeds, self.execution, repeats)

    @property
    def provider(self) -> str:
        """Which provider computes it."""
        return self._runner.provider

    def rounding(self) -> float:
        """By how much its outputs are off what the processor makes (`MachineProfile.rounding`)."""
        if self.execution.providers == ON_CPU.providers:
            return 0.0
        return compare(
            self._runner.run(self._feeds), self._built(ON_CPU).run(self._feeds)
        ).max_rel_error

    def _built(self, execution: Execution) -> Runner:
        sub = build_submodel(self.model, 1, self.model.graph.depth)
        return Runner(sub.data, weights=sub.weights, execution=execution)


def each_layer(
    model: Model, grids: Sequence[Grid], execution: Execution, repeats: int
) -> Iterator[LayerMeasurement]:
    """Every layer by itself: on its whole maps, and on a middle tile of those grids that fit."""
    graph = model.graph
    values = drawn_inputs(model.graph)
    for index in range(1, graph.depth + 1):
        sub = build_submodel(model, index, index)
        runner = Runner(sub.data, weights=sub.weights, outputs=sub.outputs, execution=execution)
        feeds = {name: values[name] for name in sub.inputs}
        whole = _timed(runner, feeds, execution, repeats)
        pieces = []
        main = max(
            graph.layers[index - 1].operators, key=lambda op: ops_per_position(op, RUNTIME)
        ).counted
        for grid, regions in _tiles(model, grids, index, index):
            share = regions[main].area / (graph.tensors[main].size(0) * graph.tensors[main].size(1))
            if share > _LARGEST_SHARE:
                continue
            tile = {
                name: np.ascontiguousarray(
                    value[:, :, regions[name].rows.slice(), regions[name].cols.slice()]
                )
                for name, value in feeds.items()
            }
            pieces.append(PieceTime(grid, share, _timed(runner, tile, execution, repeats).seconds))
        yield LayerMeasurement(whole, tuple(pieces))
        values |= runner.run(feeds)
        values = {name: values[name] for name in (*graph.frontier(index), *graph.companions)}


def _waking_s(model: Model, execution: Execution, repeats: int) -> float:
    """How much longer a call takes after a wait than right after the same call."""
    sections = model.graph.sections
    if not sections:
        return 0.0
    first, layers = sections[0].start, sections[0].layers
    bounds = [first + layers * part // _RANGES for part in range(_RANGES + 1)]
    differences = []
    for begin, last in itertools.pairwise(bounds):
        for _, _, run in range_tiles(model, (Grid(4, 4),), begin + 1, last, execution=execution):
            again = time_call(run, repeats, on_caller=execution.on_caller)
            waited = time_call(run, repeats, wait_s=WAIT_S, on_caller=execution.on_caller)
            differences.append(waited.seconds - again.seconds)
    return max(float(np.median(differences)), 0.0) if differences else 0.0


def range_tiles(
    model: Model, grids: Sequence[Grid], first: int, last: int, *, execution: Execution = ON_CPU
) -> Iterator[tuple[Grid, dict[str, Box], Callable[[], object]]]:
    """Middle tiles of layers ``first … last``: the regions computed, and a call that does it.

    Nothing for a range without layers.
    """
    if first > last:
        return
    sub = build_submodel(model, first, last)
    runner = Runner(sub.data, weights=sub.weights, outputs=sub.outputs, execution=execution)
    rng = np.random.default_rng(0)
    for grid, regions in _tiles(model, grids, first, last):
        feeds = {
            name: rng.random(
                (1, model.graph.tensors[name].channels, *regions[name].shape), dtype=np.float32
            ).astype(model.graph.tensors[name].dtype)
            for name in sub.inputs
        }
        yield grid, regions, lambda feeds=feeds: runner.run(feeds)  # type: ignore[misc] # a default


def _tiles(
    model: Model, grids: Sequence[Grid], first: int, last: int
) -> Iterator[tuple[Grid, dict[str, Box]]]:
    """The regions of a middle tile, where the range lies in a section and can be tiled so."""
    sections = model.graph.sections
    start = next((item.start for item in sections if item.start < first and last <= item.end), None)
    if start is None:
        return
    graph, first, last = model.graph.behind(start), first - start, last - start
    for grid in grids:
        if grid.rows <= graph.fused_size(last, 0) and grid.cols <= graph.fused_size(last, 1):
            middle = grid.rows // 2 * grid.cols + grid.cols // 2
            yield grid, Tiling(graph, last, grid).session_regions(middle, first, last)


def _timed(
    runner: Runner, feeds: Mapping[str, Array], execution: Execution, repeats: int
) -> Timing:
    return time_call(lambda: runner.run(feeds), repeats, on_caller=execution.on_caller)
