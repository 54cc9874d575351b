"""Models measured and plans vetted in processes of their own, one after the other each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from fusepath.errors import ModelError
from fusepath.remote.located_model import AnotherModelError
from fusepath.remote.measuring.job import (
    AnotherModel,
    Measured,
    MeasureJob,
    NotDone,
    TooLarge,
    VetPlan,
    Vetted,
    VetWhole,
)
from fusepath.remote.measuring.process import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.cost import MachineProfile
    from fusepath.plan import ModelReference, Recipe
    from fusepath.remote.located_model import LocatedModel
    from fusepath.remote.measuring.job import Answer, Job
    from fusepath.remote.model_store import ModelStore
    from fusepath.runtime.execution import Execution

_VETS_FOR_S = 10.0
"""A device has several plans prepared, one soon after the other."""

Wanted = TypeVar("Wanted")


class MeasuringApart:
    """Measures in a process for each model, and vets plans in one that others may find there.

    Networks of the zoo are not vetted: no foreign hand has made them.

    Args:
        store: the models.
        execution: what to compute on.
        remembers: takes what the user's cache holds, and keeps there what is measured.
        memory_bytes: that a process may take.
    """

    def __init__(
        self, store: ModelStore, *, execution: Execution, remembers: bool, memory_bytes: int
    ) -> None:
        self._store = store
        self._execution = execution
        self._remembers = remembers
        self._memory_bytes = memory_bytes
        self._taken_bytes = {"measuring": 0, "preparing": 0}
        self.lend: Callable[[int], None] = lambda _: None
        self._measuring = self._child("measuring", keeps_s=0.0)
        self._vetting = self._child("preparing", keeps_s=_VETS_FOR_S)

    def _child(self, doing: str, *, keeps_s: float) -> Child:
        def lend(size_bytes: int) -> None:
            self._taken_bytes[doing] = size_bytes
            self.lend(sum(self._taken_bytes.values()))

        return Child(doing, memory_bytes=self._memory_bytes, keeps_s=keeps_s, lend=lend)

    async def measure(self, reference: ModelReference) -> MachineProfile:
        """The profile of this machine for a model; whoever is cancelled ends the process.

        Raises:
            FusepathError: there is no such model, or it cannot be run.
            Refusal: the process took too much memory, or did not come to an end by itself.
        """
        try:
            return await self._measured(await asyncio.to_thread(self._store.locate, reference))
        except AnotherModelError as another:
            again = await asyncio.to_thread(self._store.locate, reference, another)
            return await self._measured(again)

    async def _measured(self, model: LocatedModel) -> MachineProfile:
        job = MeasureJob(
            model=model,
            execution=self._execution,
            memory_bytes=self._memory_bytes,
            remembers=self._remembers,
        )
        return (await self._done(self._measuring, job, Measured)).profile

    async def vet_plan(self, recipe: Recipe) -> None:
        """Have a plan prepared and run once where a crash ends nothing else.

        Raises:
            FusepathError: as of `measure`.
            Refusal: as of `measure`.
        """
        model = await asyncio.to_thread(self._store.locate, recipe.model)
        if not model.built_in:
            job = VetPlan(
                model=model,
                execution=self._execution,
                memory_bytes=self._memory_bytes,
                recipe=recipe,
            )
            await self._done(self._vetting, job, Vetted)

    async def vet_whole(self, reference: ModelReference) -> None:
        """Have a model built as it is and run once where a crash ends nothing else.

        Raises:
            FusepathError: as of `measure`.
            Refusal: as of `measure`.
        """
        model = await asyncio.to_thread(self._store.locate, reference)
        if not model.built_in:
            job = VetWhole(model=model, execution=self._execution, memory_bytes=self._memory_bytes)
            await self._done(self._vetting, job, Vetted)

    async def _done(self, child: Child, job: Job, wanted: type[Wanted]) -> Wanted:
        """What a process answers.

        Raises:
            AnotherModelError: it found another model than it was to.
            ModelError: it cannot be done.
            Refusal: as of `Child.answer`.
        """
        answer: Answer = await child.answer(job)
        match answer:
            case AnotherModel(sha256):
                raise AnotherModelError(job.model.reference, sha256)
            case NotDone(reason):
                raise ModelError(reason)
            case TooLarge():
                raise child.too_large(job.model.reference.name)
        if not isinstance(answer, wanted):  # a model may have taken the process over
            raise ModelError("what came back is no answer to what was asked")
        return answer

    def close(self) -> None:
        """End what is being done."""
        self._measuring.close()
        self._vetting.close()
