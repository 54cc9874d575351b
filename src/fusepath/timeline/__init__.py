"""What happened, predicted or measured: one type for both. Pure."""

from fusepath.timeline.check import violations
from fusepath.timeline.span import Lane, Span, Timeline

__all__ = ["Lane", "Span", "Timeline", "violations"]
