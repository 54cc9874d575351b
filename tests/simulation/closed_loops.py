"""Devices with one inference after the other, more than an edge server has patience for."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from random import Random

from fusepath.faults.clock import Clock, require
from fusepath.protocol.admission import Admission, Cost, Load, Room
from fusepath.protocol.fair_queue import FairQueue

EACH = 20
"""Inferences that there is time for, of every device."""
_HEARD_S = 0.003
"""Until a device has heard something and asks again."""
_LATE = 0.25
"""By so much of the time that it was told a device is late at most."""


@dataclass
class ClosedLoops:
    """An edge server of one worker, and devices that ask again as soon as they may.

    Args:
        devices: how many.
        work_s: what an inference takes the worker.
        seed: of how soon a device asks again.
    """

    devices: int
    work_s: float
    seed: int = 0
    done: list[int] = field(default_factory=list)
    refused: int = 0
    _gone: set[int] = field(default_factory=set)
    """Devices that are told to come back, and do not."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - nothing secret
        self._clock = Clock()
        self._admission = Admission(Room())
        self._queue: FairQueue[int] = FairQueue()
        self._backlog_s = 0.0
        self._busy = False

    def play(self, *, gone: int = 0) -> None:
        """Let all go for as long as each has its inferences, and the last few never come back."""
        self.done = [0] * self.devices
        self._gone = set(range(self.devices - gone, self.devices))
        for device in range(self.devices):
            self._clock.after(self._random.random() * _HEARD_S, self._ask, device)
        until_s = EACH * self.devices * self.work_s
        while self._clock.now < until_s and self._clock.step():
            pass

    @property
    def slowest(self) -> float:
        """What the device with the least has, over the mean of those that come back."""
        there = self.done[: self.devices - len(self._gone)]
        return min(there) / statistics.mean(there)

    @property
    def busy(self) -> float:
        """The part of the time that the worker was at work."""
        return sum(self.done) / (EACH * self.devices)

    def _ask(self, device: int) -> None:
        cost, load = Cost(self.work_s), Load(self._backlog_s, 1, self._clock.now)
        busy = self._admission.begin(str(device), cost, left_s=60.0, load=load)
        if busy is None:
            self._backlog_s += self.work_s
            self._queue.put(str(device), device, self.work_s)
            self._compute()
            return
        self.refused += 1
        require(busy.retry_after_s > 0, "who is refused may ask again at once")
        if device not in self._gone:
            late = 1 + _LATE * self._random.random()
            self._clock.after(busy.retry_after_s * late, self._ask, device)

    def _compute(self) -> None:
        if not self._busy and len(self._queue):
            self._busy = True
            takes_s = self.work_s * self._random.uniform(0.9, 1.1)
            self._clock.after(takes_s, self._end, self._queue.take())

    def _end(self, device: int) -> None:
        self._busy = False
        self.done[device] += 1
        self._backlog_s -= self.work_s
        self._admission.end(str(device), Cost(self.work_s))
        self._clock.after(self._random.random() * _HEARD_S, self._ask, device)
        self._compute()


def share(seed: int) -> None:
    """More devices than there is patience for share a worker.

    Raises:
        Violation: one has much less than others, or the worker is idle.
    """
    loops = ClosedLoops((40, 64, 100)[seed % 3], (0.05, 0.1, 0.2)[seed // 3 % 3], seed)
    loops.play()
    told = f"{loops.devices} devices, {loops.work_s} s each, {loops.refused} refused"
    require(loops.slowest >= 0.8, "{}: the slowest has {:.2f} of the mean", told, loops.slowest)
    require(loops.busy >= 0.97, "{}: the worker is busy for {:.2f} of the time", told, loops.busy)
