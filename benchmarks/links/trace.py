"""Links that change, and how they carry bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

UP, DOWN = 0, 1
_STEP_S = 1e-9


@dataclass(frozen=True, kw_only=True)
class Phase:
    """For so long a link has these rates; 0 carries nothing."""

    seconds: float
    up_bytes_per_s: float
    down_bytes_per_s: float
    burst_bytes: float = 0.0
    """So much goes up at `burst_bytes_per_s` before the rate holds; what is not used grows back."""
    burst_bytes_per_s: float = 0.0

    @property
    def carries(self) -> bool:
        """Whether anything passes."""
        return self.up_bytes_per_s > 0


@dataclass
class Link:
    """A link through its phases, one after the other; the last one lasts for ever."""

    phases: tuple[Phase, ...]
    _tokens_bytes: float = field(init=False)
    _tokens_at_s: float = 0.0

    def __post_init__(self) -> None:
        self._tokens_bytes = self.phases[0].burst_bytes
        ends = [0.0]
        for phase in self.phases:
            ends.append(ends[-1] + phase.seconds)
        self.spans = tuple(pairwise(ends))
        """Of each phase, in seconds from the beginning."""

    def number_at(self, now_s: float) -> int:
        """Which phase it is."""
        for number, (_, end_s) in enumerate(self.spans):
            if now_s < end_s:
                return number
        return len(self.phases) - 1

    def carried_at(self, way: int, size_bytes: float, start_s: float) -> float:
        """When bytes that are sent now have been carried."""
        now_s, left = start_s, size_bytes
        while left > 1e-6:
            number = self.number_at(now_s)
            phase = self.phases[number]
            last = number == len(self.phases) - 1
            until_s = float("inf") if last else self.spans[number][1]
            rate, lasts_s = self._rate(way, phase, now_s)
            until_s = min(until_s, now_s + lasts_s)
            if rate <= 0:
                now_s = until_s + _STEP_S
                continue
            done_s = now_s + left / rate
            step_s = min(done_s, until_s) - now_s
            left -= rate * step_s
            if way == UP and phase.burst_bytes:
                self._tokens_bytes -= rate * step_s - phase.up_bytes_per_s * step_s
                self._tokens_at_s = now_s + step_s
            now_s = done_s if done_s <= until_s else until_s + _STEP_S
        return now_s

    def _rate(self, way: int, phase: Phase, now_s: float) -> tuple[float, float]:
        """The rate, and for how long it holds."""
        if way == DOWN:
            return phase.down_bytes_per_s, float("inf")
        if not phase.burst_bytes:
            return phase.up_bytes_per_s, float("inf")
        grown = max(now_s - self._tokens_at_s, 0.0) * phase.up_bytes_per_s
        self._tokens_bytes = min(self._tokens_bytes + grown, phase.burst_bytes)
        self._tokens_at_s = max(now_s, self._tokens_at_s)
        if self._tokens_bytes < 1500:  # not a packet
            return phase.up_bytes_per_s, float("inf")
        spent_s = self._tokens_bytes / (phase.burst_bytes_per_s - phase.up_bytes_per_s)
        return phase.burst_bytes_per_s, spent_s

    @property
    def burst_left_bytes(self) -> float:
        """What was left of the burst when something was sent last."""
        return self._tokens_bytes


def falling(seconds: float) -> tuple[Phase, ...]:
    """12, 3 and 0.3 MB/s, down for 2 s, and 12 MB/s again."""
    return (
        *(
            Phase(seconds=seconds, up_bytes_per_s=rate, down_bytes_per_s=rate)
            for rate in (12e6, 3e6, 0.3e6)
        ),
        Phase(seconds=2.0, up_bytes_per_s=0.0, down_bytes_per_s=0.0),
        Phase(seconds=seconds, up_bytes_per_s=12e6, down_bytes_per_s=12e6),
    )


def unequal(seconds: float) -> tuple[Phase, ...]:
    """Alike both ways; then 64 Mbit/s up and 2 Mbit/s down; then the other way round."""
    return (
        Phase(seconds=seconds, up_bytes_per_s=8e6, down_bytes_per_s=8e6),
        Phase(seconds=seconds, up_bytes_per_s=8e6, down_bytes_per_s=0.25e6),
        Phase(seconds=seconds, up_bytes_per_s=1e6, down_bytes_per_s=8e6),
    )


def bursty(seconds: float) -> tuple[Phase, ...]:
    """8 Mbit/s, of which the first 2 MB pass at 12 MB/s."""
    return (
        Phase(
            seconds=seconds,
            up_bytes_per_s=1e6,
            down_bytes_per_s=1e6,
            burst_bytes=2e6,
            burst_bytes_per_s=12e6,
        ),
    )


TRACES = {"falling": falling, "unequal": unequal, "bursty": bursty}
