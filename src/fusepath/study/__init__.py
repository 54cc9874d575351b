"""The paper's figures computed anew, and held against what it published."""

from fusepath.study.examples import Example, Statement, example
from fusepath.study.grid import compute
from fusepath.study.published import Published, PublishedPoint, line_through, published
from fusepath.study.spec import ALGORITHMS, LABELS, QUICK, Fig4Spec, Network, load_spec
from fusepath.study.store import Record, Result, Store, versions

__all__ = [
    "ALGORITHMS",
    "LABELS",
    "QUICK",
    "Example",
    "Fig4Spec",
    "Network",
    "Published",
    "PublishedPoint",
    "Record",
    "Result",
    "Statement",
    "Store",
    "compute",
    "example",
    "line_through",
    "load_spec",
    "published",
    "versions",
]
