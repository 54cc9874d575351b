"""What plans are to be good at."""

from __future__ import annotations

import math

import msgspec

from fusepath.errors import InputError, SettingError, check_number

MOST_IN_FLIGHT = 64
ENERGY_IS_PLANNED = (
    "energy is planned for and not measured: make a plan for a device of which is said what it "
    "draws, and give that plan"
)


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


class Energy(msgspec.Struct, frozen=True, tag="energy", tag_field="kind"):
    """Few joules of the device for a frame."""


class Weighted(msgspec.Struct, frozen=True, kw_only=True, tag="weighted", tag_field="kind"):
    """Seconds and joules of a frame, weighed against each other.

    Raises:
        SettingError: a weight that is none.
    """

    seconds_per_joule: float
    """How many seconds less a frame must take to be worth a joule more."""

    def __post_init__(self) -> None:
        check_number("seconds_per_joule", self.seconds_per_joule)
        if not 0 <= self.seconds_per_joule < math.inf:
            raise SettingError(f"seconds_per_joule {self.seconds_per_joule:g} is no weight")


StreamObjective = Latency | Throughput
"""What plans that the frames of a stream take in turn are to be good at."""
Objective = StreamObjective | Energy | Weighted
LATENCY = Latency()


def of_stream(objective: Objective) -> StreamObjective:
    """The objective as one that is measured while frames go by.

    Raises:
        InputError: energy, which nobody measures then.
    """
    if isinstance(objective, Energy | Weighted):
        raise InputError(ENERGY_IS_PLANNED)
    return objective
