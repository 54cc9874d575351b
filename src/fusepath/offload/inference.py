"""What one inference has yielded."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import Array
    from fusepath.plan import Plan
    from fusepath.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Inference:
    """One measured inference."""

    plan: Plan
    """That was carried out."""
    outputs: dict[str, Array]
    """By name, in the order of the model's outputs."""
    timeline: Timeline
    up_bytes: int
    """Of tensors that were sent, as they travelled."""
    down_bytes: int
    """Of outputs that came back."""
    device_macs: int
    edge_macs: int

    @property
    def latency_s(self) -> float:
        """From the image to the result on the device."""
        return self.timeline.end_s


def median_of(runs: Sequence[Inference]) -> Inference:
    """The run of median latency (the lower of two in the middle)."""
    middle = statistics.median_low(run.latency_s for run in runs)
    return next(run for run in runs if run.latency_s == middle)
