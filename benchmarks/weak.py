"""What splitting gains on a weak device, by how much slower its calls are than its kernels.

A device is played by this machine, slowed. What a layer costs for every piece of it, however
small (starting kernels, cutting and joining rows), need not be slower there by as much as its
arithmetic, most of which this machine does many values at a time. Kernels are slowed to the
crossover, where the device alone takes as long as sending the picture; calls by the given factors.

    python -m benchmarks.weak [MODEL.onnx …]
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from benchmarks.models.measure import load
from fusepath import Budget, PlanRequest, Setting, make_plan, parse_link
from fusepath.profiling.layers import measure_layers

if TYPE_CHECKING:
    from fusepath.cost import MachineProfile

LINK = "1.8MB/s"
CALLS = (1.0, 4.0, 8.0, 16.0)
"""By what calls are slower; as much as kernels comes last."""
REQUEST = PlanRequest(codecs="off", budget=Budget(evaluations=30_000))


def slowed(profile: MachineProfile, kernels: float, calls: float) -> MachineProfile:
    """The profile of a machine whose kernels and calls are slower by these factors."""
    layers = tuple(
        msgspec.structs.replace(
            item,
            seconds=(item.seconds - item.fixed_s) * kernels + item.fixed_s * calls,
            fixed_s=item.fixed_s * calls,
        )
        for item in profile.layers
    )
    return msgspec.structs.replace(profile.slowed(calls), layers=layers)


def main() -> None:
    """Print a table."""
    print(
        "| network | calls slower by | kernels slower by | NFL, ms | auto, ms | NFL/auto "
        "| NFL/bound | plan |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    for name in sys.argv[1:] or ["ultraface"]:
        model = load(name)
        profile = measure_layers(model, repeats=5)
        waking_s = profile.waking_s
        fixed_s = sum(item.fixed_s for item in profile.layers) + profile.call_overhead_s - waking_s
        link = parse_link(LINK)

        def setting(kernels: float, calls: float) -> Setting:
            device = slowed(profile, kernels, calls)  # noqa: B023 - called in this turn alone
            return Setting(graph=model.graph, device=device, edge=profile, link=link)  # noqa: B023

        whole = PlanRequest(algorithm="full-offload", codecs="off")
        sent_s = make_plan(setting(1, 1), whole).best.makespan_s - waking_s
        variable_s = profile.total_s - sum(item.fixed_s for item in profile.layers)
        for calls in (*CALLS, sent_s / (variable_s + fixed_s)):
            kernels = (sent_s - fixed_s * calls) / variable_s
            at = setting(kernels, calls)
            nfl = make_plan(at, PlanRequest(algorithm="nfl", codecs="off")).best
            auto = make_plan(at, REQUEST).best
            print(
                f"| {model.graph.name} | {calls:.1f} | {kernels:.1f} | {1e3 * nfl.makespan_s:.1f} "
                f"| {1e3 * auto.makespan_s:.1f} | {nfl.makespan_s / auto.makespan_s:.2f} "
                f"| {nfl.makespan_s / auto.lower_bound_s:.2f} "
                f"| {auto.family}, {len(auto.cuts)} paths |",
                flush=True,
            )
        print(
            f"\nstrip_layer {1e6 * profile.strip_layer_s:.1f} us, fixed {1e3 * fixed_s:.2f} ms of "
            f"{1e3 * profile.total_s:.2f}, strip factor {profile.strip_factor:.2f}"
        )


if __name__ == "__main__":
    main()
