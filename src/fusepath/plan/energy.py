"""What the device draws for a frame, by what it does when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.timeline import Lane

if TYPE_CHECKING:
    from fusepath.cost import Link, Power
    from fusepath.timeline import Timeline


class EnergyUse(msgspec.Struct, frozen=True, kw_only=True):
    """Joules of the device until the result of a frame is there."""

    wait_j: float
    """What it would draw if it did nothing."""
    compute_j: float
    """What computing adds; so do the others."""
    send_j: float
    receive_j: float

    @property
    def total_j(self) -> float:
        """All of it."""
        return self.wait_j + self.compute_j + self.send_j + self.receive_j


def energy_of(timeline: Timeline, power: Power, link: Link) -> EnergyUse:
    """What the device draws over a timeline: power by the time of each work.

    A message is on its way for longer than it occupies the link; meanwhile the device waits.

    Args:
        timeline: predicted or measured.
        power: of the device.
        link: over which is sent.
    """
    compute_w, send_w, receive_w = power.beyond_waiting_w
    delays_s = sum(
        min(link.delay_s, span.duration_s)
        for span in timeline.on(Lane.DOWNLINK)
        if span.path is None
    )
    return EnergyUse(
        wait_j=power.wait_w * timeline.end_s,
        compute_j=compute_w * timeline.busy_s(Lane.DEVICE),
        send_j=send_w * timeline.busy_s(Lane.UPLINK),
        receive_j=receive_w * (timeline.busy_s(Lane.DOWNLINK) - delays_s),
    )
