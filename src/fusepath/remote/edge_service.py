"""The edge server's work: holds models, prepares plans, finishes what devices have begun.

It knows no transport: calls come as messages and streams, and a no is a `Refusal`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath import jsonfile
from fusepath.errors import FusepathError
from fusepath.plan import ModelReference, Recipe, check_recipe
from fusepath.profiling.layers import measure_layers
from fusepath.profiling.timing import timed_on
from fusepath.protocol.admission import Admission, Room
from fusepath.protocol.framing import RefusalKind
from fusepath.protocol.shelf import Shelf
from fusepath.remote.edge_conversation import EdgeConversation
from fusepath.remote.journal import tell
from fusepath.remote.kept_shares import KeptShares
from fusepath.remote.limits import LONGEST_REQUEST_S, MAX_PROBE_BYTES
from fusepath.remote.loader import Loader
from fusepath.remote.memory_budget import MemoryBudget
from fusepath.remote.metrics import Metrics
from fusepath.remote.prepared import PreparedPlan
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.workers import Workers
from fusepath.runtime.allocator import release_free_memory, resident_bytes
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes, declared_bytes
from fusepath.runtime.execution import ON_CPU, Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.onnx_io import Model
    from fusepath.profiling.layers import Profiler
    from fusepath.remote.model_store import ModelStore
    from fusepath.remote.transport import Incoming

_FIRST_WORD_S = 1.0
"""How long a device that is to be refused is listened to."""
_LONGEST_WAIT_S = 0.003
"""Longer idle times make a machine no slower, and preparing would take its time."""


@dataclass(slots=True)
class _Preparation:
    """A plan that is being made ready, and how many calls wait for it."""

    job: asyncio.Task[EdgeTimes]
    waiting: int = 0


def _seen(job: asyncio.Task[EdgeTimes]) -> None:
    """It need not be told: whoever asked may have gone."""
    if not job.cancelled():
        job.exception()


async def first_word(stream: Incoming) -> None:
    """Hear what a device says first, for a moment.

    One that is refused while it says it may be told of a lost connection alone.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(stream.read(), _FIRST_WORD_S)


class EdgeService:
    """Answers devices; see ``fusepath.proto`` for the calls and their order.

    All calls raise `Refusal` where the answer is no.

    Args:
        store: the models that may be run.
        workers: paths computed at the same time.
        execution: what to compute on.
        profiler: measures this machine for a device that asks.
        overlaps: False computes nothing before everything has arrived.
        room: how much may be under way.
        plans_bytes: memory that prepared plans may take, a quarter of this machine's where it is
            not said; those not used for longest go first, and are prepared again when asked for.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        workers: int = 1,
        execution: Execution = ON_CPU,
        profiler: Profiler = measure_layers,
        overlaps: bool = True,
        room: Room = Room(),
        plans_bytes: int | None = None,
    ) -> None:
        self.overlaps = overlaps
        self._store = store
        self._profiler = profiler
        self._execution = execution
        self._prepared: Shelf[str, PreparedPlan] = Shelf(
            MemoryBudget.of_this_machine().plans_bytes if plans_bytes is None else plans_bytes
        )
        self._preparing: dict[str, _Preparation] = {}
        self._profiles: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self.admission = Admission(room)
        self.metrics = Metrics()
        self.workers = Workers(workers)
        self.kept = KeptShares()
        self._loader, self._measuring = Loader(), Loader()

    async def clock(self, request: pb.ClockRequest) -> pb.ClockReply:
        """The time here, with as much padding as was asked for."""
        edge_ns = time.monotonic_ns()
        if request.reply_bytes > MAX_PROBE_BYTES:
            raise Refusal(
                RefusalKind.MALFORMED,
                f"{request.reply_bytes} bytes of padding were asked for; "
                f"at most {MAX_PROBE_BYTES} are sent",
            )
        return pb.ClockReply(edge_ns=edge_ns, padding=bytes(request.reply_bytes))

    async def profile(self, request: pb.ModelRequest) -> pb.ProfileReply:
        """Time every layer of a model; measured once, then remembered."""
        reference = ModelReference(
            name=request.name[:200],
            sha256=request.sha256,
            source=request.source,
            input_shape=tuple(request.input_shape),
        )
        return pb.ProfileReply(
            profile_json=await self._load(self._measuring, partial(self._profile, reference))
        )

    async def prepare(self, request: pb.PrepareRequest) -> pb.PrepareReply:
        """Check a recipe and build its sessions: once for all that do the same, whoever asks."""
        try:
            recipe = jsonfile.decode(request.recipe_json, Recipe, where="the recipe sent")
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        digest = recipe.sha256
        plan = self._prepared.get(digest)
        if plan is not None:
            times = plan.times
        else:
            times = await self._shared(digest, recipe, request.idle_ns * 1e-9)
        return pb.PrepareReply(
            recipe_sha256=digest,
            path_ns=[round(time_s * 1e9) for time_s in times.paths_s],
            tail_ns=round(times.tail_s * 1e9),
            providers=self._execution.providers,
        )

    async def _shared(self, digest: str, recipe: Recipe, idle_s: float) -> EdgeTimes:
        """Wait for a preparation with all others that do; the last that leaves takes it along."""
        if digest not in self._preparing:
            job = asyncio.create_task(self._keep(digest, recipe, idle_s))
            self._preparing[digest] = _Preparation(job)
            job.add_done_callback(_seen)
        preparation = self._preparing[digest]
        preparation.waiting += 1
        try:
            return await asyncio.shield(preparation.job)
        finally:
            preparation.waiting -= 1
            if not preparation.waiting:
                self._preparing.pop(digest, None)
                preparation.job.cancel()

    async def _keep(self, digest: str, recipe: Recipe, idle_s: float) -> EdgeTimes:
        model, least_bytes = await self._load(self._loader, partial(self._checked, recipe))
        if not self._prepared.make_room(least_bytes):  # before anything is built
            raise Refusal(RefusalKind.UNFIT, self._too_large(least_bytes))
        build = partial(self._build, model, recipe, idle_s=idle_s, least_bytes=least_bytes)
        plan: PreparedPlan = await self._load(self._loader, build)
        if not self._prepared.put(digest, plan, plan.size_bytes):
            raise Refusal(RefusalKind.UNFIT, self._too_large(plan.size_bytes))
        return plan.times

    def _too_large(self, size_bytes: int) -> str:
        budget_bytes = self._prepared.budget_bytes
        return (
            f"this plan takes {size_bytes / 1e6:.0f} MB here, where plans may have "
            f"{budget_bytes / 1e6:.0f} MB; give the server more memory"
        )

    async def converse(self, stream: Incoming) -> None:
        """Answer the requests of a device."""
        if (busy := self.admission.open_stream(stream.peer)) is not None:
            await first_word(stream)
            raise Refusal.of(busy)
        try:
            await EdgeConversation(self, stream).run()
        finally:
            self.admission.close_stream(stream.peer)

    @contextmanager
    def loading(self, peer: str) -> Iterator[None]:
        """A peer asks for a plan or a profile.

        Raises:
            Refusal: too much is asked for already.
        """
        if (busy := self.admission.begin_load(peer)) is not None:
            raise Refusal.of(busy)
        try:
            yield
        finally:
            self.admission.end_load(peer)

    def find(self, recipe_sha256: str) -> PreparedPlan | None:
        """A plan that has been prepared."""
        return self._prepared.get(recipe_sha256)

    def metrics_text(self) -> str:
        """What was counted, and what there is now, in Prometheus' format."""
        gauges = {
            "streams": self.admission.streams,
            "requests": self.admission.requests,
            "requests_held_bytes": self.admission.bytes,
            "backlog_seconds": self.workers.backlog_s,
            "plans": len(self._prepared),
            "plans_held_bytes": self._prepared.held_bytes,
        }
        return self.metrics.text(gauges)

    async def _load(self, loader: Loader, work: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(LONGEST_REQUEST_S):
                return await loader.do(work)
        except TimeoutError:
            reason = f"it took longer than the {LONGEST_REQUEST_S:g} s that are given here"
            raise Refusal(RefusalKind.SILENT, reason) from None
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        except MemoryError:
            raise Refusal(RefusalKind.EXHAUSTED, "not enough memory here") from None

    def _profile(self, reference: ModelReference) -> bytes:
        key = (reference.sha256, reference.input_shape)
        if key not in self._profiles:
            model = self._store.get(reference)
            # On a worker's thread, so that no inference disturbs the measurement; by and by, so
            # that none waits for all of it.
            with timed_on(self.workers.pool):
                profile = self._profiler(model, execution=self._execution)
            self._profiles[key] = jsonfile.encode(profile)
        return self._profiles[key]

    def _checked(self, recipe: Recipe) -> tuple[Model, int]:
        """The model of a recipe, and how many bytes its sessions take at least."""
        model = self._store.get(recipe.model)
        check_recipe(recipe, model.graph)
        return model, declared_bytes(recipe, model.graph)

    def _build(
        self, model: Model, recipe: Recipe, *, idle_s: float, least_bytes: int
    ) -> PreparedPlan:
        release_free_memory()  # of plans that have gone
        before_bytes = resident_bytes()
        share = EdgeShare(model, recipe, execution=self._execution)
        # On a worker's thread, where it will run and so that no inference disturbs the times.
        wait_s = min(max(idle_s, 0.0), _LONGEST_WAIT_S)
        rehearse = partial(share.rehearse, wait_s=wait_s)
        job = self.workers.pool.submit(copy_context().run, rehearse)
        times = job.result()
        release_free_memory()
        size_bytes = max(least_bytes, resident_bytes() - before_bytes)
        tell(
            "prepared",
            model=recipe.model.name[:80],
            recipe=recipe.sha256[:12],
            paths=len(recipe.cuts),
            bytes=size_bytes,
        )
        return PreparedPlan(share, times, size_bytes)

    def close(self) -> None:
        """Let the threads go."""
        self.workers.close()
        self._loader.close()
        self._measuring.close()
