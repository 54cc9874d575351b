"""How quick a link is to begin with: each way, and after its burst."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from benchmarks.links.trace import DOWN, UP, Link, Phase
from fusepath.errors import PeerTimeoutError
from fusepath.profiling.goodput import goodput


@dataclass
class Wire:
    """A link with a clock of its own."""

    link: Link
    pauses_s: dict[int, float] = field(default_factory=dict)
    """By number of the exchange: how long everything stood still."""
    now_s: float = 0.0
    exchanges: int = 0

    async def __call__(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        begun_s = self.now_s
        self.now_s += 0.002 + self.pauses_s.get(self.exchanges, 0.0)
        self.now_s = self.link.carried_at(UP, up_bytes, self.now_s)
        self.now_s = self.link.carried_at(DOWN, down_bytes, self.now_s)
        self.exchanges += 1
        if self.now_s - begun_s > timeout_s:
            raise PeerTimeoutError("wire", "no answer before the deadline")
        return self.now_s - begun_s


def wire(up: float, down: float, *, burst_bytes: float = 0.0, **options) -> Wire:
    phase = Phase(
        seconds=1.0,
        up_bytes_per_s=up,
        down_bytes_per_s=down,
        burst_bytes=burst_bytes,
        burst_bytes_per_s=1.2e7 if burst_bytes else 0.0,
    )
    return Wire(Link((phase,)), **options)


def measured(over: Wire) -> tuple[float, float]:
    return asyncio.run(goodput(over, timeout_s=60.0))


@pytest.mark.parametrize(
    ("up", "down"), [(8e6, 0.25e6), (0.25e6, 8e6), (1e8, 1e8), (3e4, 3e4), (1.8e6, 1.8e6)]
)
def test_both_ways_are_measured_each_by_itself(up, down):
    over = wire(up, down)
    assert measured(over) == pytest.approx((up, down), rel=0.01)
    assert over.now_s < 10


def test_a_burst_is_not_taken_for_what_a_link_carries():
    assert measured(wire(1e6, 1e6, burst_bytes=2e6)) == pytest.approx((1e6, 1e6), rel=0.01)


@pytest.mark.parametrize("number", range(3, 9))
def test_a_pause_is_not_taken_for_a_slow_link(number):
    over = wire(8e6, 8e6, pauses_s={number: 0.4})
    assert measured(over) == pytest.approx((8e6, 8e6), rel=0.3)


def test_a_link_that_carries_nothing_in_time_is_an_error():
    with pytest.raises(PeerTimeoutError):
        measured(wire(10.0, 10.0))
