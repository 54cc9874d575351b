"""Plan to timeline, by events, without any clock. Pure."""

from fusepath.simulate.engine import play, simulate

__all__ = ["play", "simulate"]
