"""Inputs and outputs as the owner of a model knows them, and as the normal form has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import Array

CHANNELS_LAST = (0, 3, 1, 2)
"""Axes of (N, H, W, C) in the order of (N, C, H, W)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output in both forms.

    The owner's value becomes that of the normal form by reordering its axes and by taking the
    images of a batch apart; neither changes a value.
    """

    name: str
    shape: tuple[int, ...]
    """As the model file has it."""
    dtype: str
    """A numpy type name; the same in both forms."""
    axes: tuple[int, ...]
    """The owner's axes in the order of the normal form."""
    normal_shape: tuple[int, ...]
    """Of the tensor of the same name in the normal form."""

    def __post_init__(self) -> None:
        assert product(self.shape) % product(self.normal_shape) == 0
        assert sorted(self.axes) == list(range(len(self.shape)))

    def to_normal(self, value: Array) -> list[Array]:
        """The value in normal form: one array, or one for every image of a batch."""
        return [
            image.reshape(self.normal_shape)
            for image in np.split(value.transpose(self.axes), self._images)
        ]

    def to_owner(self, images: Sequence[Array]) -> Array:
        """The value as the model file has it, contiguous."""
        value = images[0] if len(images) == 1 else np.concatenate(images)
        ordered = tuple(self.shape[axis] for axis in self.axes)
        return np.ascontiguousarray(value.reshape(ordered).transpose(np.argsort(self.axes)))

    @property
    def is_unchanged(self) -> bool:
        """Whether both forms are the same."""
        return self.axes == tuple(range(len(self.shape))) and self.shape == self.normal_shape

    @property
    def _images(self) -> int:
        return product(self.shape) // product(self.normal_shape)
