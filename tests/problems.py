"""Random scheduling problems, small enough to try everything."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fusepath.schedule import Problem


@st.composite
def problems(
    draw,
    *,
    max_paths: int = 4,
    max_cuts: int = 4,
    largest: int = 9,
    in_parts: bool = False,
    chained: bool = False,
) -> Problem:
    """Any mix of shared or own links, workers, delays, tails, and times that may be zero.

    With ``in_parts``, every path returns a part of the result; with ``chained``, every path goes on
    from the one before.
    """
    paths = draw(st.integers(1, max_paths))
    cuts = draw(st.integers(1, max_cuts))
    drawn = draw(st.lists(st.integers(0, paths - 1), min_size=paths, max_size=paths))
    class_of = [sorted(set(drawn)).index(kind) for kind in drawn]  # no class without a path
    classes = len(set(drawn))
    times = st.lists(st.integers(0, largest), min_size=classes * cuts, max_size=classes * cuts).map(
        lambda values: np.array(values, dtype=np.int64).reshape(classes, cuts)
    )
    return Problem(
        class_of=tuple(class_of),
        device_ns=draw(times),
        link_ns=draw(times),
        edge_ns=draw(times),
        back_ns=draw(times) if in_parts else None,
        tail_ns=draw(st.sampled_from([0, 0, 5])),
        down_ns=draw(st.sampled_from([0, 0, 3])),
        delay_ns=draw(st.sampled_from([0, 0, 2])),
        edge_workers=draw(st.sampled_from([1, 1, 0, 2, 3])),
        shared_link=draw(st.sampled_from([True, True, False])),
        chained=chained,
    )
