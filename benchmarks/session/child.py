"""One measurement in a process of its own; the answer is one line of JSON.

python -m benchmarks.session.child start ADDRESS SLOWDOWN PACE
python -m benchmarks.session.child memory MODEL plain|session ADDRESS
python -m benchmarks.session.child frames ADDRESS COUNT auto|PLAN
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

import fusepath
from fusepath.offload.machines import measured_link
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import original_with_shape
from fusepath.plan import InputFormat
from fusepath.remote.client import connect
from fusepath.runtime.allocator import release_free_memory
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

NETWORK = "zoo:squeezenet"
AS_PLANNED = fusepath.SessionOptions(fallback=fusepath.FallbackPolicy.OFF)
"""What the device does alone would hide what is measured."""
MARKS = 25
"""So often memory is looked at."""
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
        fallback=fusepath.FallbackPolicy.OFF,
        emulation=fusepath.Emulation(
            slowdown=slowdown, pace_bytes_per_s=pace if pace > 0 else None
        ),
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
        seen = [(first_s, result.plan)]
        while not session.is_ready and time.perf_counter() - begun_s < _LONGEST_S:
            result = session.infer(pixels)
            exact &= fusepath.compare(result.outputs, reference).passed
            if result.plan != seen[-1][1]:
                seen.append((time.perf_counter() - begun_s, result.plan))
        session.wait_ready(_LONGEST_S)
        ready_s = time.perf_counter() - begun_s
        best = session.plan
        assert best is not None
    near_s = next((at_s for at_s, plan in seen if _is_near(plan, best, model)), ready_s)
    return {
        "first_s": first_s,
        "near_s": near_s,
        "ready_s": ready_s,
        "exact": exact,
        "plan": best.algorithm,
        "paths": len(best.cuts),
    }


def _is_near(plan: fusepath.Plan, best: fusepath.Plan, model: fusepath.Model) -> bool:
    """Whether a plan is predicted to be as good on the machines for which the best was made.

    What each was predicted to take when it was prepared depends on what else went on then.
    """
    setting = fusepath.Setting(
        graph=model.graph,
        device=best.device,
        edge=best.edge,
        link=best.link,
        convention=best.convention,
    ).coded_as(plan)
    return fusepath.simulate(plan, setting).end_s <= _NEAR * best.makespan_s


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


async def _link(address: str) -> fusepath.Link:
    """The link as it is, messages included."""
    async with connect(address) as client:
        return await measured_link(client)


def plans(model: fusepath.Model, address: str) -> dict[str, fusepath.Plan]:
    """One of every kind.

    They are planned for machines, and for a rate, that make them worth splitting, and for what
    messages cost here. What is predicted of them is for the link that there is.
    """
    link = asyncio.run(_link(address))
    setting = fusepath.Setting(
        graph=model.graph,
        device=fusepath.parse_machine("60GFLOPS"),
        edge=fusepath.parse_machine("120GFLOPS"),
        link=msgspec.structs.replace(link, up_bytes_per_s=30e6, down_bytes_per_s=30e6),
    )
    asked = {
        "full offload": fusepath.PlanRequest(algorithm="full-offload"),
        "single cut": fusepath.PlanRequest(algorithm="nfl"),
        "tiles 2x2": fusepath.PlanRequest(algorithm="exact", grid=fusepath.Grid(2, 2), tau=14),
        "strips": fusepath.PlanRequest(algorithm="stream"),
    }
    return {
        name: msgspec.structs.replace(
            fusepath.make_plan(setting, request, fusepath.Origin(source=model.source)).best,
            link=link,
        )
        for name, request in asked.items()
    }


def frames(address: str, count: int, kind: str) -> dict:
    """Whether memory and descriptors stay where they are, and every result is exact.

    With `auto` so many frames come before that are not counted.
    """
    model = fusepath.load_model(NETWORK)
    plan = fusepath.PlanRequest() if kind == "auto" else plans(model, address)[kind]
    with fusepath.Session(model, address, plan=plan, options=AS_PLANNED) as session:
        session.infer(frame(model, 0))
        session.wait_ready(_LONGEST_S)
        if kind == "auto":  # beside these, plans for other conditions are made ready
            for seed in range(count):
                session.infer(frame(model, seed))
        marks, exact, unsplit = [], 0, Unsplit(model)
        for seed in range(count):
            pixels = frame(model, seed)
            exact += unsplit.agrees(pixels, session.infer(pixels))
            if (seed + 1) % (count // MARKS) == 0:
                release_free_memory()  # what the process holds, not what it once needed
                marks.append((private_bytes(), descriptors()))
        used = session.plan
        assert used is not None
        return {"exact": exact, "marks": marks, "paths": len(used.cuts)}


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
        answer = frames(rest[0], int(rest[1]), rest[2])
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
