"""What quantising a network gains: planned latency of the int8 model over that of the float32 one.

Both are measured on this machine, which is the edge server; the device is this machine slowed.
Plans are those of the same planner, for a picture sent as pixels, without codecs. Beside them
stands what ONNX Runtime alone takes for the unsplit models as they are, in turn, and what no plan
of the int8 model can beat.

    python -m benchmarks.int8 [zoo:mobilenetv2 ultraface …]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import fusepath
from benchmarks.models.measure import load
from fusepath import Budget, PlanRequest, Setting, make_plan, parse_link
from fusepath.onnx_io import Model, original_with_shape, read_model
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, InputFormat, Preprocessing
from fusepath.profiling.layers import measure_layers
from fusepath.runtime.quantise import quantise
from fusepath.runtime.runner import Runner

NETWORKS = ("zoo:resnet18", "zoo:mobilenetv2", "ssd-mobilenet", "yolov8n", "ultraface")
SLOWER = (4, 8, 16)
RATES = (1.1, 1.5, 2.0, 2.5, 3.0)
"""MB/s."""
REQUEST = PlanRequest(codecs="off", budget=Budget(evaluations=30_000))
RUNS = 15
"""Of both unsplit models, in turn."""
PICTURE = Path(fusepath.__file__).parent / "assets" / "demo.png"


def pair(name: str) -> tuple[Model, Model]:
    """The network in float32 and in int8, with maps of uint8."""
    model = load(name)
    picture = load_input(PICTURE, model.graph.input, pictures=Preprocessing(fit=Fit.STRETCH))
    samples = [picture, np.ascontiguousarray(picture[..., ::-1])]
    quantised = quantise(model, samples, InputFormat())
    return model, read_model(quantised.data, name=f"{name} int8", source=name)


def alone_s(models: tuple[Model, ...]) -> list[float]:
    """Median seconds that ONNX Runtime takes for each unsplit model."""
    feeds = []
    for model in models:
        source = model.boundary.input
        values = np.random.default_rng(0).random(source.shape, dtype=np.float32)
        feeds.append({source.name: values})
    runners = [Runner(original_with_shape(model)) for model in models]
    taken_s: list[list[float]] = [[] for _ in models]
    for _ in range(RUNS):
        for runner, fed, seconds in zip(runners, feeds, taken_s, strict=True):
            begun_s = time.perf_counter()
            runner.run(fed)
            seconds.append(time.perf_counter() - begun_s)
    return [float(np.median(seconds)) for seconds in taken_s]


def geometric_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def main() -> None:
    """Print a table."""
    print(
        "| network | float32, ms | int8, ms | ONNX Runtime alone: float32, int8, ms "
        "| device slower by | int8/float32 | largest | at least |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in sys.argv[1:] or NETWORKS:
        models = pair(name)
        profiles = [measure_layers(model, repeats=3) for model in models]
        times = " | ".join(f"{1e3 * profile.total_s:.1f}" for profile in profiles)
        times += " | " + ", ".join(f"{1e3 * seconds:.1f}" for seconds in alone_s(models))
        for factor in SLOWER:
            ratios, bounds = [], []
            for rate in RATES:
                link = parse_link(f"{rate}MB/s")
                floats, integers = (
                    make_plan(
                        Setting(
                            graph=model.graph,
                            device=profile.slowed(factor),
                            edge=profile,
                            link=link,
                        ),
                        REQUEST,
                    ).best
                    for model, profile in zip(models, profiles, strict=True)
                )
                ratios.append(integers.makespan_s / floats.makespan_s)
                bounds.append(integers.lower_bound_s / floats.makespan_s)
            mean, least = geometric_mean(ratios), geometric_mean(bounds)
            print(
                f"| {name} | {times} | {factor} | {mean:.2f} | {max(ratios):.2f} | {least:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
