"""Plans that follow the link: what frames show of it, and another plan where it has changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath.offload.background import seen
from fusepath.protocol.rate_watch import Carried, RateWatch
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fusepath.cost import Link
    from fusepath.offload.inference import Inference
    from fusepath.offload.pairing import Prepared

PROBES_BYTES, PROBED_S = (1 << 13, 1 << 16), 0.05
"""What is sent to see how quick a link is: more where the less has taken no longer than this."""
_NOTICEABLE = 1.25
"""A link that was probed must be so many times quicker or slower to be planned for."""


@dataclass(slots=True)
class _Believed:
    link: Link
    up: RateWatch
    down: RateWatch


class Adaptation:
    """Watches over a link; on an event loop.

    Args:
        replan: plans for another link and uses what is better.
    """

    def __init__(self, replan: Callable[[Link], Awaitable[None]]) -> None:
        self._replan = replan
        self._believed: _Believed | None = None
        self._work: asyncio.Task[None] | None = None

    def plan_for(self, link: Link) -> None:
        """Plans are for this link, as far as is known."""
        up, down = RateWatch(link.up_bytes_per_s), RateWatch(link.down_bytes_per_s)
        self._believed = _Believed(link, up, down)

    @property
    def is_watching(self) -> bool:
        """Whether it is known what plans are made for."""
        return self._believed is not None

    def see(self, inference: Inference, prepared: Prepared) -> None:
        """Take in a frame that was answered together with the edge server."""
        believed = self._believed
        if believed is None or self._is_replanning:
            return
        planned = prepared.plan.link
        more = inference.up_bytes / max(prepared.sent_bytes, 1)  # codecs: another picture
        up = believed.up.handle(
            _carried(Lane.UPLINK, inference, prepared, planned.up_bytes_per_s, more)
        )
        down = believed.down.handle(
            _carried(Lane.DOWNLINK, inference, prepared, planned.down_bytes_per_s)
        )
        if up is not None or down is not None:
            self._work = asyncio.ensure_future(self._adapt(believed))
            self._work.add_done_callback(seen)

    async def probed(self, up_bytes_per_s: float) -> None:
        """Take in what was measured while nothing was sent; plans for it are in use then.

        Raises:
            FusepathError: none was found, or the edge server failed.
        """
        believed = self._believed
        if believed is None or self._is_replanning:
            return
        change = up_bytes_per_s / believed.up.believed_bytes_per_s
        if not 1 / _NOTICEABLE < change < _NOTICEABLE:
            believed.up.believe(up_bytes_per_s)
            believed.down.believe(believed.down.believed_bytes_per_s * change)
            await self._adapt(believed)

    @property
    def _is_replanning(self) -> bool:
        return self._work is not None and not self._work.done()

    async def _adapt(self, believed: _Believed) -> None:
        link = msgspec.structs.replace(
            believed.link,
            up_bytes_per_s=believed.up.believed_bytes_per_s,
            down_bytes_per_s=believed.down.believed_bytes_per_s,
        )
        await self._replan(link)


def _carried(
    lane: Lane,
    inference: Inference,
    prepared: Prepared,
    planned_bytes_per_s: float,
    more: float = 1,
) -> Carried:
    return Carried(
        measured_s=inference.timeline.busy_s(lane),
        predicted_s=prepared.predicted.busy_s(lane) * more,
        planned_bytes_per_s=planned_bytes_per_s,
        latency_s=prepared.predicted.end_s,
    )
