"""A plan that has been made ready on an edge server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.protocol.admission import Cost

if TYPE_CHECKING:
    from fusepath.protocol.framing import Begin
    from fusepath.runtime.edge_share import EdgeShare, EdgeTimes


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """The edge server's share of a plan, and what it takes here."""

    share: EdgeShare
    times: EdgeTimes
    size_bytes: int = 0
    """Of its sessions."""

    def cost(self, begin: Begin) -> Cost:
        """Of an inference that begins so; a file may be larger than what it decodes to."""
        work_s = sum(self.times.paths_s) + self.times.tail_s
        come_bytes = sum(len(tensor.data) for tensor in begin.tensors)
        return Cost(work_s, self.share.inference_bytes + come_bytes)
