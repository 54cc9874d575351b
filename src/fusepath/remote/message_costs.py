"""What a message costs either machine, found out with pieces for which nothing is computed.

Processor time tells it, not the clock: while one message is dealt with, paths are computed, and
what it takes from those is what counts. A machine of several processors does both at a time.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from fusepath.remote.tensors import to_send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.protocol.framing import RawTensor

PIECE_BYTES = 3 * 16 * 64
"""Some rows of a picture, as strips send them."""
LARGE_BYTES = 2**15
"""What receiving costs by the byte, larger pieces show."""
MOST_BYTES = 2**20
MESSAGES = 24
LARGE_MESSAGES = 8
WARM_UP = 4
"""Messages that come first and do not count."""
MOST_MESSAGES = 1024
PAUSE_S = 0.002
"""Between messages. Without any they are dealt with in batches, which is cheaper."""
MESSAGE_BYTES = 90
"""What a message takes on the wire beside its tensors: its header (28 bytes) and the size of each
(2 and 5), frames of gRPC and HTTP/2 (14), and the headers of a packet that is not full (half of
one, on average, of 80)."""


def piece(size_bytes: int = PIECE_BYTES) -> list[RawTensor]:
    """The content of one message of so many bytes."""
    return to_send({"piece": np.zeros(size_bytes, dtype=np.uint8)})


def make(count: int, size_bytes: int, put: Callable[[list[RawTensor]], object]) -> None:
    """Make the content of so many messages, one after the other, and hand each on."""
    for made in range(count):
        if made > 0:
            time.sleep(PAUSE_S)
        put(piece(size_bytes))


def expected(tensors: Sequence[RawTensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What such a message must hold, whatever its size."""
    size_bytes = sum(len(tensor.data) for tensor in tensors)
    return {"piece": ("uint8", (min(size_bytes, MOST_BYTES),))}


def busy_s() -> float:
    """Processor time of this process so far, over the processors that it may use."""
    return time.process_time() / processors()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
