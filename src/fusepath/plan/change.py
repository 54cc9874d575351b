"""By how much a lossy plan changes what the network returns: data alone."""

from __future__ import annotations

import msgspec


class OutputChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one output, over samples: how what a lossy plan makes differs from the unsplit model."""

    samples: int
    largest: float | None
    """Difference of any value; None where one is not finite that should be, or there are more or
    fewer values than there should be, as of boxes that are chosen by their scores."""
    mean: float | None
    """Of the differences of all values, without sign."""
    scale: float
    """The largest value that the unsplit model has, to compare the others with."""
    agreement: float | msgspec.UnsetType = msgspec.UNSET
    """Of scores: the share of rows whose largest is the same. Of boxes: the share that overlap by
    half or more (intersection over union)."""
    of: str | msgspec.UnsetType = msgspec.UNSET
    """What agrees: ``scores`` or ``boxes``."""

    @property
    def relative(self) -> float | None:
        """The largest difference as a part of the largest value."""
        return None if self.largest is None or not self.scale else self.largest / self.scale
