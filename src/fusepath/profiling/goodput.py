"""How quick a link is each way, soon: by messages that grow until they take long enough.

What a link carries before a burst is spent says little about what it carries after, so messages are
sent until two in a row take as long as each other. What else goes on only ever adds time, so the
quicker of these two counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fusepath.profiling.probe import Exchange

SIZES_BYTES = (1 << 14, 1 << 16, 1 << 18, 1 << 20)
_LONG_S = 0.1
"""Messages that take this long need not be larger."""
_ALIKE = 1.25
_MOST = 8
"""Messages of the last size."""
_EMPTY = 3


class Goodput(NamedTuple):
    """Bytes per second."""

    up_bytes_per_s: float
    down_bytes_per_s: float


async def goodput(exchange: Exchange, *, timeout_s: float) -> Goodput:
    """Measure both ways of a link.

    Args:
        exchange: does one transfer; `EdgeClient.exchange_s`.
        timeout_s: deadline of one transfer.

    Raises:
        PeerError: the edge server does not answer.
    """

    async def one_way(up: int, down: int) -> float:
        async def taken_s(size_bytes: int) -> float:
            whole_s = await exchange(
                up_bytes=up * size_bytes, down_bytes=down * size_bytes, timeout_s=timeout_s
            )
            return max(whole_s - round_trip_s, 1e-6)

        for size_bytes in SIZES_BYTES:
            last_s = await taken_s(size_bytes)
            if last_s >= _LONG_S:
                break
        for _ in range(_MOST):
            before_s, last_s = last_s, await taken_s(size_bytes)
            if 1 / _ALIKE <= last_s / before_s <= _ALIKE:
                break
        return size_bytes / min(before_s, last_s)

    empty_s = [await exchange(up_bytes=0, down_bytes=0, timeout_s=timeout_s) for _ in range(_EMPTY)]
    round_trip_s = min(empty_s)
    return Goodput(await one_way(1, 0), await one_way(0, 1))
