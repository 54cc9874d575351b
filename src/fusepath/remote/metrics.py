"""What an edge server counts of its work, and as Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusepath.protocol.framing import EdgeSpan

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How many times were up to each of some bounds, in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count a time."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def lines(self, name: str, label: str) -> Iterable[str]:
        """As text; every count holds those of the bounds below."""
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        counts = list(accumulate(self._counts))
        for bound, count in zip(bounds, counts, strict=True):
            yield f'{name}_bucket{{{label},le="{bound}"}} {count}'
        yield f"{name}_sum{{{label}}} {self._sum_s:.6f}"
        yield f"{name}_count{{{label}}} {counts[-1]}"


class Metrics:
    """Counts since the server has begun; on its event loop."""

    def __init__(self) -> None:
        self.inferences = 0
        self.received_bytes = self.sent_bytes = 0
        self.answered_alone = 0
        """Frames, as devices tell."""
        self._refusals: Counter[str] = Counter()
        self._stages = {name: Histogram() for name in ("wait", "path", "tail")}

    def served(self, spans: Sequence[EdgeSpan]) -> None:
        """An inference has been answered."""
        self.inferences += 1
        for span in spans:
            self._stages["path" if span.path else "tail"].add((span.end_ns - span.start_ns) * 1e-9)
            if span.path:
                self._stages["wait"].add(max(span.start_ns - span.arrived_ns, 0) * 1e-9)

    def refused(self, reason: str) -> None:
        """A request, a stream or a call has been refused; for a reason of few."""
        self._refusals[reason] += 1

    def text(self, gauges: Mapping[str, float]) -> str:
        """All of it, and what else is there now, in Prometheus' format."""
        lines = ["# TYPE fusepath_refusals_total counter"]
        lines += [
            f'fusepath_refusals_total{{reason="{reason}"}} {count}'
            for reason, count in sorted(self._refusals.items())
        ]
        counters = {
            "inferences": self.inferences,
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
            "answered_alone": self.answered_alone,
        }
        for name, count in counters.items():
            lines += [f"# TYPE fusepath_{name}_total counter", f"fusepath_{name}_total {count}"]
        for name, value in gauges.items():
            lines += [f"# TYPE fusepath_{name} gauge", f"fusepath_{name} {value:g}"]
        lines.append("# TYPE fusepath_stage_seconds histogram")
        for stage, histogram in self._stages.items():
            lines += histogram.lines("fusepath_stage_seconds", f'stage="{stage}"')
        return "\n".join(lines) + "\n"
