"""Fitting a link, on transports whose rate and delay are known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from fusepath.errors import PeerTimeoutError
from fusepath.offload import emulation as pacing
from fusepath.offload.emulation import PacedLink
from fusepath.profiling import fit_direction, probe


@dataclass
class Wire:
    """A link with a clock of its own: nothing here takes real time."""

    up_bytes_per_s: float
    down_bytes_per_s: float
    round_trip_s: float = 0.0
    noise: float = 0.0
    now_s: float = 0.0
    sent: list[tuple[int, int]] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    async def __call__(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        taken_s = self.round_trip_s
        taken_s += up_bytes / self.up_bytes_per_s + down_bytes / self.down_bytes_per_s
        taken_s *= 1 + self.noise * self.random.exponential()
        if taken_s > timeout_s:
            raise PeerTimeoutError("wire", "no answer before the deadline")
        self.now_s += taken_s
        self.sent.append((up_bytes, down_bytes))
        return taken_s

    def clock(self) -> float:
        return self.now_s


def probed(wire: Wire, **options):
    return asyncio.run(probe(wire, clock=wire.clock, **options))


def test_rates_and_delay_are_found_in_both_directions():
    report = probed(Wire(2e6, 8e6, round_trip_s=0.03))

    assert report.link.up_bytes_per_s == pytest.approx(2e6, rel=1e-6)
    assert report.link.down_bytes_per_s == pytest.approx(8e6, rel=1e-6)
    assert report.link.delay_s == pytest.approx(0.015)
    assert report.asymmetry == pytest.approx(4)
    assert report.link.up_spread == pytest.approx(0, abs=1e-9)
    for item in (*report.up.sizes, *report.down.sizes):
        assert item.error == pytest.approx(0, abs=1e-6)


def test_a_noisy_link_is_found_and_its_spread_told():
    report = probed(Wire(2e6, 2e6, round_trip_s=0.02, noise=0.1))

    assert report.link.up_bytes_per_s == pytest.approx(2e6, rel=0.1)
    assert report.link.delay_s == pytest.approx(0.01, rel=0.2)
    assert report.link.up_spread > 0.01


@pytest.mark.parametrize("bytes_per_s", [12_500, 125_000, 1e6, 1e9])
def test_probing_keeps_to_its_time_on_slow_links_too(bytes_per_s):
    wire = Wire(bytes_per_s, bytes_per_s, round_trip_s=0.05)

    report = probed(wire, budget_s=20.0)

    assert report.probed_s <= 20.0
    assert report.link.up_bytes_per_s == pytest.approx(bytes_per_s, rel=1e-3)
    assert len(report.up.sizes) >= 3
    assert len(report.down.sizes) >= 3


def test_a_slow_link_is_spared_large_messages():
    slow, fast = Wire(125_000, 125_000), Wire(1e9, 1e9)
    probed(slow)
    probed(fast)

    assert max(max(pair) for pair in slow.sent) <= 256_000
    assert max(max(pair) for pair in fast.sent) == 4_000_000


def test_a_transfer_that_does_not_end_is_the_callers_to_hear_of():
    with pytest.raises(PeerTimeoutError):
        probed(Wire(10, 10), timeout_s=5.0)


def test_one_size_that_was_disturbed_does_not_bend_the_line():
    samples = {size: [0.01 + size / 1e6] * 5 for size in (1_000, 16_000, 256_000, 1_000_000)}
    samples[16_000] = [0.5] * 5

    direction = fit_direction(samples)

    assert direction.bytes_per_s == pytest.approx(1e6, rel=1e-6)
    assert direction.round_trip_s == pytest.approx(0.01)


def test_times_that_do_not_grow_still_give_a_rate():
    direction = fit_direction({1_000: [0.002], 4_000: [0.001], 16_000: [0.001]})

    assert direction.bytes_per_s == pytest.approx(16e6)
    assert direction.round_trip_s >= 0


def test_a_paced_link_is_found(monkeypatch):
    """The transport that runs are played with, on a clock that tests set."""

    class Clock:
        now_s = 0.0

        def perf_counter(self) -> float:
            return self.now_s

    clock = Clock()

    async def sleep_until(deadline_s: float) -> None:
        clock.now_s = max(clock.now_s, deadline_s)

    monkeypatch.setattr(pacing.time, "perf_counter", clock.perf_counter)
    monkeypatch.setattr(pacing, "_sleep_until", sleep_until)
    up, down = PacedLink(1.8e6), PacedLink(3.6e6)

    async def exchange(*, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        started_s = clock.now_s
        await up.transfer(up_bytes)
        clock.now_s += 0.004
        await down.transfer(down_bytes)
        return clock.now_s - started_s

    report = asyncio.run(probe(exchange, clock=clock.perf_counter))

    assert report.link.up_bytes_per_s == pytest.approx(1.8e6)
    assert report.link.down_bytes_per_s == pytest.approx(3.6e6)
    assert report.link.delay_s == pytest.approx(0.002)
