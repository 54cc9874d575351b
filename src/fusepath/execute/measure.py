"""Measuring a model on this machine: the time of every layer, whole and in pieces."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fusepath.cost import RUNTIME, LayerTime, MachineProfile, strip_costs
from fusepath.errors import GeometryError
from fusepath.execute.runner import Runner, runtime_version
from fusepath.execute.strip_stage import StripStage
from fusepath.onnx_io import build_submodel
from fusepath.plan import InputFormat
from fusepath.tiling import Band, Grid, StripRows, StripTiling, Tiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from fusepath.onnx_io import Model

    Array = NDArray[Any]

_FEW_STRIPS, _MANY_STRIPS = 3, 12
"""Strips in which a deep range of layers is run, to see what they cost together."""
_WAIT_S = 0.003
_STRIPS = 16
"""A layer's fixed part shows when a thin strip of its rows is timed beside the whole."""


def measure_layers(
    model: Model,
    *,
    threads: int = 1,
    repeats: int = 5,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> MachineProfile:
    """Time every layer by itself and scale the times so that they add up to the whole network.

    Each layer is a session of its own, which costs it conversions that it would not pay inside
    the network; the scaling takes that out in total. Layers that can be tiled are timed on a strip
    as well: what does not shrink with the rows is their fixed part, and the smallest fixed part of
    all is taken for the cost of a call. The lowest of the repeats counts: on a quiet machine it is
    the time of the work alone.

    Args:
        model: what to measure.
        threads: threads of one operator.
        repeats: runs of every layer.
        progress: called with (layers done, layers in all).
    """
    graph = model.graph
    rng = np.random.default_rng(0)
    image = rng.random(graph.input.shape, dtype=np.float32)
    values: dict[str, Array] = {graph.input.name: image}
    times = []
    for index in range(1, graph.depth + 1):
        layer = _Layer(model, index, threads)
        times.append(layer.time(values, repeats))
        values |= layer.runner.run({name: values[name] for name in layer.inputs})
        values = {name: values[name] for name in graph.frontier(index)}
        progress(index, graph.depth)
    # The normal form, which is what will run: ONNX Runtime folds more of it than of some originals.
    whole = Runner(build_submodel(model, 1, graph.depth).data, threads=threads)
    whole.run({graph.input.name: image})
    whole_s = min(_times(lambda: whole.run({graph.input.name: image}), repeats))
    scale = whole_s / sum(item.whole_s for item in times)
    call_s = min((item.fixed_s for item in times if item.fixed_s > 0), default=0.0)
    profile = MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(
                name=layer.name,
                seconds=item.whole_s * scale,
                fixed_s=max(item.fixed_s - call_s, 0.0) * scale,
            )
            for layer, item in zip(graph.layers, times, strict=True)
        ),
        threads=threads,
        call_overhead_s=call_s * scale,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        software=runtime_version(),
    )
    return _with_strips(model, profile, image, threads, repeats)


def _with_strips(
    model: Model, profile: MachineProfile, image: Array, threads: int, repeats: int
) -> MachineProfile:
    """The profile with what strips cost beyond pieces, from few and many strips of a deep range.

    Few thick strips show by what factor rows cost more; many thin ones what a strip itself costs.
    """
    rows = _deepest_strips(model)
    if rows is None:
        return profile
    costs = strip_costs(rows, device=profile, edge=profile, convention=RUNTIME)
    rows_s = float(costs.per_row[0, rows.tau] @ costs.stops[:, rows.height])
    few, many = (
        _strips_s(model, rows, image, count, threads, repeats)
        - count * profile.piece_s(1, rows.tau)
        for count in (_FEW_STRIPS, _MANY_STRIPS)
    )
    strip_layer_s = max(many - few, 0.0) / ((_MANY_STRIPS - _FEW_STRIPS) * rows.tau)
    factor = (few - strip_layer_s * _FEW_STRIPS * rows.tau) / rows_s
    return msgspec.structs.replace(
        profile, strip_layer_s=strip_layer_s, strip_factor=max(factor, 1.0)
    )


def _strips_s(
    model: Model, rows: StripRows, image: Array, count: int, threads: int, repeats: int
) -> float:
    """Seconds of layers ``1 … tau`` in so many strips, one after the other as a plan has them."""
    source = model.graph.input.name
    needed = int(rows.stops[source][-1])
    marks = [(needed * i // count, 0) for i in range(1, count)]
    band = Band(0, rows.height, (*marks, (marks[-1][0], rows.height)))
    tiling = StripTiling(model.graph, rows.tau, (band,), (rows.tau + 1,))
    form = InputFormat(dtype="float32")
    stage = StripStage(model, tiling, form, 1, rows.tau, threads=threads)
    pieces = []
    for strip in range(tiling.paths):
        stage.prepare(strip)
        begin, end = tiling.new_rows(strip, source)
        pieces.append({source: image[:, :, begin:end]} if begin < end else {})

    def run_all() -> float:
        memory: dict[object, dict[str, Array]] = {}
        taken_s = 0.0
        for strip, piece in enumerate(pieces):
            # In a run a machine waits for its next strip, and computes more slowly after a wait.
            time.sleep(_WAIT_S)
            taken_s += next(_times(lambda: stage.run(strip, piece, memory), 1))  # noqa: B023 - run at once
        return taken_s

    run_all()
    return min(run_all() for _ in range(repeats))


def _deepest_strips(model: Model) -> StripRows | None:
    """The deepest fused layer that is high enough for strips; None if there is none."""
    for tau in range(model.graph.tileable_layers, 0, -1):
        with suppress(GeometryError):
            rows = StripRows(model.graph, tau)
            if rows.height >= _MANY_STRIPS:
                return rows
    return None


@dataclass(frozen=True, slots=True)
class _Times:
    whole_s: float
    fixed_s: float


class _Layer:
    """One layer as a session."""

    def __init__(self, model: Model, index: int, threads: int) -> None:
        sub = build_submodel(model, index, index)
        self.runner = Runner(sub.data, outputs=sub.outputs, threads=threads)
        self.inputs = sub.inputs
        self._graph, self._index = model.graph, index

    def time(self, values: dict[str, Array], repeats: int) -> _Times:
        """On whole maps, and, where there are enough rows, on a strip of them."""
        feeds = {name: values[name] for name in self.inputs}
        whole_s = self._least(feeds, repeats)
        graph, index = self._graph, self._index
        if index > graph.tileable_layers:
            return _Times(whole_s, 0.0)
        strips = min(_STRIPS, graph.fused_size(index, 0))
        regions = Tiling(graph, index, Grid(strips, 1)).session_regions(0, index, index)
        out = graph.layers[index - 1].operators[0].outputs[0]
        share = regions[out].area / (graph.tensors[out].size(0) * graph.tensors[out].size(1))
        if share > 0.8:
            return _Times(whole_s, 0.0)
        strip_s = self._least(
            {
                name: np.ascontiguousarray(
                    value[:, :, regions[name].rows.slice(), regions[name].cols.slice()]
                )
                for name, value in feeds.items()
            },
            repeats,
        )
        moving_s = (whole_s - strip_s) / (1 - share)
        return _Times(whole_s, min(max(whole_s - moving_s, 0.0), strip_s))

    def _least(self, feeds: dict[str, Array], repeats: int) -> float:
        self.runner.run(feeds)
        return min(_times(lambda: self.runner.run(feeds), repeats))


def _times(run: Callable[[], object], repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        started_s = time.perf_counter()
        run()
        yield time.perf_counter() - started_s
