"""Emulation a slow link and a weak device: the arithmetic, and that nothing ends too early."""

from __future__ import annotations

import asyncio
import time

import pytest

from fusepath.offload import emulation as pacing
from fusepath.offload.emulation import PacedLink, wait_until


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def perf_counter(self) -> float:
        return self.now_s

    async def sleep_until(self, deadline_s: float) -> None:
        self.now_s = max(self.now_s, deadline_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pacing.time, "perf_counter", clock.perf_counter)
    monkeypatch.setattr(pacing, "_sleep_until", clock.sleep_until)
    return clock


def test_a_message_takes_its_bytes_divided_by_the_rate(clock):
    link = PacedLink(1_000_000)

    assert asyncio.run(link.transfer(250_000)) == (100.0, 100.25)
    assert clock.now_s == 100.25


def test_a_message_waits_for_the_one_before_it(clock):
    async def two() -> list[tuple[float, float] | None]:
        link = PacedLink(1_000_000)
        first = asyncio.create_task(link.transfer(500_000))
        await asyncio.sleep(0)
        clock.now_s = 100.1  # the second wants to start while the first is under way
        return [await first, await link.transfer(100_000)]

    assert asyncio.run(two()) == [(100.0, 100.5), (100.5, 100.6)]


def test_what_nobody_waits_for_occupies_the_link_all_the_same(clock):
    link = PacedLink(1_000_000)

    assert link.occupy(500_000, 99.9) == (99.9, 100.4)
    assert clock.now_s == 100.0
    assert link.occupy(100_000, 99.9) == pytest.approx((100.4, 100.5))
    assert asyncio.run(link.transfer(0)) == pytest.approx((100.5, 100.5))
    assert clock.now_s == pytest.approx(100.5)
    assert PacedLink().occupy(500_000, 100.0) is None


def test_an_idle_link_starts_at_once(clock):
    link = PacedLink(1_000_000)
    asyncio.run(link.transfer(100_000))
    clock.now_s = 200.0

    assert asyncio.run(link.transfer(100_000)) == (200.0, 200.1)


def test_a_wire_takes_a_message_up_when_it_is_there_however_late_it_is_asked(clock):
    link = PacedLink(1_000_000)
    asyncio.run(link.transfer(500_000))  # until 100.5
    clock.now_s = 101.0

    assert asyncio.run(link.transfer(250_000, ready_s=100.25)) == (100.5, 100.75)
    assert asyncio.run(link.transfer(125_000, ready_s=100.875)) == (100.875, 101.0)
    assert clock.now_s == 101.0


def test_nothing_takes_no_time(clock):
    assert asyncio.run(PacedLink(1_000).transfer(0)) == (100.0, 100.0)


def test_a_link_that_is_not_paced_slows_nothing_down(clock):
    assert asyncio.run(PacedLink(None).transfer(10**12)) is None
    assert clock.now_s == 100.0


def test_a_real_transfer_does_not_end_before_its_time():
    link = PacedLink(1_000_000)

    started_s = time.perf_counter()
    span = asyncio.run(link.transfer(4_000))

    assert time.perf_counter() >= started_s + 0.004
    assert span is not None
    assert span[1] - span[0] == pytest.approx(0.004)


@pytest.mark.parametrize("delay_s", [0.0, 0.0005, 0.004])
def test_waiting_does_not_end_before_its_time(delay_s):
    deadline_s = time.perf_counter() + delay_s

    wait_until(deadline_s)

    assert time.perf_counter() >= deadline_s


def test_a_moment_that_has_passed_is_not_waited_for():
    wait_until(time.perf_counter() - 1000)
