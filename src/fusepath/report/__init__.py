"""Timelines and plans as tables and charts. Takes data, computes nothing."""

from fusepath.report.exactness import changes_text
from fusepath.report.fitting import empty_table, render, wrapped
from fusepath.report.front import front_table, front_text
from fusepath.report.gantt import gantt
from fusepath.report.map_table import map_notes, map_table
from fusepath.report.measured import layer_costs_table, link_text, profile_text
from fusepath.report.tables import (
    book_table,
    book_text,
    cuts_text,
    ends_s,
    fused_layers,
    gains,
    lanes_table,
    layers_table,
    milliseconds,
    parting_text,
    paths_table,
    plan_text,
    plans_table,
    rotation_table,
    rotation_text,
    speed_ups_table,
    top_table,
)

__all__ = [
    "book_table",
    "book_text",
    "changes_text",
    "cuts_text",
    "empty_table",
    "ends_s",
    "front_table",
    "front_text",
    "fused_layers",
    "gains",
    "gantt",
    "lanes_table",
    "layer_costs_table",
    "layers_table",
    "link_text",
    "map_notes",
    "map_table",
    "milliseconds",
    "parting_text",
    "paths_table",
    "plan_text",
    "plans_table",
    "profile_text",
    "render",
    "rotation_table",
    "rotation_text",
    "speed_ups_table",
    "top_table",
    "wrapped",
]
