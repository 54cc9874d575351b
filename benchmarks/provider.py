"""What an execution provider makes of networks: whole, tiled and in strips, beside the processor.

For machines with an ONNX Runtime that has more than the processor: a graphics card, OpenVINO. All
of a network is computed here, as an edge server does it for plans that offload everything: sessions
are built, warmed and timed in turn on the provider and on the processor. Every output is held
against what the processor makes of the untouched model, within the tolerance that is measured for
the provider (docs/geometry.md). Equal tiles are timed one by one, and as one batch.

    python -m benchmarks.provider --provider cuda,cpu [--network zoo:squeezenet …] [--json]

Exit code 1 where an output is beyond its tolerance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

import fusepath
from fusepath import Link, PlanRequest, Setting, make_plan
from fusepath.cost import ComputeRate
from fusepath.offload.verify import Reference, measured_reference
from fusepath.onnx_io import build_submodel
from fusepath.plan import Constraints, InputFormat
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.runtime.execution import Execution, parse_providers, provider_text
from fusepath.runtime.runner import Runner, runtime_version, usable
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Recipe

NETWORKS = ("zoo:squeezenet", "zoo:resnet18", "zoo:vgg16")
OFFLOADED = Constraints(device_macs=0)
PLANS = {
    "whole": PlanRequest(algorithm="full-offload", codecs="off"),
    "tiles 2x2": PlanRequest(algorithm="mw", grid=Grid(2, 2), constraints=OFFLOADED, codecs="off"),
    "tiles 4x4": PlanRequest(algorithm="mw", grid=Grid(4, 4), constraints=OFFLOADED, codecs="off"),
    "strips": PlanRequest(algorithm="stream", constraints=OFFLOADED, codecs="off"),
}
RUNS = 15
WARM_UP = 3
BATCH_GRID = Grid(4, 4)


@dataclass(frozen=True)
class Row:
    """One plan of a network; medians in seconds, and the 10th and 90th percentile of the first."""

    network: str
    plan: str
    paths: int
    provider_s: float
    low_s: float
    high_s: float
    cpu_s: float
    bit_equal: bool
    error: float
    tolerance: float
    passed: bool


@dataclass(frozen=True)
class Batch:
    """Equal tiles of a network's deepest section that MW would cut, on the provider."""

    network: str
    tiles: int
    one_by_one_s: float
    together_s: float


class Computed:
    """A plan all of which one machine computes, from the image to the outputs."""

    def __init__(self, model: Model, recipe: Recipe, execution: Execution) -> None:
        self._cutting = DeviceShare(model, recipe)
        self._share = EdgeShare(model, recipe, execution=execution)
        self._order = [path - 1 for path in recipe.order]

    def run(self, image: Array) -> dict[str, Array]:
        """The outputs."""
        fused = self._share.new_fused()
        for path in self._order:
            self._share.compute(path, self._cutting.compute(path, image), fused)
        return self._share.compute_tail(fused)


def times_s(calls: Sequence[Callable[[], object]], runs: int) -> list[list[float]]:
    """Seconds of every call, taken in turn."""
    for call in calls:
        for _ in range(WARM_UP):
            call()
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(runs):
        for call, seconds in zip(calls, taken, strict=True):
            begun_s = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - begun_s)
    return taken


def row(
    model: Model, name: str, image: Array, execution: Execution, reference: Reference, runs: int
) -> Row:
    """One plan, on the provider and on the processor."""
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(1e11),
        link=Link(up_bytes_per_s=1e8, down_bytes_per_s=1e8),
    )
    plan = make_plan(setting, PLANS[name]).best
    assert plan.device_macs == 0
    recipe = plan.recipe
    here = Computed(model, recipe, execution)
    on_cpu = Computed(model, recipe, Execution(threads=execution.threads))
    comparison = reference.judge(here.run(image))
    mine, theirs = times_s([lambda: here.run(image), lambda: on_cpu.run(image)], runs)
    low_s, high_s = np.quantile(mine, (0.1, 0.9))
    return Row(
        network=model.graph.name,
        plan=name,
        paths=len(recipe.cuts),
        provider_s=statistics.median(mine),
        low_s=float(low_s),
        high_s=float(high_s),
        cpu_s=statistics.median(theirs),
        bit_equal=comparison.bit_equal,
        error=comparison.error,
        tolerance=comparison.tolerance,
        passed=comparison.passed,
    )


def batch(model: Model, execution: Execution, runs: int) -> Batch:
    """Layers that tiles go through, on equal tiles one by one and on all of them at once."""
    graph = model.graph
    sub = build_submodel(model, 1, graph.tileable_layers)
    data = of_any_batch(sub.data)
    # Sessions of their own: on a card one whose shapes change plans its convolutions anew.
    single, several = (
        Runner(data, weights=sub.weights, outputs=sub.outputs, execution=execution)
        for _ in range(2)
    )
    source = graph.input
    shape = (1, source.channels, source.size(0) // 2, source.size(1) // 2)
    rng = np.random.default_rng(0)
    count = BATCH_GRID.rows
    tiles = [{source.name: rng.random(shape, dtype=np.float32)} for _ in range(count)]
    stacked = {source.name: np.concatenate([tile[source.name] for tile in tiles])}
    alone, together = times_s(
        [lambda: [single.run(tile) for tile in tiles], lambda: several.run(stacked)], runs
    )
    return Batch(graph.name, count, statistics.median(alone), statistics.median(together))


def of_any_batch(data: bytes) -> bytes:
    """The same model for more images than one."""
    proto = onnx.load_model_from_string(data)
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.shape.dim[0].dim_param = "batch"
    del proto.graph.value_info[:]
    changed: bytes = proto.SerializeToString()
    return changed


def measured(name: str, execution: Execution, runs: int) -> tuple[list[Row], Batch]:
    """All of one network."""
    model = fusepath.load_model(name)
    form = InputFormat(dtype="float32")
    image = np.random.default_rng(0).random(model.graph.input.shape, dtype=np.float32)
    reference = measured_reference(model, image, form, execution=execution)
    rows = [row(model, plan, image, execution, reference, runs) for plan in PLANS]
    return rows, batch(model, execution, runs)


def main() -> int:
    """Print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--provider", required=True, metavar="NAME,NAME")
    parser.add_argument("--network", action="append", metavar="MODEL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    wanted = Execution(providers=parse_providers(given.provider), threads=given.threads)
    execution = usable(wanted)
    if not given.json:
        print(f"{runtime_version()}, on {provider_text(execution)}, {given.threads} threads\n")
        print("| network | plan | paths | provider, ms | 10-90 % | processor, ms | gain | error |")
        print("|---|---|---:|---:|---|---:|---:|---|")
    rows: list[Row] = []
    batches: list[Batch] = []
    for name in given.network or NETWORKS:
        more, batched = measured(name, execution, given.runs)
        rows += more
        batches.append(batched)
        for item in () if given.json else more:
            verdict = "bit-equal" if item.bit_equal else f"{item.error:.2g} of {item.tolerance:.2g}"
            print(
                f"| {item.network} | {item.plan} | {item.paths} | {1e3 * item.provider_s:.2f} "
                f"| {1e3 * item.low_s:.2f}-{1e3 * item.high_s:.2f} | {1e3 * item.cpu_s:.2f} "
                f"| {item.cpu_s / item.provider_s:.1f} "
                f"| {verdict}{'' if item.passed else ' FAILED'} |",
                flush=True,
            )
    if given.json:
        document = {
            "software": runtime_version(),
            "wanted": wanted.providers,
            "providers": execution.providers,
            "threads": execution.threads,
            "rows": [asdict(item) for item in rows],
            "batches": [asdict(item) for item in batches],
        }
        print(json.dumps(document, indent=1))
    else:
        print(
            "\n| network | equal tiles | one by one, ms | as one batch, ms |\n|---|---:|---:|---:|"
        )
        for item in batches:
            print(
                f"| {item.network} | {item.tiles} | {1e3 * item.one_by_one_s:.2f} "
                f"| {1e3 * item.together_s:.2f} |"
            )
    return 0 if all(item.passed for item in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
