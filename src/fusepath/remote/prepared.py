"""A plan that has been made ready on an edge server."""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fusepath.protocol.admission import Cost

if TYPE_CHECKING:
    from fusepath.protocol.framing import Begin
    from fusepath.runtime.edge_share import EdgeShare, EdgeTimes

FEW, LATE = 3, 9
"""Inferences after which they tell what a plan takes, and of how many the middle does."""


@dataclass(slots=True)
class PreparedPlan:
    """The edge server's share of a plan, and what it takes here."""

    share: EdgeShare
    times: EdgeTimes
    """As rehearsed, then of late: machines are quicker and slower by the minute."""
    size_bytes: int = 0
    """Of its sessions."""
    _late_s: dict[int | None, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=LATE))
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, path: int | None, seconds: float) -> None:
        """A path (0-based), or the tail (None), was computed for an inference."""
        with self._lock:  # several workers may compute for it
            late_s = self._late_s[path]
            late_s.append(seconds)
            if len(late_s) < FEW:
                return
            usual_s = statistics.median(late_s)
            if path is None:
                self.times = replace(self.times, tail_s=usual_s)
            else:
                before, after = self.times.paths_s[:path], self.times.paths_s[path + 1 :]
                self.times = replace(self.times, paths_s=(*before, usual_s, *after))

    def cost(self, begin: Begin) -> Cost:
        """Of an inference that begins so; a file may be larger than what it decodes to."""
        come_bytes = sum(len(tensor.data) for tensor in begin.tensors)
        return Cost(self.times.total_s, self.share.inference_bytes + come_bytes)
