"""Stream: rows in strips that reuse their halos, in one to three segments with cuts of their own.

A segment whose first layers run on the device and one that is sent raw complement each other: while
the link carries raw rows, the device computes; while the device's rows are on the wire, the edge
server works. Sizes, cuts, order and the fused layer are searched; strips are as many as their fixed
costs allow.
"""

from fusepath.plan.families.strips.search import search_stream
from fusepath.plan.families.strips.streamed_cut import search_streamed_cut

__all__ = ["search_stream", "search_streamed_cut"]
