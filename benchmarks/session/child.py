"""One measurement in a process of its own; the answer is one line of JSON.

python -m benchmarks.session.child start ADDRESS SLOWDOWN PACE
python -m benchmarks.session.child memory MODEL plain|session ADDRESS
python -m benchmarks.session.child frames ADDRESS COUNT
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

import fusepath
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import original_with_shape
from fusepath.plan import InputFormat
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

NETWORK = "zoo:squeezenet"
_LONGEST_S = 120.0
_NEAR = 1.03


def frame(model: fusepath.Model, seed: int) -> np.ndarray:
    """A made-up picture, rows first; another one for every seed."""
    _, channels, height, width = model.graph.input.shape
    rng = np.random.default_rng(seed)
    coarse = rng.random((9, 9, channels), dtype=np.float32)
    rows, cols = np.linspace(0, 8, height).astype(int), np.linspace(0, 8, width).astype(int)
    smooth = coarse[rows][:, cols] + 0.05 * rng.random((height, width, channels), dtype=np.float32)
    return (np.clip(smooth, 0, 1) * 255).astype(np.uint8)


class Unsplit:
    """The original model, made ready once."""

    def __init__(self, model: fusepath.Model) -> None:
        self._model = model
        self._runner = Runner(original_with_shape(model), outputs=model.graph.outputs)

    def agrees(self, pixels: np.ndarray, result: fusepath.Inference) -> bool:
        image = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
        values = to_model_input(image, InputFormat())
        reference = self._runner.run({self._model.graph.input.name: values})
        return fusepath.compare(result.outputs, reference).passed


def start(address: str, slowdown: float, pace: float) -> dict:
    """When the first answer is there, and when a plan as good as the best is in use."""
    model_seen = fusepath.Session  # what it imports is no part of constructing one
    options = fusepath.SessionOptions(
        emulation=fusepath.Emulation(slowdown=slowdown, pace_bytes_per_s=pace if pace > 0 else None)
    )
    model = fusepath.load_model(NETWORK)
    pixels = frame(model, 0)
    reference = run_unsplit(
        model, np.ascontiguousarray(pixels.transpose(2, 0, 1))[None], InputFormat()
    )
    begun_s = time.perf_counter()
    with model_seen(NETWORK, address, options=options) as session:
        result = session.infer(pixels)
        first_s = time.perf_counter() - begun_s
        exact = fusepath.compare(result.outputs, reference).passed
        seen: list[tuple[float, float]] = []
        while not session.is_ready and time.perf_counter() - begun_s < _LONGEST_S:
            predicted = session.predicted
            if predicted is not None and (not seen or seen[-1][1] != predicted.end_s):
                seen.append((time.perf_counter() - begun_s, predicted.end_s))
            result = session.infer(pixels)
            exact &= fusepath.compare(result.outputs, reference).passed
        session.wait_ready(_LONGEST_S)
        best = session.predicted
        assert best is not None
        seen.append((time.perf_counter() - begun_s, best.end_s))
        plan = session.plan
        assert plan is not None
    near_s = next(at_s for at_s, end_s in seen if end_s <= best.end_s * _NEAR)
    return {
        "first_s": first_s,
        "near_s": near_s,
        "ready_s": seen[-1][0],
        "exact": exact,
        "first_plan": "last time's" if len(seen) == 1 else "local",
        "plan": plan.algorithm,
        "paths": len(plan.cuts),
        "predicted_s": best.end_s,
    }


def memory(name: str, how: str, address: str) -> dict:
    """Private memory of this process once the model answers."""
    before_bytes = private_bytes()
    if how == "plain":
        model = fusepath.load_model(name)
        data, shape = model.original, model.graph.input.shape
        del model
        runner = Runner(data)
        del data
        for _ in range(3):
            runner.run({"image": np.zeros(shape, dtype=np.float32)})
    else:
        with fusepath.Session(name, address) as session:
            pixels = frame(session.model, 0)
            session.infer(pixels)
            session.wait_ready(_LONGEST_S * 5)
            for _ in range(3):
                session.infer(pixels)
            return {"bytes": private_bytes() - before_bytes}
    return {"bytes": private_bytes() - before_bytes}


def frames(address: str, count: int) -> dict:
    """Whether memory and descriptors stay where they are, and every result is exact."""
    with fusepath.Session(NETWORK, address) as session:
        session.infer(frame(session.model, 0))
        session.wait_ready(_LONGEST_S)
        marks, exact, unsplit = [], 0, Unsplit(session.model)
        for seed in range(count):
            pixels = frame(session.model, seed)
            exact += unsplit.agrees(pixels, session.infer(pixels))
            if seed + 1 in (count // 5, count):
                marks.append((private_bytes(), descriptors()))
        plan = session.plan
        assert plan is not None
        return {"exact": exact, "marks": marks, "plan": plan.algorithm, "paths": len(plan.cuts)}


def private_bytes() -> int:
    """What this process has for itself alone."""
    text = Path("/proc/self/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty"))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "start":
        answer = start(rest[0], float(rest[1]), float(rest[2]))
    elif what == "memory":
        answer = memory(*rest)
    else:
        answer = frames(rest[0], int(rest[1]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
