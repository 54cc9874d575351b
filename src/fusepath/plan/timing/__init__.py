"""How long it takes: the one place where seconds and scheduling problems are made.

`Prices` holds what does not depend on the link, and is shared by settings that differ in it alone;
`Timing` adds the link.
"""

from fusepath.plan.timing.of_plan import predict, problem_of, problem_of_plan, returned_bytes
from fusepath.plan.timing.prices import Prices, Tiled
from fusepath.plan.timing.strips import AddedRows, StripTiming
from fusepath.plan.timing.timing import Timing

__all__ = [
    "AddedRows",
    "Prices",
    "StripTiming",
    "Tiled",
    "Timing",
    "predict",
    "problem_of",
    "problem_of_plan",
    "returned_bytes",
]
