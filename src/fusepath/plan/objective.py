"""What plans are to be good at."""

from __future__ import annotations

import math

import msgspec

from fusepath.errors import SettingError, check_number

MOST_IN_FLIGHT = 64


class Latency(msgspec.Struct, frozen=True, tag="latency", tag_field="kind"):
    """A frame's result soon after the frame."""

    min_frames_per_s: float = 0.0
    """So many frames must be done in a second."""
    in_flight: int = 3
    """Of a stream: frames under way at a time."""

    def __post_init__(self) -> None:
        _check_in_flight(self.in_flight)
        check_number("min_frames_per_s", self.min_frames_per_s)
        if not 0 <= self.min_frames_per_s < math.inf:
            raise SettingError(f"min_frames_per_s {self.min_frames_per_s:g} is no rate of frames")

    @property
    def most_period_s(self) -> float:
        """The longest time from frame to frame."""
        return 1 / self.min_frames_per_s if self.min_frames_per_s else math.inf


class Throughput(msgspec.Struct, frozen=True, tag="throughput", tag_field="kind"):
    """Many frames in a second."""

    in_flight: int = 3
    """Frames under way at a time."""

    def __post_init__(self) -> None:
        _check_in_flight(self.in_flight)


def _check_in_flight(in_flight: int) -> None:
    check_number("in_flight", in_flight)
    if not 1 <= in_flight <= MOST_IN_FLIGHT:
        raise SettingError(f"in_flight {in_flight} is not from 1 to {MOST_IN_FLIGHT}")


Objective = Latency | Throughput
LATENCY = Latency()
