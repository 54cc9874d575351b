"""What happened, predicted or measured: one type for both. Pure."""

from fusepath.timeline.check import violations
from fusepath.timeline.compare import Step, parting, steps
from fusepath.timeline.critical import critical_path
from fusepath.timeline.lanes import lanes, rows
from fusepath.timeline.span import HEAD, Lane, Span, Timeline
from fusepath.timeline.typical import typical

__all__ = [
    "HEAD",
    "Lane",
    "Span",
    "Step",
    "Timeline",
    "critical_path",
    "lanes",
    "parting",
    "rows",
    "steps",
    "typical",
    "violations",
]
