"""Where the numbers come from: which part of each map a tile needs, in integers. Pure."""

from fusepath.tiling.aligned import aligned_regions
from fusepath.tiling.arrangement import Arrangement, Segment, Strips, Tiles, Whole
from fusepath.tiling.check import violations
from fusepath.tiling.interval import Box, Interval, Intervals
from fusepath.tiling.layout import (
    Layout,
    StripLayout,
    TileLayout,
    WholeLayout,
    layout,
    strip_tiling,
)
from fusepath.tiling.reach import first_read, needed_regions, reach, stop_read
from fusepath.tiling.sizes import Sizes, TileSizes, ends_of, even_ends, even_sizes, scaled_intervals
from fusepath.tiling.strip_rows import Resume, StripRows, ready_rows, strip_rows
from fusepath.tiling.strip_step import MapRows, Reading, StripOperation, StripStep
from fusepath.tiling.strips import Band, Mark, StripTiling
from fusepath.tiling.tiling import Grid, Tiling, check_tileable, whole

__all__ = [
    "Arrangement",
    "Band",
    "Box",
    "Grid",
    "Interval",
    "Intervals",
    "Layout",
    "MapRows",
    "Mark",
    "Reading",
    "Resume",
    "Segment",
    "Sizes",
    "StripLayout",
    "StripOperation",
    "StripRows",
    "StripStep",
    "StripTiling",
    "Strips",
    "TileLayout",
    "TileSizes",
    "Tiles",
    "Tiling",
    "Whole",
    "WholeLayout",
    "aligned_regions",
    "check_tileable",
    "ends_of",
    "even_ends",
    "even_sizes",
    "first_read",
    "layout",
    "needed_regions",
    "reach",
    "ready_rows",
    "scaled_intervals",
    "stop_read",
    "strip_rows",
    "strip_tiling",
    "violations",
    "whole",
]
