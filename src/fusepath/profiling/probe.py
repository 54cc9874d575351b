"""A link measured by transfers of several sizes: ``t = delay + bytes / rate`` in each direction."""

from __future__ import annotations

import bisect
import itertools
import statistics
import time
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec
import numpy as np

from fusepath.cost import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.cost import MessageCosts

SIZES_BYTES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000)
_ROUNDS = 9
_LEAST_ROUNDS = 4
_LOW, _HIGH = 0.2, 0.8
_LEAST_SIZES = 3
"""Sizes that are measured however slow the link is: a line needs some points."""


class Exchange(Protocol):
    """Sends so many bytes, gets so many back, and says how long that took."""

    async def __call__(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        """Seconds it took."""


class SizeTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Transfers of one size in one direction."""

    size_bytes: int
    count: int
    low_s: float
    """20th percentile, which the line is fitted to."""
    median_s: float
    high_s: float
    """80th percentile."""
    fitted_s: float

    @property
    def error(self) -> float:
        """By what part of the median the line is off; below zero, it is too quick."""
        return self.fitted_s / self.median_s - 1


class Direction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One direction of a link."""

    bytes_per_s: float
    round_trip_s: float
    """What a transfer takes whatever its size, the empty message in return included."""
    spread: float
    """Between 20th and 80th percentile as a part of the median, of the larger half of the sizes."""
    sizes: tuple[SizeTime, ...]


class LinkReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measured link and its evidence."""

    KIND: ClassVar[str] = "link report"

    link: Link
    up: Direction
    down: Direction
    probed_s: float
    """How long the probing took."""

    @property
    def asymmetry(self) -> float:
        """How many times faster it is down than up."""
        return self.down.bytes_per_s / self.up.bytes_per_s


async def probe(
    exchange: Exchange,
    *,
    budget_s: float = 20.0,
    timeout_s: float = 30.0,
    sizes_bytes: Sequence[int] = SIZES_BYTES,
    messages: MessageCosts | None = None,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[float], None] = lambda _part: None,
) -> LinkReport:
    """Measure a link by transfers up and down.

    Sizes are tried in turn, small ones first, so that a passing disturbance does not hit one size
    alone. A slow link is spared the large ones: a size is used if a few rounds with it fit into
    what is left of the time.

    Args:
        exchange: does one transfer; `EdgeClient.exchange_s`.
        budget_s: about how long to probe.
        timeout_s: deadline of one transfer.
        sizes_bytes: ascending.
        messages: what a message costs beside its bytes (`EdgeClient.message_costs`), and how long
            it is on its way; without, messages cost nothing and the delay is that of transfers.
        clock: for the budget.
        progress: called with the part that is done, 0 to 1.
    """
    started_s = clock()
    await exchange(up_bytes=0, down_bytes=0, timeout_s=timeout_s)  # wakes the connection up
    directions = []
    for number, upward in enumerate((True, False)):
        deadline_s = started_s + budget_s * (number + 1) / 2
        samples = await _sample(
            exchange,
            upward=upward,
            deadline_s=deadline_s,
            timeout_s=timeout_s,
            sizes_bytes=sizes_bytes,
            clock=clock,
            progress=lambda part, begun=number: progress((begun + part) / 2),  # type: ignore[misc] # a default
        )
        directions.append(fit_direction(samples))
    up, down = directions
    link = Link(
        up_bytes_per_s=up.bytes_per_s,
        down_bytes_per_s=down.bytes_per_s,
        delay_s=min(up.round_trip_s, down.round_trip_s) / 2,
        up_spread=up.spread,
        down_spread=down.spread,
    )
    if messages is not None:
        link = messages.on(link)
    return LinkReport(link=link, up=up, down=down, probed_s=clock() - started_s)


async def _sample(
    exchange: Exchange,
    *,
    upward: bool,
    deadline_s: float,
    timeout_s: float,
    sizes_bytes: Sequence[int],
    clock: Callable[[], float],
    progress: Callable[[float], None],
) -> dict[int, list[float]]:
    """Seconds of transfers by size; the first round, which finds out the sizes, does not count."""

    async def transfer_s(size_bytes: int) -> float:
        up_bytes, down_bytes = (size_bytes, 0) if upward else (0, size_bytes)
        return await exchange(up_bytes=up_bytes, down_bytes=down_bytes, timeout_s=timeout_s)

    first_s: dict[int, float] = {}
    for size_bytes in sizes_bytes:
        if len(first_s) >= _LEAST_SIZES:
            # The next one takes about as much longer as it is larger, and so do its repeats.
            largest = max(first_s)
            expected_s = first_s[largest] * size_bytes / largest
            round_s = expected_s + sum(first_s.values())
            if expected_s + _LEAST_ROUNDS * round_s > deadline_s - clock():
                break
        first_s[size_bytes] = await transfer_s(size_bytes)
    samples: dict[int, list[float]] = {size_bytes: [] for size_bytes in first_s}
    for turn in range(_ROUNDS):
        if turn > 0 and clock() + sum(first_s.values()) > deadline_s:
            break
        await transfer_s(0)  # what the largest size has left behind is not the smallest one's
        for size_bytes, taken_s in samples.items():
            taken_s.append(await transfer_s(size_bytes))
        progress((turn + 1) / _ROUNDS)
    progress(1.0)
    return samples


def fit_direction(samples: dict[int, list[float]]) -> Direction:
    """Rate and delay from seconds by size, by Theil and Sen's robust line.

    The line is fitted to low percentiles, which show the link alone. Its slope is the median of
    the slopes between all pairs of sizes, weighted by how far apart these are: a pair of small
    sizes says little about the rate. Its start is the lower median of what is left, over the
    smaller half of the sizes: a disturbance only ever adds time.

    Args:
        samples: at least two sizes, each with at least one time.
    """
    sizes = sorted(samples)
    low_s = [float(np.quantile(samples[size], _LOW)) for size in sizes]
    slopes = [
        ((low_s[j] - low_s[i]) / (sizes[j] - sizes[i]), sizes[j] - sizes[i])
        for i in range(len(sizes))
        for j in range(i + 1, len(sizes))
    ]
    # On a link that is quicker than timing is exact, the largest size alone tells the rate.
    per_byte_s = _weighted_median(slopes)
    if per_byte_s <= 0:
        per_byte_s = low_s[-1] / sizes[-1]
    smaller = range((len(sizes) + 1) // 2)
    start_s = max(statistics.median_low(low_s[i] - sizes[i] * per_byte_s for i in smaller), 0.0)
    times = tuple(
        SizeTime(
            size_bytes=size,
            count=len(samples[size]),
            low_s=low,
            median_s=statistics.median(samples[size]),
            high_s=float(np.quantile(samples[size], _HIGH)),
            fitted_s=start_s + size * per_byte_s,
        )
        for size, low in zip(sizes, low_s, strict=True)
    )
    return Direction(
        bytes_per_s=1 / per_byte_s,
        round_trip_s=start_s,
        spread=statistics.median(
            (item.high_s - item.low_s) / item.median_s for item in times[len(times) // 2 :]
        ),
        sizes=times,
    )


def _weighted_median(values: Sequence[tuple[float, float]]) -> float:
    """The value at which half of the weights are passed, of pairs (value, weight)."""
    ordered = sorted(values)
    passed = list(itertools.accumulate(weight for _, weight in ordered))
    return ordered[bisect.bisect_left(passed, passed[-1] / 2)][0]
