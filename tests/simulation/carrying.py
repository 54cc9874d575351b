"""A `RateWatch` alone: links that are steady, change for good, or go up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.protocol.rate_watch import Carried, RateWatch
from tests.simulation.clock import require

if TYPE_CHECKING:
    from random import Random

SLOWER, QUICKER, MOST = 5, 3, 80
NOISE = 0.04


def carry(random: Random) -> None:
    """A link whose rate changes for good a few times, and what frames show of it.

    Raises:
        Violation: a rate is believed too soon, too late, or is a wrong one.
    """
    planned = rate = 1e6
    machine = RateWatch(rate)
    doubt, went_up = 1, None

    def frame(at_rate: float, noise: float = 0.0) -> float | None:
        """Half of its time is spent on the link; noise only ever adds."""
        carried_s = 0.1 * planned / at_rate
        believed = machine.believed_bytes_per_s
        latency_s = 0.2 * planned / believed
        return machine.handle(Carried(carried_s * (1 + noise), 0.1, planned, latency_s))

    for nothing in (Carried(0.0, 0.1, planned, 0.2), Carried(0.1, 0.0, planned, 0.2)) * MOST:
        require(machine.handle(nothing) is None, "nothing was carried, and something is believed")
    for _ in range(random.randint(1, 5)):
        believed = machine.believed_bytes_per_s
        quiet = random.choice((0, MOST - 2, MOST - 1))
        for _ in range(quiet):
            require(frame(believed, NOISE * random.random()) is None, "noise is believed")
        mixed = random.choice((0, 20))
        for _ in range(mixed):  # one way and the other
            require(frame(2 * believed) is None, "a quick frame is believed")
            require(frame(0.5 * believed) is None, "a slow frame is believed")
        quicker = random.random() < 0.5
        rate = believed * (2 if quicker else 0.5)
        # Frames one way may be the last of those before; one that is as expected ends them.
        require(frame(believed) is None, "a frame as expected is believed")
        if quiet + 1 >= MOST and not mixed:
            doubt = 1
        needed = min((QUICKER if quicker else SLOWER) * doubt, MOST)
        for number in range(1, needed + 1):
            heard = frame(rate, 0.3 * NOISE * random.random())
            require((heard is not None) == (number == needed), f"{heard} after {number} frames")
        require(abs(machine.believed_bytes_per_s / rate - 1) < NOISE, "a wrong rate is believed")
        if went_up is not None and went_up != quicker:
            doubt = min(2 * doubt, MOST)
        went_up = quicker
    machine.believe(planned)
    require(machine.believed_bytes_per_s == planned, "what is known is not believed")
