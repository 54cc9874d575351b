"""What is written into a plan and not planned by."""

from __future__ import annotations

from dataclasses import dataclass

from fusepath.plan.preprocessing import AS_THEY_COME, Preprocessing


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from, and what its pixels mean."""

    source: str = ""
    """A path or a name of the zoo."""
    mean: tuple[float, ...] = (0.0,)
    """Subtracted from the pixels of a uint8 image, per channel or once for all."""
    std: tuple[float, ...] = (255.0,)
    """Divides them."""
    pictures: Preprocessing = AS_THEY_COME
    """How encoded pictures become pixels."""


UNKNOWN = Origin()
