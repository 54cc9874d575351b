"""What a session has done so far, counted."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusepath.offload.inference import NOTHING_REUSED

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusepath.offload.inference import Inference

KEPT = 4096
"""Latencies that percentiles are of: the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStatistics:
    """The inferences of one plan."""

    recipe_sha256: str
    algorithm: str
    count: int
    p50_s: float
    p90_s: float
    p99_s: float
    up_bytes: int
    down_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """All inferences of a session; percentiles are of the last `KEPT` of each plan."""

    count: int
    p50_s: float | None
    """Latency; None before the first inference."""
    p90_s: float | None
    p99_s: float | None
    up_bytes: int
    down_bytes: int
    fallbacks: int
    """Inferences that this machine answered alone although the plan says otherwise."""
    reused_frames: int
    """Inferences in which nothing was new: the outputs are those of the frame before."""
    reused_paths: int
    """Paths that were not computed or sent, since they were the same, of all inferences."""
    saved_up_bytes: int
    """What was not sent for that."""
    saved_macs: int
    """What was not computed for that, on both machines."""
    dropped: int
    """Frames that gave way to later ones, and are not counted above."""
    by_plan: tuple[PlanStatistics, ...]
    """In the order in which plans came into use."""


def percentiles(latencies_s: Collection[float]) -> tuple[float, float, float]:
    """What half, nine tenths and 99 hundredths of some latencies do not exceed, in seconds."""
    p50_s, p90_s, p99_s = np.quantile(list(latencies_s), (0.5, 0.9, 0.99)).tolist()
    return p50_s, p90_s, p99_s


@dataclass(slots=True)
class _Counted:
    algorithm: str
    count: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def statistics(self, recipe_sha256: str) -> PlanStatistics:
        p50_s, p90_s, p99_s = percentiles(self.latencies_s)
        return PlanStatistics(
            recipe_sha256=recipe_sha256,
            algorithm=self.algorithm,
            count=self.count,
            p50_s=p50_s,
            p90_s=p90_s,
            p99_s=p99_s,
            up_bytes=self.up_bytes,
            down_bytes=self.down_bytes,
        )


class Counter:
    """Counts inferences; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_plan: dict[str, _Counted] = {}
        self._latencies_s: deque[float] = deque(maxlen=KEPT)
        self._fallbacks = self._dropped = 0
        self._reused = NOTHING_REUSED
        self._reused_frames = 0

    def add(self, inference: Inference, recipe_sha256: str) -> None:
        """Count one more, of the plan with this recipe."""
        fresh = _Counted(inference.plan.algorithm)
        with self._lock:
            counted = self._by_plan.setdefault(recipe_sha256, fresh)
            counted.count += 1
            counted.up_bytes += inference.up_bytes
            counted.down_bytes += inference.down_bytes
            counted.latencies_s.append(inference.latency_s)
            self._latencies_s.append(inference.latency_s)
            self._fallbacks += inference.fallback is not None
            self._reused = self._reused.and_of(inference.reused)
            self._reused_frames += inference.reused.everything

    def drop(self) -> None:
        """Count a frame that gave way to a later one."""
        with self._lock:
            self._dropped += 1

    def statistics(self) -> Statistics:
        """All so far."""
        with self._lock:
            plans = tuple(item.statistics(name) for name, item in self._by_plan.items())
            p50_s = p90_s = p99_s = None
            if self._latencies_s:
                p50_s, p90_s, p99_s = percentiles(self._latencies_s)
        return Statistics(
            count=sum(item.count for item in plans),
            p50_s=p50_s,
            p90_s=p90_s,
            p99_s=p99_s,
            up_bytes=sum(item.up_bytes for item in plans),
            down_bytes=sum(item.down_bytes for item in plans),
            fallbacks=self._fallbacks,
            reused_frames=self._reused_frames,
            reused_paths=self._reused.paths,
            saved_up_bytes=self._reused.up_bytes,
            saved_macs=self._reused.macs,
            dropped=self._dropped,
            by_plan=plans,
        )
