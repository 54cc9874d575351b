"""Where the numbers come from: which part of each map a tile needs, in integers. Pure."""

from fusepath.tiling.aligned import aligned_regions
from fusepath.tiling.check import violations
from fusepath.tiling.interval import Box, Interval, Intervals, split_evenly
from fusepath.tiling.reach import needed_regions, reach
from fusepath.tiling.sizes import Sizes, TileSizes, ends_of, even_sizes, scaled_intervals
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
    "Band",
    "Box",
    "Grid",
    "Interval",
    "Intervals",
    "MapRows",
    "Mark",
    "Reading",
    "Sizes",
    "StripOperation",
    "StripRows",
    "StripStep",
    "StripTiling",
    "TileSizes",
    "Tiling",
    "aligned_regions",
    "check_tileable",
    "ends_of",
    "even_sizes",
    "needed_regions",
    "reach",
    "ready_rows",
    "resume_layers",
    "scaled_intervals",
    "split_evenly",
    "violations",
    "whole",
]
