"""The link as frames share it that are under way at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fusepath.offload.emulation import PacedLink

if TYPE_CHECKING:
    from fusepath.offload.emulation import Emulation


class SharedLink:
    """Carries one frame after the other; times are those of `time.perf_counter`.

    Args:
        emulation: how slow it shall seem.
    """

    def __init__(self, emulation: Emulation) -> None:
        self.up, self.down = (PacedLink(emulation.pace_bytes_per_s) for _ in range(2))
        self.turn = asyncio.Lock()
        """Held while a frame is sent. Messages of several frames would share the link evenly, and
        all of them would be late."""
        self.up_free_s = self.down_free_s = 0.0
        """When the last message had come over each way, as far as is known."""

    @property
    def is_paced(self) -> bool:
        """Whether a slow link is played."""
        return self.up.bytes_per_s is not None
