"""A plan that has been made ready on an edge server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusepath.runtime.edge_share import EdgeShare, EdgeTimes


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """The edge server's share of a plan, and what it takes here."""

    share: EdgeShare
    times: EdgeTimes

    @property
    def work_s(self) -> float:
        """Of a worker, for one inference."""
        return sum(self.times.paths_s) + self.times.tail_s
