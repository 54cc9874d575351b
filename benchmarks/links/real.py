"""The same with a real session between two hosts, whose wire `tc` shapes as a trace says."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

import fusepath
from benchmarks.links.cells import SLOWDOWN
from benchmarks.links.trace import TRACES, Link
from benchmarks.system.network import inside, shape, two_hosts
from benchmarks.system.processes import Hosts
from fusepath.offload.frames import made_up_frame
from fusepath.report import cuts_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.links.trace import Phase
    from benchmarks.system.network import Network

READY_WITHIN_S = 120.0
_BEST_FRAMES = 40
"""Of which the phase's best plan shows what it takes."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One phase of a trace."""

    network: str
    trace: str
    seconds: float
    """Of every phase that is not an outage."""
    up_bytes_per_s: float
    down_bytes_per_s: float
    frames: int
    alone: int
    """Frames that the device answered in place of the plan in use."""
    mean_s: float
    median_s: float
    best_s: float | None
    """Mean of what is planned for this link when it is known; None where nothing passes."""
    usual: str
    """Family and cuts of the plan that most frames were answered with."""
    settled_frames: int
    """Frames from the change until that."""
    plans: int


def carry_by(network: Network, phase: Phase) -> None:
    """Have the wire carry as a phase says."""
    burst = (phase.burst_bytes, phase.burst_bytes_per_s) if phase.burst_bytes else None
    shape(network.device, phase.up_bytes_per_s, burst=burst)
    shape(network.edge, phase.down_bytes_per_s)


def measure(network: str, trace: str, seconds: float, *, settle_s: float) -> list[Measured]:
    """Frames one after the other through all phases; every one has an answer, or it raises.

    Args:
        network: of the zoo.
        trace: a key of `TRACES`.
        seconds: of every phase that is not an outage.
        settle_s: so long frames are sent before the first phase.

    Raises:
        NetworkUnavailableError: two hosts need Linux and root.
    """
    phases = TRACES[trace](seconds)
    model = fusepath.load_model(f"zoo:{network}")
    sample = made_up_frame(model.graph.input.shape, "uint8")
    first = phases[0]
    steady = replace(
        first,
        up_bytes_per_s=max(first.up_bytes_per_s, first.burst_bytes_per_s),
        burst_bytes=0.0,
    )
    with ExitStack() as stack:
        wire = stack.enter_context(two_hosts())
        hosts = Hosts.apart(wire)
        carry_by(wire, steady)
        address = stack.enter_context(hosts.edge_server())
        stack.enter_context(inside(wire.device))
        stream = _Stream(model, sample, address)
        with fusepath.Session(model, address, options=stream.options) as session:
            session.wait_ready(READY_WITHIN_S)
            plan = session.plan
            assert plan is not None
            stream.infer_for(session, settle_s)
            seen = stream.through(session, wire, Link(tuple(phases)))
        best_s: dict[tuple[float, float], float] = {}
        for phase in phases:
            rates = phase.up_bytes_per_s, phase.down_bytes_per_s
            if phase.carries and rates not in best_s:
                carry_by(wire, replace(phase, burst_bytes=0.0))
                best_s[rates] = stream.best_s(plan, phase)
    named = {"network": network, "trace": trace, "seconds": seconds}
    return [
        Measured(
            **named,
            up_bytes_per_s=phase.up_bytes_per_s,
            down_bytes_per_s=phase.down_bytes_per_s,
            best_s=best_s.get((phase.up_bytes_per_s, phase.down_bytes_per_s)),
            **_summary(found),
        )
        for phase, found in zip(phases, seen, strict=True)
        if found
    ]


class _Stream:
    """Frames of one network, one after the other."""

    def __init__(self, model: fusepath.Model, sample: np.ndarray, address: str) -> None:
        self._model, self._address = model, address
        self._pixels = np.ascontiguousarray(sample[0].transpose(1, 2, 0))
        self.options = fusepath.SessionOptions(
            remember=False, emulation=fusepath.Emulation(slowdown=SLOWDOWN), sample=sample
        )

    def infer_for(self, session: fusepath.Session, seconds: float) -> list[fusepath.Inference]:
        """Frames for so long."""
        until_s, found = time.monotonic() + seconds, []
        while time.monotonic() < until_s:
            found.append(session.infer(self._pixels))
        return found

    def through(
        self, session: fusepath.Session, wire: Network, link: Link
    ) -> list[list[fusepath.Inference]]:
        """Frames through all phases, by the phase in which they began."""
        seen: list[list[fusepath.Inference]] = [[] for _ in link.phases]
        began_s = time.monotonic()

        def change() -> None:
            for phase, (begin_s, _) in zip(link.phases, link.spans, strict=True):
                time.sleep(max(began_s + begin_s - time.monotonic(), 0.0))
                carry_by(wire, phase)

        changing = threading.Thread(target=change, daemon=True)
        changing.start()
        while (now_s := time.monotonic() - began_s) < link.spans[-1][1]:
            seen[link.number_at(now_s)].append(session.infer(self._pixels))
        changing.join()
        return seen

    def best_s(self, plan: fusepath.Plan, phase: Phase) -> float:
        """Mean latency of what is planned where the link is known; it must be as it says."""
        link = msgspec.structs.replace(
            plan.link, up_bytes_per_s=phase.up_bytes_per_s, down_bytes_per_s=phase.down_bytes_per_s
        )
        machines = fusepath.Machines(device=plan.device, edge=plan.edge, link=link)
        with fusepath.Session(
            self._model, self._address, machines=machines, options=self.options
        ) as session:
            session.wait_ready(READY_WITHIN_S)
            return statistics.mean(
                session.infer(self._pixels).latency_s for _ in range(_BEST_FRAMES)
            )


def _summary(inferences: Sequence[fusepath.Inference]) -> dict[str, Any]:
    """What became of the frames of a phase: fields of `Measured`."""
    plans = [inference.plan for inference in inferences]
    names = [plan.recipe_sha256 for plan in plans]
    usual = statistics.mode(names)
    settled = names.index(usual)
    latencies_s = [inference.latency_s for inference in inferences]
    return {
        "frames": len(inferences),
        "alone": sum(inference.fallback is not None for inference in inferences),
        "mean_s": statistics.mean(latencies_s),
        "median_s": statistics.median(latencies_s),
        "usual": f"{plans[settled].family} {cuts_text(plans[settled])}",
        "settled_frames": settled,
        "plans": len(set(names)),
    }
