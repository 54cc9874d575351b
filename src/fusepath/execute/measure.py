"""Measuring a model on this machine: the time of every layer."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.cost import LayerTime, MachineProfile
from fusepath.execute.runner import Runner, runtime_version
from fusepath.execute.stage import WholeStage
from fusepath.onnx_io import original_with_shape
from fusepath.plan import InputFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from fusepath.onnx_io import Model

    Array = NDArray[Any]


def measure_layers(
    model: Model,
    *,
    threads: int = 1,
    repeats: int = 5,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> MachineProfile:
    """Time every layer by itself and scale the times so that they add up to the whole network.

    Each layer is a session of its own, which costs it conversions that it would not pay inside
    the network; the scaling takes that out in total. The lowest of the repeats counts: on a quiet
    machine it is the time of the work alone.

    Args:
        model: what to measure.
        threads: threads of one operator.
        repeats: runs of every layer.
        progress: called with (layers done, layers in all).
    """
    graph = model.graph
    form = InputFormat(dtype="float32")
    rng = np.random.default_rng(0)
    image = rng.random(graph.input.shape, dtype=np.float32)
    pieces: dict[str, Array] = {graph.input.name: image}
    least: list[float] = []
    for index in range(1, graph.depth + 1):
        stage = WholeStage(model, form, index, index, threads=threads)
        given = pieces
        pieces = stage.run(0, given, {})
        least.append(min(_times(lambda stage=stage, given=given: stage.run(0, given, {}), repeats)))  # type: ignore[misc]
        progress(index, graph.depth)
    whole = Runner(original_with_shape(model), threads=threads)
    whole.run({graph.input.name: image})
    whole_s = min(_times(lambda: whole.run({graph.input.name: image}), repeats))
    scale = whole_s / sum(least)
    return MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(name=layer.name, seconds=seconds * scale)
            for layer, seconds in zip(graph.layers, least, strict=True)
        ),
        threads=threads,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        software=runtime_version(),
    )


def _times(run: Callable[[], object], repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        started_s = time.perf_counter()
        run()
        yield time.perf_counter() - started_s
