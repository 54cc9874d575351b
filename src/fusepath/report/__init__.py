"""Timelines and plans as tables and charts. Takes data, computes nothing."""

from fusepath.report.gantt import gantt
from fusepath.report.map_table import map_notes, map_table
from fusepath.report.tables import (
    lanes_table,
    layers_table,
    milliseconds,
    plan_text,
    plans_table,
    render,
    speed_ups_table,
)

__all__ = [
    "gantt",
    "lanes_table",
    "layers_table",
    "map_notes",
    "map_table",
    "milliseconds",
    "plan_text",
    "plans_table",
    "render",
    "speed_ups_table",
]
