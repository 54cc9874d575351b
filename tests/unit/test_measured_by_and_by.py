"""An edge server that measures itself for one device goes on answering the others."""

from __future__ import annotations

import asyncio
import threading
import time

from fusepath.cost import LayerTime, MachineProfile
from fusepath.onnx_io import load_model
from fusepath.profiling.timing import time_call
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.model_store import ModelStore
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.execution import Execution

STEPS = 40
STEP_S = 0.02


def test_what_is_to_be_computed_has_its_turn_while_a_model_is_measured():
    model = load_model("zoo:squeezenet?size=64&weights=integer")
    threads = set()

    def step() -> None:
        threads.add(threading.current_thread().name)
        time.sleep(STEP_S)

    def profiler(_, *, execution: Execution) -> MachineProfile:
        seconds = [time_call(step, 1, on_caller=execution.on_caller).seconds for _ in range(STEPS)]
        layers = [LayerTime(name=layer.name, seconds=seconds[0]) for layer in model.graph.layers]
        return MachineProfile(model_sha256=model.graph.sha256, layers=tuple(layers))

    async def ask() -> tuple[float, bool]:
        service = EdgeService(ModelStore.of(model), profiler=profiler)
        try:
            asked = pb.ModelRequest(
                sha256=model.graph.sha256, input_shape=model.graph.input.shape, source=model.source
            )
            profile = asyncio.create_task(service.profile(asked))
            await asyncio.sleep(5 * STEP_S)
            begun_s = time.perf_counter()
            await asyncio.wrap_future(service.workers.pool.submit(lambda: None))
            taken_s = time.perf_counter() - begun_s
            unfinished = not profile.done()
            await profile
            return taken_s, unfinished
        finally:
            service.close()

    taken_s, unfinished = asyncio.run(ask())

    assert unfinished
    assert taken_s < STEPS * STEP_S / 2
    assert {name.rpartition("_")[0] for name in threads} == {"edge-worker"}
