"""Timelines as traces that Perfetto opens."""

from fusepath.report.trace.trace import trace

__all__ = ["trace"]
