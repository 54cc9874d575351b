"""What the peers that send pictures share: from a file to the network's pixels, with Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import plain
from PIL import Image

if TYPE_CHECKING:
    import onnxruntime as ort


def decoded(data: bytes, session: ort.InferenceSession) -> np.ndarray:
    """The middle of a picture at the size of a network's input: (1, 3, H, W), uint8."""
    height, width = session.get_inputs()[0].shape[2:]
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    if picture.size != (width, height):
        scale = min(picture.width / width, picture.height / height)
        left = (picture.width - width * scale) / 2
        upper = (picture.height - height * scale) / 2
        box = (left, upper, picture.width - left, picture.height - upper)
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1)[None])


def edge(model: bytes, listen: str) -> None:
    """One ONNX Runtime session behind Pillow."""
    session = plain.session(model)

    def infer(data: bytes) -> bytes:
        return plain.to_bytes(*plain.run_all(session, plain.to_input(decoded(data, session))))

    plain.serve(listen, {"Infer": infer})
