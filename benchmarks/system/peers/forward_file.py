"""The picture's file in one gRPC call: the edge server decodes, scales and computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pictures
import plain

if TYPE_CHECKING:
    import numpy as np


def device(image: str, address: str) -> None:
    data = Path(image).read_bytes()
    infer = plain.method(plain.connect(address), "Infer")

    def prepare(slowdown: float, rate_bytes_per_s: float) -> dict:  # noqa: ARG001 - always the same
        infer(data)
        return {"choice": "the file as it is"}

    def run() -> tuple[list[np.ndarray], int]:
        return plain.all_from_bytes(infer(data)), len(data)

    plain.obey(prepare, run)


if __name__ == "__main__":
    given = plain.arguments(__doc__)
    if given.role == "edge":
        pictures.edge(Path(given.model).read_bytes(), given.listen)
    else:
        device(given.image, given.edge)
