"""Two machines of your own, measured into one file; see two_machines.md.

    edge$    fusepath serve --listen 0.0.0.0:7070 --insecure
    device$  python -m benchmarks.two_machines 192.168.1.20:7070 -o two-machines.json

For every network: device, edge server and link are measured, every kind of plan is made for them,
and all plans infer in turn, so that what else goes on disturbs all alike. Medians with quartiles,
beside what was predicted just before; each plan's result is compared with the unsplit model. The
file names no host and no address.
"""

from __future__ import annotations

import platform
import statistics
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import onnxruntime

import fusepath
from fusepath.errors import FusepathError
from fusepath.jsonfile import encode
from fusepath.offload.verify import measured_reference
from fusepath.output_file import check_output, write_file
from fusepath.plan import Plan, PlanRequest, Setting, fluid_bound_s, make_plan
from fusepath.version import VERSION

if TYPE_CHECKING:
    from fusepath.arrays import Array

FORMAT, FORMAT_VERSION = "fusepath-two-machines", 1
NETWORKS = "squeezenet,resnet18,mobilenetv2,tiny-yolov2"
REPEATS = 9
ALGORITHMS = {
    "device only": "device-only",
    "full offload": "full-offload",
    "NFL": "nfl",
    "stream": "stream",
    "auto, no codecs": "auto",
}
NOTHING_KNOWN = fusepath.Machines()
AUTO = "auto"
"""What a session chooses by itself, with codecs and after trials."""


@click.command()
@click.argument("edge", metavar="HOST:PORT")
@click.option("-o", "--output", required=True, metavar="FILE.json", help="Everything goes here.")
@click.option("--networks", default=NETWORKS, show_default=True, help="Of fusepath zoo.")
@click.option("--repeats", default=REPEATS, show_default=True, type=click.IntRange(1, 1000))
@click.option("--note", default="", help="What the file should say besides: boards, radio, room.")
def main(edge: str, output: str, networks: str, repeats: int, note: str) -> None:
    """Measure every kind of plan between this machine and an edge server."""
    try:
        check_output(output)
        document = measured(edge, networks.split(","), repeats=repeats, note=note)
        write_file(output, encode(document))
    except FusepathError as error:
        raise click.ClickException(str(error)) from error
    if any(not row["verified"] for item in document["networks"] for row in item["plans"]):
        click.echo(
            "a result differs from that of the unsplit model: please send the file", err=True
        )
        sys.exit(1)


def measured(
    edge: str,
    networks: list[str],
    *,
    repeats: int,
    note: str = "",
    known: fusepath.Machines = NOTHING_KNOWN,
) -> dict[str, Any]:
    """All of it, as the file holds it; what is known of the machines is not measured."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "note": note,
        "device": this_machine(),
        "repeats": repeats,
        "networks": [of_network(edge, name, known, repeats=repeats) for name in networks],
    }


def this_machine() -> dict[str, str]:
    """What it is, by what tells nothing of whose it is."""
    model = Path("/proc/device-tree/model")  # of boards: "Raspberry Pi 4 Model B Rev 1.4"
    return {
        "fusepath": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "board": model.read_text().strip("\0\n ") if model.exists() else "",
    }


def of_network(edge: str, name: str, known: fusepath.Machines, *, repeats: int) -> dict[str, Any]:
    """Plans of one network, in turn."""
    model = fusepath.load_model(f"zoo:{name}")
    pixels = np.random.default_rng(0).integers(0, 256, model.graph.input.shape, dtype=np.uint8)
    click.echo(f"{name}: measuring and planning", err=True)
    with ExitStack() as stack:
        sessions = {AUTO: stack.enter_context(session(model, edge, None, pixels, known))}
        sessions[AUTO].wait_ready()
        best = sessions[AUTO].plan
        assert best is not None  # it is ready
        setting = replace(
            Setting.of_plan(best, model.graph), compression={}, back_compression={}, source=None
        )
        for label, algorithm in ALGORITHMS.items():
            plan = make_plan(setting, PlanRequest(algorithm=algorithm, codecs="off")).best
            sessions[label] = stack.enter_context(session(model, edge, plan, pixels, known))
            sessions[label].wait_ready()
        done: dict[str, list[fusepath.Inference]] = {label: [] for label in sessions}
        predicted = {label: one.predicted.end_s for label, one in sessions.items() if one.predicted}
        for _ in range(repeats + 1):  # the first of each warms up
            for label, one in sessions.items():
                done[label].append(one.infer(pixels))
            click.echo(".", nl=False, err=True)
        click.echo(err=True)
    reference = measured_reference(model, pixels, best.input)
    return {
        "network": name,
        "machines": {
            "device": best.device,
            "edge": best.edge,
            "link": best.link,
        },
        "lower_bound_s": fluid_bound_s(setting),
        "plans": [
            row(label, runs[1:], predicted[label], reference.judge(runs[-1].outputs).passed)
            for label, runs in done.items()
        ],
    }


def session(
    model: fusepath.Model, edge: str, plan: Plan | None, pixels: Array, known: fusepath.Machines
) -> fusepath.Session:
    """One that carries out a plan, or without one finds its own; nothing is remembered."""
    return fusepath.Session(
        model,
        edge,
        plan=plan or PlanRequest(),
        machines=known,
        frames=fusepath.FrameFormat(layout="chw"),
        options=fusepath.SessionOptions(
            remember=False, sample=pixels, fallback=fusepath.FallbackPolicy.OFF
        ),
    )


def row(
    label: str, runs: list[fusepath.Inference], predicted_s: float, verified: bool
) -> dict[str, Any]:
    """What a plan did; the plan itself, so that anybody can look what it was."""
    latencies = [run.latency_s for run in runs]
    low, high = np.percentile(latencies, (25, 75))
    return {
        "plan": label,
        "median_s": statistics.median(latencies),
        "quartiles_s": [float(low), float(high)],
        "predicted_s": predicted_s,
        "up_bytes": runs[-1].up_bytes,
        "verified": verified,
        "latencies_s": latencies,
        "recipe": runs[-1].plan.recipe,
    }


if __name__ == "__main__":
    main()
