"""The raw picture in one gRPC call to one ONNX Runtime session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain


def edge(model: str, listen: str) -> None:
    session = plain.session(Path(model).read_bytes())

    def infer(data: bytes) -> bytes:
        return plain.to_bytes(plain.run(session, plain.to_input(plain.from_bytes(data))))

    plain.serve(listen, {"Infer": infer})


def device(image: str, address: str) -> None:
    pixels = np.load(image)
    infer = plain.method(plain.connect(address), "Infer")

    def prepare(slowdown: float, rate_bytes_per_s: float) -> dict:  # noqa: ARG001 - always the same
        infer(plain.to_bytes(pixels))
        return {"choice": "all on the edge server"}

    def run() -> tuple[list[np.ndarray], int]:
        return [plain.from_bytes(infer(plain.to_bytes(pixels)))], pixels.nbytes

    plain.obey(prepare, run)


if __name__ == "__main__":
    given = plain.arguments(__doc__)
    if given.role == "edge":
        edge(given.model, given.listen)
    else:
        device(given.image, given.edge)
