"""Joules of the device that no plan of any family takes less of.

A plan draws what waiting draws for as long as it lasts, and more for its loads: seconds of
computing, sending and receiving. It lasts at least as long as any weighted mean of its loads, and
at least as long as the fluid bound. With the weights fixed, what it draws is at least a weighted
sum of its loads, of which no plan has less than the least (`Section.least`); the weights are the
best that are found, by generating columns as for the period. With the fluid bound in place of the
mean, the same holds of what the loads draw beyond waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.fluid.bound import fluid_bound_s
from fusepath.plan.fluid.period import sections_of
from fusepath.plan.fluid.weights import best_weights_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray
    from fusepath.cost import Power
    from fusepath.plan.setting import Setting

_TOLERANCE = 1e-9
_MOST_ROUNDS = 200


def energy_bound_j(settings: Sequence[Setting], power: Power) -> float:
    """Joules that the device draws at least until the result of a frame is there.

    Args:
        settings: of one network on the same machines, as those with codecs and without.
        power: of the device.
    """
    sections = sections_of(settings)
    limits = sections[0].limits
    compute_w, send_w, receive_w = power.beyond_waiting_w
    beyond = np.array([compute_w, send_w, 0.0, receive_w])
    working_j = min(section.least(beyond)[0] for section in sections)
    best_j = power.wait_w * min(map(fluid_bound_s, settings)) + working_j
    loads: list[FloatArray] = [load for section in sections for load in section.undivided]
    for _ in range(_MOST_ROUNDS):
        # Weights sum to 1, so what does not depend on them counts with every machine.
        rows = np.array(
            [power.wait_w * load * limits + float(load @ beyond) for load in loads], dtype=float
        )
        weights, known_j = best_weights_for(rows)
        counted = power.wait_w * weights * limits + beyond
        value_j, load = min(
            (section.least(counted) for section in sections), key=lambda found: found[0]
        )
        best_j = max(best_j, value_j)
        if value_j >= known_j * (1 - _TOLERANCE):
            break
        loads.append(load)
    return best_j
