"""Frames as applications hold them, and the input that the model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from fusepath.errors import ImageError

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.graph import Tensor


class FrameFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How frames lie in memory, and how pixels become the model's values.

    uint8 pixels become ``(pixel − mean) / std`` per channel in float32, on whichever machine; one
    value serves all channels. float32 frames are the model's values already.
    """

    layout: Literal["auto", "chw", "hwc"] = "auto"
    """Channels first or last; ``auto`` tells by the shape."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Of the channels as they come; ``bgr``, as OpenCV has them, are turned round for the model."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)

    def to_input(self, frame: Any, target: Tensor) -> Array:
        """The model's input, (1, C, H, W), contiguous; uint8 or float32 as the frame is.

        Views and arrays of any memory order are taken; what needs no change is not copied.

        Args:
            frame: (H, W, C), (C, H, W), either with a 1 before it, or (H, W) for one channel.
            target: the model's input.

        Raises:
            ImageError: another type or shape than the model takes.
        """
        if not isinstance(frame, np.ndarray):
            raise ImageError(
                f"a frame is a numpy array of pixels or values, not {type(frame).__name__}; "
                f"read pictures with fusepath.load_input"
            )
        if frame.dtype not in (np.uint8, np.float32):
            raise ImageError(
                f"the frame is {frame.dtype}; give uint8 pixels or float32 values "
                f"(frame.astype(numpy.float32))"
            )
        _, channels, height, width = target.shape
        value = frame[0] if frame.ndim == 4 and len(frame) == 1 else frame
        if value.ndim == 2 and channels == 1:
            value = value[None]
        elif self.layout != "chw" and value.shape == (height, width, channels):
            if self.layout == "hwc" or value.shape != (channels, height, width):
                value = value.transpose(2, 0, 1)
        elif self.layout == "hwc":
            value = value[:0]  # channels first, which this format says they are not
        if value.shape != (channels, height, width):
            wanted = {"chw": "(C, H, W)", "hwc": "(H, W, C)"}.get(
                self.layout, "(C, H, W) or (H, W, C)"
            )
            raise ImageError(
                f"the frame is {list(frame.shape)}, but the model takes {channels} channels of "
                f"{height}x{width}, as {wanted}; resize it"
            )
        if self.order == "bgr":
            if channels != 3:
                raise ImageError(f"order 'bgr' has three channels, but the model takes {channels}")
            value = value[::-1]
        return np.ascontiguousarray(value)[None]
