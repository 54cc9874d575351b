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
from fusepath.tiling.reach import needed_regions, reach
from fusepath.tiling.sizes import Sizes, TileSizes, ends_of, even_ends, even_sizes, scaled_intervals
from fusepath.tiling.strips import (
    Band,
    MapRows,
    Mark,
    Reading,
    StripOperation,
    StripRows,
    StripStep,
    StripTiling,
    ready_rows,
    resume_layers,
)
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
    "layout",
    "needed_regions",
    "reach",
    "ready_rows",
    "resume_layers",
    "scaled_intervals",
    "strip_tiling",
    "violations",
    "whole",
]
