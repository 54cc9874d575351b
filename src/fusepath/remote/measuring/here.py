"""Measuring in the edge server's own process: for one within a device's, whose model is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.profiling.timing import timed_on
from fusepath.remote.loader import Loader

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from fusepath.cost import MachineProfile
    from fusepath.plan import ModelReference, Recipe
    from fusepath.profiling.layers import Profiler
    from fusepath.remote.model_store import ModelStore
    from fusepath.runtime.execution import Execution


class MeasuringHere:
    """Measures on a thread, and times on those that inferences are computed on.

    Args:
        store: the models.
        profiler: measures.
        execution: what to compute on.
        executor: whose threads calls are timed on: each in its turn, so that no inference disturbs
            it, and none waits for all of them.
    """

    def __init__(
        self, store: ModelStore, profiler: Profiler, *, execution: Execution, executor: Executor
    ) -> None:
        self._store = store
        self._profiler = profiler
        self._execution = execution
        self._executor = executor
        self._loader = Loader()
        self.lend: Callable[[int], None] = lambda _: None

    async def measure(self, reference: ModelReference) -> MachineProfile:
        """The profile of this machine for a model.

        Raises:
            FusepathError: there is no such model, or it cannot be run.
        """

        def work() -> MachineProfile:
            model = self._store.get(reference)
            with timed_on(self._executor):
                return self._profiler(model, execution=self._execution)

        return await self._loader.do(work)

    async def vet_plan(self, recipe: Recipe) -> None:
        """Whatever a model of this process does, it does to its owner."""

    async def vet_whole(self, reference: ModelReference) -> None:
        """As of `vet_plan`."""

    def close(self) -> None:
        """End what is being measured."""
        self._loader.close()
