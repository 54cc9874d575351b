"""Which of two prepared plans answers a frame: known when the size of its file is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusepath.pictures.frame import PictureFrame

if TYPE_CHECKING:
    from fusepath.cost import Link
    from fusepath.offload.pairing import Prepared
    from fusepath.pictures.frame import Frame


def expected_s(prepared: Prepared, frame: PictureFrame, link: Link) -> float:
    """What a plan is predicted to take for a picture; infinite where it may not be forwarded.

    Raises:
        ImageError: it is no picture.
    """
    sample = prepared.device.sample
    here = prepared.plan.link == link
    predicted_s = (prepared.predicted if here else prepared.predicted_on(link)).end_s
    source = prepared.plan.source
    if not prepared.forwards:
        known_s = 0.0 if sample is None else prepared.device.decode_s(sample)
        return predicted_s + prepared.device.decode_s(frame) - known_s
    assert source  # or there would be no file to forward
    limit = prepared.plan.request.constraints.upload_bytes
    more_bytes = len(frame.file.data) - prepared.file_bytes
    if not prepared.may_forward(frame) or (
        limit is not None and prepared.sent_bytes + more_bytes > limit
    ):
        return math.inf
    larger = frame.file.pixels / (source if sample is None else sample.file).pixels
    return predicted_s + link.up_s(more_bytes) + source.edge_decode_s * (larger - 1)


def quicker(one: Prepared, other: Prepared | None, image: Frame) -> Prepared:
    """The plan that is quicker for an input; only one of files is ever forwarded.

    Raises:
        ImageError: it is a file that is no picture.
    """
    if other is None or one.forwards == other.forwards:
        return one
    if isinstance(image, PictureFrame):
        return min(one, other, key=lambda item: expected_s(item, image, one.plan.link))
    return other if one.forwards else one
