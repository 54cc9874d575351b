"""The paper's figures computed anew, and held against what it published."""

from fusepath.study.examples import Example, Statement, example
from fusepath.study.executor import Executor, Processes, RayTasks, cores
from fusepath.study.fig4 import Curves, Fig4, collect, differences, load_fig4, save_fig4
from fusepath.study.findings import Match, Reach, best_match, has_all_rates, matches, reaches
from fusepath.study.gain_map import (
    WORTHWHILE_GAIN,
    Cell,
    Family,
    GainMap,
    load_gain_map,
    parse_devices,
    parse_links,
    save_gain_map,
)
from fusepath.study.grid import compute
from fusepath.study.map_cells import MapSpec, compute_map, kept_cells
from fusepath.study.published import Published, PublishedPoint, line_through, published
from fusepath.study.spec import ALGORITHMS, LABELS, LAST_TAU, QUICK, Fig4Spec, Network, load_spec
from fusepath.study.store import Record, Result, Store, versions

__all__ = [
    "ALGORITHMS",
    "LABELS",
    "LAST_TAU",
    "QUICK",
    "WORTHWHILE_GAIN",
    "Cell",
    "Curves",
    "Example",
    "Executor",
    "Family",
    "Fig4",
    "Fig4Spec",
    "GainMap",
    "MapSpec",
    "Match",
    "Network",
    "Processes",
    "Published",
    "PublishedPoint",
    "RayTasks",
    "Reach",
    "Record",
    "Result",
    "Statement",
    "Store",
    "best_match",
    "collect",
    "compute",
    "compute_map",
    "cores",
    "differences",
    "example",
    "has_all_rates",
    "kept_cells",
    "line_through",
    "load_fig4",
    "load_gain_map",
    "load_spec",
    "matches",
    "parse_devices",
    "parse_links",
    "published",
    "reaches",
    "save_fig4",
    "save_gain_map",
    "versions",
]
