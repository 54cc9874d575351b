"""What became of frames, phase by phase, beside the best that plans could do."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.links.simulated import Stream
from benchmarks.links.trace import Link
from fusepath.protocol.adapting import Conditions

if TYPE_CHECKING:
    from benchmarks.links.simulated import Frame, Plans
    from benchmarks.links.trace import Phase

NEAR = 1.03
"""A plan is right if it is predicted to take no more than this times what the best does."""
MEAN_BAR, FIXED_BAR, FRAMES_BAR = 1.05, 0.80, 3


@dataclass(frozen=True, kw_only=True)
class PhaseRow:
    """One phase of a trace."""

    network: str
    trace: str
    phase: Phase
    frames: int
    alone: int
    """Frames that the device answered in place of the plan in use."""
    mean_s: float
    best_s: float
    """Predicted of the best plan for the link as it is once a burst is spent."""
    late_frames: int | None
    """After how many frames the plan in use was right; None if it never was."""
    right: float
    """Part of the frames with a plan that was right."""

    @property
    def ratio(self) -> float:
        """Mean latency over that of the best plan."""
        return self.mean_s / self.best_s


def played(plans: Plans, phases: tuple[Phase, ...]) -> Stream:
    """Frames through all phases, from a session that knows the first."""
    stream = Stream(plans=plans, link=Link(phases), first=plans.alone)
    stream.settle()
    stream.run(sum(phase.seconds for phase in phases))
    return stream


def rows(network: str, trace: str, stream: Stream) -> list[PhaseRow]:
    """Every phase in which the link carries something."""
    plans, found = stream.plans, []
    for number, phase in enumerate(stream.link.phases):
        frames = [frame for frame in stream.frames if frame.phase == number]
        if not phase.carries or not frames:
            continue
        here = plans.conditions(phase)
        best_s = _best_s(plans, phase)
        right = [plans.map.predicted_s(frame.plan, here) <= NEAR * best_s for frame in frames]
        # A burst counts as spent when it is.
        spent = (
            next(
                (at for at, frame in enumerate(frames) if frame.burst_left_bytes < _PACKET_BYTES),
                0,
            )
            if phase.burst_bytes
            else 0
        )
        found.append(
            PhaseRow(
                network=network,
                trace=trace,
                phase=phase,
                frames=len(frames),
                alone=sum(frame.alone for frame in frames),
                mean_s=statistics.mean(frame.latency_s for frame in frames),
                best_s=best_s,
                late_frames=right.index(True, spent) - spent if any(right[spent:]) else None,
                right=statistics.mean(right),
            )
        )
    return found


_PACKET_BYTES = 1500


def best_fixed_s(plans: Plans, phases: tuple[Phase, ...]) -> tuple[str, float]:
    """The plan that, used for all frames of a trace, has the least mean latency; and that."""
    means: dict[str, float] = {}
    for name in plans.map.names:
        stream = Stream(plans=plans, link=Link(phases), first=name, fixed=True)
        stream.run(sum(phase.seconds for phase in phases))
        means[name] = mean_s(stream.frames)
    best = min(means, key=lambda name: means[name])
    return best, means[best]


def best_switching_s(plans: Plans, phases: tuple[Phase, ...]) -> float:
    """What the best plan of every phase is predicted to take, phases counted alike.

    No plans that follow the link can do better. Where nothing is carried, the device answers alone.
    """
    return statistics.mean(_best_s(plans, phase) for phase in phases)


def _best_s(plans: Plans, phase: Phase) -> float:
    if not phase.carries:
        return plans.map.predicted_s(plans.alone, Conditions())
    here = plans.conditions(phase)
    return plans.map.predicted_s(plans.auto(here), here)


def mean_s(frames: list[Frame]) -> float:
    """Mean latency over the phases of a trace, each counted alike however many frames it has."""
    numbers = sorted({frame.phase for frame in frames})
    return statistics.mean(
        statistics.mean(frame.latency_s for frame in frames if frame.phase == number)
        for number in numbers
    )
