"""How often plans change on links that do not, but for noise."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.links.simulated import Noise, Stream
from benchmarks.links.trace import Link, Phase

if TYPE_CHECKING:
    from benchmarks.links.simulated import Plans

RATES_BYTES_PER_S = ((12e6, 12e6), (3e6, 3e6), (1e6, 1e6), (0.3e6, 0.3e6), (8e6, 1e6), (1e6, 8e6))
"""Up and down."""
NOISE = Noise(machines=0.05, link=0.2)
RUNS = 4
"""At each rate, each with other noise."""


def changes(plans: Plans, seconds: float) -> Counter[int]:
    """How many runs had how many changes of plan."""
    found: Counter[int] = Counter()
    for up, down in RATES_BYTES_PER_S:
        phase = Phase(seconds=seconds, up_bytes_per_s=up, down_bytes_per_s=down)
        for seed in range(RUNS):
            link = Link((phase,))
            stream = Stream(plans=plans, link=link, first=plans.alone, noise=NOISE, seed=seed)
            stream.settle()
            stream.run(seconds)
            found[len(stream.switches)] += 1
    return found
