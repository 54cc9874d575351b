"""The network's pixels as a lossless WebP in one gRPC call to one ONNX Runtime session.

The device decodes and scales a file that is not such pixels already, and encodes at WebP's least
effort, since it is weak.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pictures
import plain
from PIL import Image


def device(model: str, image: str, address: str) -> None:
    session = plain.session(Path(model).read_bytes())
    file = Path(image)
    infer = plain.method(plain.connect(address), "Infer")
    target = {}

    def encode() -> bytes:
        pixels = np.load(file) if file.suffix == ".npy" else None
        if pixels is None:
            pixels = pictures.decoded(file.read_bytes(), session)
        stream = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(pixels[0].transpose(1, 2, 0)))
        picture.save(stream, "WEBP", lossless=True, quality=0, method=0)
        return stream.getvalue()

    def prepare(slowdown: float, rate_bytes_per_s: float) -> dict:  # noqa: ARG001 - always the same
        target["s"] = slowdown * plain.quiet_s(encode)
        infer(encode())
        return {"choice": "pixels as WebP"}

    def run() -> tuple[list[np.ndarray], int]:
        data = plain.stretched(encode, target["s"])
        return plain.all_from_bytes(infer(data)), len(data)

    plain.obey(prepare, run)


if __name__ == "__main__":
    given = plain.arguments(__doc__)
    if given.role == "edge":
        pictures.edge(Path(given.model).read_bytes(), given.listen)
    else:
        device(given.model, given.image, given.edge)
