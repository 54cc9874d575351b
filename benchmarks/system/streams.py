"""Frames a second of a session between two hosts, beside one frame at a time.

    python -m benchmarks.system.streams                 16 of the system benchmark's cells; root
    python -m benchmarks.system.streams --within 100    so many seconds; the next call goes on
    python -m benchmarks.system.streams --markdown      the table of docs/benchmarks.md

Namespaces, wire, cores, profiles and the stretched device are those of ``benchmarks.system``. In
each cell three ways answer the same frames in turn: *one at a time*, the plan of least latency
(``auto``, with codecs); *the same plan*, with 3 frames in flight; and *plans in turn*, what
``Throughput`` finds for 3 in flight. A round is so many frames of each; a rate is the median over
rounds of frames by the time from the first to the last result. Every output is compared with the
unsplit model.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from benchmarks.rows import append_rows, read_rows
from benchmarks.system.cells import RATES_MB_PER_S, SLOWDOWNS, Cell
from benchmarks.system.network import inside, two_hosts
from benchmarks.system.processes import Hosts
from fusepath.plan import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import fusepath
    from benchmarks.system.campaign import Subject
    from benchmarks.system.machines import Machines

NETWORKS = ("squeezenet", "resnet18")
IN_FLIGHT = 3
FRAMES, ROUNDS = 30, 3
BUDGET = Budget(evaluations=40_000)
BAR = 1.15
RESULTS = Path(__file__).parents[1] / "results" / "system-streams.csv"
READY_WITHIN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell."""

    network: str
    slowdown: float
    rate_mb_per_s: float
    alone_s: float
    """From one result to the next, one frame at a time: the latency of the plan."""
    same_s: float
    """The same plan, with frames in flight."""
    turns_s: float
    """Plans in turn."""
    least_turns_s: float
    most_turns_s: float
    predicted_turns_s: float
    plans: int
    fallbacks: int
    """Frames that the device answered alone though the plan says otherwise."""
    verified: bool

    @property
    def gain(self) -> float:
        """Frames a second over those of one at a time."""
        return self.alone_s / self.turns_s


@click.command()
@click.option("--networks", default=",".join(NETWORKS), help="Separated by commas.")
@click.option("--within", type=float, default=float("inf"), help="Seconds; the rest is for later.")
@click.option("--fresh", is_flag=True, help="Measure everything again.")
@click.option("--markdown", is_flag=True, help="Measure nothing: show what has been.")
def main(networks: str, within: float, fresh: bool, markdown: bool) -> None:
    """Frames a second between two hosts on this machine."""
    until_s = time.monotonic() + within
    if fresh:
        RESULTS.unlink(missing_ok=True)
    cells = [
        Cell(*item) for item in itertools.product(networks.split(","), SLOWDOWNS, RATES_MB_PER_S)
    ]
    done = {(row.network, row.slowdown, row.rate_mb_per_s) for row in read_rows(RESULTS, Row)}
    missing = [
        cell for cell in cells if (cell.network, cell.slowdown, cell.rate_mb_per_s) not in done
    ]
    if missing and not markdown:
        with ExitStack() as stack:
            measure(missing, stack, until_s)
    rows = read_rows(RESULTS, Row)
    show(rows)
    sys.exit(not all(row.verified for row in rows))


def measure(cells: Sequence[Cell], stack: ExitStack, until_s: float) -> None:
    """Cells, until it is time."""
    network = stack.enter_context(two_hosts())
    hosts = Hosts.apart(network)

    from benchmarks.system.campaign import Subject  # noqa: PLC0415

    stack.enter_context(inside(network.device))
    for name, own in itertools.groupby(cells, lambda cell: cell.network):
        if time.monotonic() > until_s:
            return
        subject = Subject(name)
        frames = Frames(subject)
        with hosts.edge_server() as address:
            machines = asyncio.run(_profile(subject, address))
            for cell in own:
                if time.monotonic() > until_s:
                    return
                network.set_rate(cell.rate_bytes_per_s)
                row = measured(cell, subject, frames, machines, address)
                append_rows(RESULTS, Row, [row])
                print(f"{cell}: {row.gain:.2f}", file=sys.stderr, flush=True)


async def _profile(subject: Subject, address: str) -> Machines:
    from benchmarks.system.machines import profile  # noqa: PLC0415
    from fusepath.remote.client import connect  # noqa: PLC0415

    async with connect(address) as client:
        return await profile(subject.model, subject.image, client)


class Frames:
    """The picture of a subject, moved on from frame to frame, and what the unsplit model says."""

    def __init__(self, subject: Subject) -> None:
        from fusepath.onnx_io import original_with_shape  # noqa: PLC0415
        from fusepath.plan import InputFormat  # noqa: PLC0415
        from fusepath.runtime.pixels import to_model_input  # noqa: PLC0415
        from fusepath.runtime.runner import Runner  # noqa: PLC0415

        model = subject.model
        self.images = [np.roll(subject.image, 5 * number, axis=3) for number in range(FRAMES)]
        runner = Runner(original_with_shape(model), outputs=model.graph.outputs)
        self.references = [
            runner.run({model.graph.input.name: to_model_input(image, InputFormat())})
            for image in self.images
        ]


def measured(cell: Cell, subject: Subject, frames: Frames, machines: Machines, address: str) -> Row:
    """All three ways in turn."""
    import fusepath  # noqa: PLC0415
    from fusepath.runtime.compare import compare  # noqa: PLC0415

    setting = machines.setting(subject.model, cell, input_bytes_per_element=1)
    with ExitStack() as stack:

        def ready(plan: fusepath.Plan | fusepath.PlanRequest) -> fusepath.Session:
            held = fusepath.Session(
                subject.model,
                address,
                plan=plan,
                machines=fusepath.Machines(
                    device=setting.device, edge=setting.edge, link=setting.link
                ),
                frames=fusepath.FrameFormat(layout="chw"),
                options=fusepath.SessionOptions(
                    remember=False,
                    emulation=fusepath.Emulation(slowdown=cell.slowdown),
                    sample=subject.image,
                ),
            )
            stack.enter_context(held).wait_ready(READY_WITHIN_S)
            return held

        objective = fusepath.Throughput(in_flight=IN_FLIGHT)
        throughput = ready(fusepath.PlanRequest(objective=objective, budget=BUDGET))
        usual = throughput.plan
        assert usual is not None
        latency = ready(usual)
        in_turn = throughput.plans_in_turn
        assert in_turn is not None
        ways = (
            lambda: map(throughput.infer, frames.images),
            lambda: latency.stream(frames.images, in_flight=IN_FLIGHT),
            lambda: throughput.stream(frames.images, in_flight=IN_FLIGHT),
        )
        periods: list[list[float]] = [[], [], []]
        verified, fallbacks = True, 0
        for _ in range(ROUNDS):
            for found, way in zip(periods, ways, strict=True):
                period_s, results = _timed(way())
                found.append(period_s)
                fallbacks += sum(result.fallback is not None for result in results)
                verified &= all(
                    compare(result.outputs, reference).passed
                    for result, reference in zip(results, frames.references, strict=True)
                )
    alone_s, same_s, turns_s = map(statistics.median, periods)
    return Row(
        network=cell.network,
        slowdown=cell.slowdown,
        rate_mb_per_s=cell.rate_mb_per_s,
        alone_s=alone_s,
        same_s=same_s,
        turns_s=turns_s,
        least_turns_s=min(periods[2]),
        most_turns_s=max(periods[2]),
        predicted_turns_s=in_turn.period_s,
        plans=len(in_turn.plans),
        fallbacks=fallbacks,
        verified=verified,
    )


def _timed(results: Iterator[fusepath.Inference]) -> tuple[float, list[fusepath.Inference]]:
    """Mean time from one result to the next, and the results."""
    found, begun_s = [next(results)], time.perf_counter()
    found += results
    return (time.perf_counter() - begun_s) / (len(found) - 1), found


def show(rows: Sequence[Row]) -> None:
    """One line for each cell, and what that comes to."""
    columns = (
        *("network", "device", "MB/s", "one at a time", "the same plan, 3 in flight"),
        *("plans in turn", "predicted", "plans", "answered alone", "gain"),
    )
    print(f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")
    for row in rows:
        print(
            f"| {row.network} | {row.slowdown:g}× | {row.rate_mb_per_s:g} | "
            f"{1 / row.alone_s:.1f} | {1 / row.same_s:.1f} | {1 / row.turns_s:.1f} "
            f"({1 / row.most_turns_s:.1f}–{1 / row.least_turns_s:.1f}) | "
            f"{1 / row.predicted_turns_s:.1f} | {row.plans} | {row.fallbacks} | {row.gain:.2f} |"
        )
    gains = [row.gain for row in rows]
    if gains:
        print(
            f"{sum(gain >= BAR for gain in gains)} of {len(gains)} cells at {BAR} or more; "
            f"geometric mean {statistics.geometric_mean(gains):.2f}, least {min(gains):.2f}, most "
            f"{max(gains):.2f}"
        )


if __name__ == "__main__":
    main()
