"""The edge server's work: holds models, prepares plans, finishes what devices have begun.

It knows no transport: calls come as messages and streams, and a no is a `Refusal`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fusepath import jsonfile
from fusepath.errors import FusepathError
from fusepath.plan import ModelReference, Recipe, check_recipe
from fusepath.profiling.layers import measure_layers
from fusepath.protocol.admission import Admission, Room
from fusepath.protocol.framing import RefusalKind
from fusepath.protocol.shelf import Shelf
from fusepath.remote.edge_conversation import EdgeConversation
from fusepath.remote.journal import tell
from fusepath.remote.kept_shares import KeptShares
from fusepath.remote.limits import LONGEST_REQUEST_S, MAX_PROBE_BYTES
from fusepath.remote.loader import Loader
from fusepath.remote.measuring.here import MeasuringHere
from fusepath.remote.memory_budget import MemoryBudget
from fusepath.remote.metrics import Metrics
from fusepath.remote.open_inference.whole_model import WholeModel
from fusepath.remote.prepared import PreparedPlan
from fusepath.remote.shared_work import SharedWork
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.workers import Workers
from fusepath.runtime.allocator import release_free_memory, resident_bytes
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes, declared_bytes
from fusepath.runtime.execution import ON_CPU, Execution

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from fusepath.cost import MachineProfile
    from fusepath.onnx_io import Model
    from fusepath.profiling.layers import Profiler
    from fusepath.remote.model_store import ModelStore
    from fusepath.remote.transport import Incoming

T = TypeVar("T")

_ModelKey = tuple[str, tuple[int, ...]]
"""Digest and shape of the input."""
_PROFILES_BYTES = 16 * 2**20
"""Of profiles that are remembered, some ten kilobytes each."""
_FIRST_WORD_S = 1.0
"""How long a device that is to be refused is listened to."""
_MEASURED_WITHIN_S = 5.0
"""After which it is worth asking whether a model is still being measured."""
_LONGEST_WAIT_S = 0.003
"""Longer idle times make a machine no slower, and preparing would take its time."""


class Measuring(Protocol):
    """Measures this machine for models, and tries out what is to run on it."""

    lend: Callable[[int], None]
    """Is told what memory that takes beside this process."""

    async def measure(self, reference: ModelReference) -> MachineProfile:
        """The profile; whoever is cancelled ends the work.

        Raises:
            FusepathError: there is no such model, or it cannot be run.
            Refusal: for another reason.
        """

    async def vet_plan(self, recipe: Recipe) -> None:
        """Come to an end, unless a plan would end the process that it is prepared in.

        Raises:
            FusepathError: as of `measure`.
            Refusal: it would, or for another reason.
        """

    async def vet_whole(self, reference: ModelReference) -> None:
        """The same of a model as it is.

        Raises:
            FusepathError: as of `measure`.
            Refusal: as of `vet_plan`.
        """

    def close(self) -> None:
        """End what is being measured."""


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
        workers: compute paths; one thread of this process unless told otherwise.
        execution: what to compute on.
        profiler: measures this machine for a device that asks: a function within this process, or
            what measures, and vets plans, apart from it.
        overlaps: False computes nothing before everything has arrived.
        room: how much may be under way.
        plans_bytes: memory that prepared plans may take, a quarter of this machine's where it is
            not said; those not used for longest go first, and are prepared again when asked for.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        workers: Workers | None = None,
        execution: Execution = ON_CPU,
        profiler: Profiler | Measuring = measure_layers,
        overlaps: bool = True,
        room: Room = Room(),
        plans_bytes: int | None = None,
    ) -> None:
        self.overlaps = overlaps
        self._store = store
        self._execution = execution
        self._prepared: Shelf[str, PreparedPlan | WholeModel] = Shelf(
            MemoryBudget.of_this_machine().plans_bytes if plans_bytes is None else plans_bytes
        )
        self._preparing: SharedWork[EdgeTimes] = SharedWork()
        self._building: SharedWork[WholeModel] = SharedWork()
        self._profiling: SharedWork[bytes] = SharedWork()
        self._profiles: Shelf[_ModelKey, bytes] = Shelf(_PROFILES_BYTES)
        self.admission = Admission(room)
        self.metrics = Metrics()
        self.workers = Workers(1) if workers is None else workers
        self.kept = KeptShares()
        self._loader = Loader(gives_way=execution.threads == 1)
        self._measuring: Measuring = (
            MeasuringHere(store, profiler, execution=execution, executor=self.workers.pool)
            if callable(profiler)
            else profiler
        )
        self._measuring.lend = self._prepared.lend
        self._instance = secrets.randbits(64)

    async def clock(self, request: pb.ClockRequest) -> pb.ClockReply:
        """The time here, with as much padding as was asked for."""
        edge_ns = time.monotonic_ns()
        if request.reply_bytes > MAX_PROBE_BYTES:
            raise Refusal(
                RefusalKind.MALFORMED,
                f"{request.reply_bytes} bytes of padding were asked for; "
                f"at most {MAX_PROBE_BYTES} are sent",
            )
        self.metrics.answered_alone += request.answered_alone
        load = self.workers.load
        return pb.ClockReply(
            edge_ns=edge_ns,
            padding=bytes(request.reply_bytes),
            backlog_ns=round(load.backlog_s * 1e9),
            slowness=load.slowness,
            instance=self._instance,
        )

    async def profile(self, request: pb.ModelRequest) -> pb.ProfileReply:
        """Time every layer of a model; measured once, then remembered."""
        reference = ModelReference(
            name=request.name[:80],
            sha256=request.sha256,
            source=request.source,
            input_shape=tuple(request.input_shape),
        )
        key = reference.sha256, reference.input_shape
        profile = self._profiles.get(key)
        if profile is None:
            profile = await self._profiling.do(key, partial(self._measure, key, reference))
        return pb.ProfileReply(profile_json=profile)

    async def _measure(self, key: _ModelKey, reference: ModelReference) -> bytes:
        profile = await self._timely(self._measuring.measure(reference))
        profile_json = jsonfile.encode(profile)
        self._profiles.put(key, profile_json, len(profile_json))
        tell("measured", model=reference.name[:80], sha256=reference.sha256[:12])
        return profile_json

    async def prepare(self, request: pb.PrepareRequest) -> pb.PrepareReply:
        """Check a recipe and build its sessions: once for all that do the same, whoever asks."""
        try:
            recipe = jsonfile.decode(request.recipe_json, Recipe, where="the recipe sent")
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        digest = recipe.sha256
        plan = self.find(digest)
        if plan is not None:
            times = plan.times
        else:
            keep = partial(self._keep, digest, recipe, [ns * 1e-9 for ns in request.idle_ns])
            times = await self._preparing.do(digest, keep)
        return pb.PrepareReply(
            recipe_sha256=digest,
            path_ns=[round(time_s * 1e9) for time_s in times.paths_s],
            tail_ns=round(times.tail_s * 1e9),
            providers=self._execution.providers,
        )

    async def _keep(self, digest: str, recipe: Recipe, idle_s: Sequence[float]) -> EdgeTimes:
        model, least_bytes = await self._load(partial(self._checked, recipe))
        if not self._prepared.make_room(least_bytes):  # before anything is built
            raise self._too_large(least_bytes)
        if self.workers.here:
            await self._timely(self._measuring.vet_plan(recipe))
        build = partial(self._build, model, recipe, idle_s=idle_s, least_bytes=least_bytes)
        plan: PreparedPlan = await self._load(build)
        if not self._prepared.put(digest, plan, plan.size_bytes):
            raise self._too_large(plan.size_bytes)
        return plan.times

    def _too_large(self, size_bytes: int) -> Refusal:
        shelf = self._prepared
        if size_bytes <= shelf.budget_bytes:
            return Refusal(
                RefusalKind.EXHAUSTED,
                f"this takes {size_bytes / 1e6:.0f} MB here, where plans may have "
                f"{shelf.room_bytes / 1e6:.0f} MB while a model is measured",
                _MEASURED_WITHIN_S,
            )
        return Refusal(
            RefusalKind.UNFIT,
            f"this takes {size_bytes / 1e6:.0f} MB here, where plans may have "
            f"{shelf.budget_bytes / 1e6:.0f} MB; give the server more memory",
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
        plan = self._prepared.get(recipe_sha256)
        return plan if isinstance(plan, PreparedPlan) else None

    def holds(self, name: str) -> bool:
        """Whether there is a model of a name; may read files."""
        return self._store.holds(name)

    async def whole_model(self, name: str, peer: str) -> WholeModel:
        """A model by its name, ready to run as it is: built once for all who ask meanwhile."""
        digest = await self._timely(asyncio.to_thread(self._store.digest_of, name))
        key = f"whole:{name}:{digest}"
        kept = self._prepared.get(key)
        if isinstance(kept, WholeModel):
            return kept
        with self.loading(peer):
            return await self._building.do(key, partial(self._keep_whole, key, name))

    async def _keep_whole(self, key: str, name: str) -> WholeModel:
        model: Model = await self._load(partial(self._store.named, name))
        least_bytes = sum(weights.nbytes for weights in model.weights.values())
        if not self._prepared.make_room(least_bytes):  # before anything is built
            raise self._too_large(least_bytes)
        await self._timely(self._measuring.vet_whole(_reference(model)))
        whole: WholeModel
        whole, size_bytes = await self._load(partial(self._build_whole, model))
        if not self._prepared.put(key, whole, max(size_bytes, least_bytes)):
            raise self._too_large(size_bytes)
        tell("built", model=name, bytes=size_bytes)
        return whole

    def _build_whole(self, model: Model) -> tuple[WholeModel, int]:
        release_free_memory()  # of what has gone
        before_bytes = resident_bytes()
        whole = WholeModel(model, execution=self._execution)
        whole.rehearse(self.workers.in_turn)
        release_free_memory()
        return whole, resident_bytes() - before_bytes

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

    async def _load(self, work: Callable[[], Any]) -> Any:
        return await self._timely(self._loader.do(work))

    async def _timely(self, work: Awaitable[T]) -> T:
        """Wait for what takes long, but no longer than is given here; no to what fails."""
        try:
            async with asyncio.timeout(LONGEST_REQUEST_S):
                return await work
        except TimeoutError:
            reason = f"it took longer than the {LONGEST_REQUEST_S:g} s that are given here"
            raise Refusal(RefusalKind.SILENT, reason) from None
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        except MemoryError:
            raise Refusal(RefusalKind.EXHAUSTED, "not enough memory here") from None

    def _checked(self, recipe: Recipe) -> tuple[Model, int]:
        """The model of a recipe, and how many bytes its sessions take at least."""
        model = self._store.get(recipe.model)
        check_recipe(recipe, model.graph)
        return model, declared_bytes(recipe, model.graph)

    def _build(
        self, model: Model, recipe: Recipe, *, idle_s: Sequence[float], least_bytes: int
    ) -> PreparedPlan:
        release_free_memory()  # of plans that have gone
        before_bytes = resident_bytes()
        share = EdgeShare(model, recipe, execution=self._execution, stages=self.workers.stages)
        short_s = [min(max(seconds, 0.0), _LONGEST_WAIT_S) for seconds in idle_s]
        times = share.rehearse(idle_s=short_s, on=self.workers.in_turn)
        release_free_memory()
        here_bytes = resident_bytes() - before_bytes
        size_bytes = max(least_bytes, here_bytes, share.elsewhere_bytes)
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


def _reference(model: Model) -> ModelReference:
    """By which the store finds a model again."""
    graph = model.graph
    return ModelReference(
        name=graph.name, sha256=graph.sha256, source=model.source, input_shape=graph.fed_shape
    )
