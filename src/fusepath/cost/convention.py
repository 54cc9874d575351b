"""What a timing model leaves open, stated: a convention is part of every result."""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec

from fusepath.errors import InputError


class Regions(enum.StrEnum):
    """Which rows and columns of a map a tile is charged for."""

    NEEDED = "needed"
    """Only what the tile's outputs depend on: a sub-model of its own for every tile."""
    ALIGNED = "aligned"
    """What one dynamic-shape session per layer range computes; the runtime does this."""


class Convention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How MACs become operations, elements become bytes, and machines are shared."""

    KIND: ClassVar[str] = "convention"

    name: str
    ops_per_mac: int = 2
    """2 counts a multiplication and an addition (FLOP); 1 counts MACs."""
    ops_per_pool_tap: int = 0
    ops_per_element: int = 0
    """Operations of pointwise operators, per element."""
    input_bytes_per_element: int = 1
    """1 sends a camera image as it is (uint8); 4 sends float32."""
    activation_bytes_per_element: int = 4
    edge_workers: int = 1
    """Paths the edge server computes at the same time; 0 means as many as there are."""
    shared_link: bool = True
    """False gives every path a link of its own."""
    regions: Regions = Regions.ALIGNED
    counts_result: bool = True
    """Whether sending the result back to the device is part of the time."""


RUNTIME = Convention(name="runtime")
"""What `fusepath run` does: FLOP, uint8 image, float32 activations, one edge worker."""

TABLE1 = Convention(
    name="table1",
    ops_per_mac=1,
    regions=Regions.NEEDED,
    counts_result=False,
)
"""The paper's Table I on machines that can exist: one shared link, one edge worker."""

CONVENTIONS = {convention.name: convention for convention in (RUNTIME, TABLE1)}


def named_convention(name: str) -> Convention:
    """Look a convention up.

    Raises:
        InputError: there is none of that name.
    """
    try:
        return CONVENTIONS[name]
    except KeyError:
        known = ", ".join(sorted(CONVENTIONS))
        raise InputError(f"there is no convention '{name}'; known ones are {known}") from None
