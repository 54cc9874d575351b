"""An encoded picture as the input of a network, decoded when and where it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.arrays import Array
from fusepath.pictures.decoding import OWN, PictureFile, preprocess
from fusepath.pictures.inputs import check_takes_pictures

if TYPE_CHECKING:
    from fusepath.graph import Tensor
    from fusepath.pictures.decoding import Limits
    from fusepath.plan import Preprocessing


@dataclass(frozen=True, slots=True)
class PictureFrame:
    """A file, and the pixels that it stands for.

    Args:
        file: as a camera or a disk has it.
        chain: from the file to pixels.
        shape: (1, C, H, W) of these.
    """

    file: PictureFile
    chain: Preprocessing
    shape: tuple[int, ...]

    @classmethod
    def of(cls, file: PictureFile, chain: Preprocessing, target: Tensor) -> PictureFrame:
        """For a network's input.

        Raises:
            ImageError: it takes no pictures, or this is none.
        """
        check_takes_pictures(target)
        frame = cls(file, chain, target.shape)
        assert file.pixels > 0  # its header has been read
        return frame

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        return np.dtype(np.uint8)

    def pixels(self) -> Array:
        """uint8, (1, C, H, W): decoded anew each time.

        Raises:
            ImageError: as of `preprocess`.
        """
        return decode_within(OWN, self)


def decode_within(limits: Limits, frame: PictureFrame) -> Array:
    """The pixels of a picture, if it is within limits.

    Raises:
        ImageError: as of `preprocess`.
    """
    _, channels, height, width = frame.shape
    size = height, width
    return preprocess(frame.file, frame.chain, channels=channels, size=size, limits=limits)


Frame = Array | PictureFrame
"""An input: pixels or values, or a picture that becomes pixels."""


def pixels_of(image: Frame) -> Array:
    """The pixels or values of an input, in whichever form it comes.

    Raises:
        ImageError: it is a file that cannot be decoded.
    """
    return image.pixels() if isinstance(image, PictureFrame) else image
