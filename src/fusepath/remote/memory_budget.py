"""How an edge server divides the memory that it may use."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fusepath.errors import InputError
from fusepath.units import parse_bytes

LEAST_BYTES = 64_000_000
"""With less not even the smallest network of the zoo is prepared."""
_UNKNOWN_BYTES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes for prepared plans (a half), for models, and for requests under way (a quarter each).

    Args:
        total_bytes: of all of them.
    """

    total_bytes: int

    @classmethod
    def of(cls, text: str) -> MemoryBudget:
        """So many bytes, like ``3GB``.

        Raises:
            InputError: that is no size, or nothing would fit.
        """
        total_bytes = parse_bytes(text)
        if total_bytes < LEAST_BYTES:
            raise InputError(
                f"memory '{text}': no model fits in less than {LEAST_BYTES / 1e6:.0f} MB; "
                f"measuring takes some 256 MB, and large models more"
            )
        return cls(total_bytes)

    @classmethod
    def of_this_machine(cls) -> MemoryBudget:
        """Half of what it has."""
        try:
            pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            pages = _UNKNOWN_BYTES
        return cls(pages // 2)

    @property
    def plans_bytes(self) -> int:
        """Of sessions, with the weights that they have packed for themselves."""
        return self.total_bytes // 2

    @property
    def models_bytes(self) -> int:
        """Of weights as they were read."""
        return self.total_bytes // 4

    @property
    def requests_bytes(self) -> int:
        """Of messages that have come, of what they decode to, and of answers that wait."""
        return self.total_bytes // 4

    @property
    def measuring_bytes(self) -> int:
        """Of the process that measures a model, beside the others and as long as it runs."""
        return self.total_bytes // 2
