"""The paper's figures computed anew, and held against what it published."""

from fusepath.study.examples import Example, Statement, example
from fusepath.study.fig4 import Curves, Fig4, collect, differences, load_fig4, save_fig4
from fusepath.study.findings import Match, Reach, best_match, has_all_rates, matches, reaches
from fusepath.study.grid import compute, cores, process_pool
from fusepath.study.published import Published, PublishedPoint, line_through, published
from fusepath.study.spec import ALGORITHMS, LABELS, LAST_TAU, QUICK, Fig4Spec, Network, load_spec
from fusepath.study.store import Record, Result, Store, versions

__all__ = [
    "ALGORITHMS",
    "LABELS",
    "LAST_TAU",
    "QUICK",
    "Curves",
    "Example",
    "Fig4",
    "Fig4Spec",
    "Match",
    "Network",
    "Published",
    "PublishedPoint",
    "Reach",
    "Record",
    "Result",
    "Statement",
    "Store",
    "best_match",
    "collect",
    "compute",
    "cores",
    "differences",
    "example",
    "has_all_rates",
    "line_through",
    "load_fig4",
    "load_spec",
    "matches",
    "process_pool",
    "published",
    "reaches",
    "save_fig4",
    "versions",
]
