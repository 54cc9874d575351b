"""Plans that follow link and machines: `Adapting` decides, and here it is carried out."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fusepath.errors import FusepathError, PeerError, is_final
from fusepath.offload.background import seen
from fusepath.offload.observed import answered, is_crowded, probed
from fusepath.offload.passages import Passages, bytes_of
from fusepath.offload.plan_map import PlanMap
from fusepath.plan import limit_violations
from fusepath.protocol.adapting import (
    LINKS,
    Adapting,
    Back,
    Crowded,
    Drop,
    Forgotten,
    Known,
    NotNow,
    Prepare,
    Probe,
    ProbeFailed,
    Ready,
    Search,
    Told,
    Unfit,
    Use,
)
from fusepath.runtime.allocator import release_free_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from fusepath.graph import ModelGraph
    from fusepath.offload.inference import Inference
    from fusepath.offload.pairing import Prepared
    from fusepath.offload.replanning import Replanning
    from fusepath.plan import Constraints
    from fusepath.protocol.adapting import Conditions, Event

T = TypeVar("T")

logger = logging.getLogger(__name__)

_ROOM = (3, 10)
"""So many plans are ready at a time, at least and at most:"""
_ROOM_BYTES = 1 << 28
"""as many as hold so much of weights together."""
_PROBE_WITHIN_S = 2.0
_STREAM = 50
"""After so many frames more will follow, and a book of plans is worth the time that it takes."""


def room_for(graph: ModelGraph, limits: Constraints) -> int:
    """How many plans for a network are ready at a time, beside that of the device alone."""
    weights_bytes = sum(op.weight_bytes for op in graph.operators(1, graph.depth))
    room_bytes = min(_ROOM_BYTES, limits.device_memory_bytes or _ROOM_BYTES)
    least, most = _ROOM
    return min(max(room_bytes // max(weights_bytes, 1), least), most)


class Adaptation:
    """Watches over a link and two machines, and has the plan used that is best; on an event loop.

    Args:
        replanning: looks for plans.
        use: has a prepared plan answer frames from now on.
    """

    def __init__(self, replanning: Replanning, use: Callable[[Prepared], None]) -> None:
        self._replanning, self._use = replanning, use
        self._pairing = replanning.pairing
        self._ready: dict[str, Prepared] = {}
        self._plans: PlanMap
        self._probing: asyncio.Future[None]
        self._probes = Passages()
        self._frames = 0
        self._instance: int | None = None
        """The edge server that plans are ready on."""
        self._works: set[asyncio.Future[None]] = set()
        self._computing = 0
        """So many of them keep machines busy; a frame beside them shows nothing of these."""
        self.machine: Adapting | None = None
        """None until it is known what plans are made for."""

    def begin(self, current: Prepared) -> None:
        """Begin with a plan in use."""
        self._start(self._begin(current), "plans do not follow link and machines")

    async def _begin(self, current: Prepared) -> None:
        setting = await self._replanning.setting()
        self._plans = PlanMap(setting)
        graph, limits = self._pairing.model.graph, self._replanning.request.constraints
        reserve = self._pairing.reserve
        if reserve is not None and limit_violations(reserve.plan, graph, limits):
            reserve = None  # falling back may break limits, and plans may not
        kept = {} if reserve is None else {reserve.recipe_sha256: reserve}
        known = {current.recipe_sha256: current} | kept
        for prepared in known.values():
            await self._take_in(self._plans.rehearsed, prepared)
        self._ready = known
        self.machine = Adapting(
            self._plans.predicted_s,
            current.recipe_sha256,
            room=room_for(graph, limits),
            up_bytes_per_s=setting.link.up_bytes_per_s,
            delay_s=setting.link.delay_s,
            kept=frozenset(kept),
        )
        self._instance = self._server
        for name in known:
            self.tell(Ready(name))
        self._told()

    @contextmanager
    def _kept_busy(self) -> Iterator[None]:
        """While machines compute something else than frames."""
        self._computing += 1
        try:
            yield
        finally:
            self._computing -= 1

    async def _make_book(self) -> None:
        with self._kept_busy():
            await self._replanning.explore(self._plans)
            await self._foresee()
            await self._give_back_memory()
        self.tell(Known(self._plans.names))

    def close(self) -> None:
        """Give up what is at work."""
        for work in self._works:
            work.cancel()

    def see(self, inference: Inference, prepared: Prepared) -> None:
        """Take in a frame that was answered as planned."""
        if self.machine is None:
            return
        self._frames += 1
        begun_s = time.perf_counter() - inference.latency_s
        if self._frames == _STREAM:
            self._start(self._make_book(), "there is no book of plans", Known(self._plans.names))
        self.tell(
            answered(
                inference,
                prepared,
                self._plans.setting.link,
                further_s=self.machine.conditions.further_s,
                beside=self._computing > 0,
                others_bytes=bytes_of(self._probes.since(begun_s)),
            )
        )

    async def look(self) -> None:
        """Take in what the link is like after it was of no use, and use what is best then."""
        if self.machine is None:
            return
        self.tell(Known(self._plans.names))  # what could not be made ready meanwhile may be now
        self._note_server()
        self.tell(Back())
        while not self._probing.done():
            await asyncio.wait([self._probing])

    def tell(self, event: Event) -> None:
        """Let the machine know what has happened, and do what it says."""
        assert self.machine is not None  # or nothing happens yet
        for command in self.machine.handle(event):
            match command:
                case Use(plan, why):
                    self._replanning.order.say(f"another plan is used, {why}")
                    self._use(self._ready[plan])
                case Prepare(plan):
                    said = "a plan could not be made ready"
                    self._start(self._prepare(plan), said, Unfit(plan))
                case Drop(plan):
                    del self._ready[plan]
                case Probe(size_bytes):
                    said = "the link could not be probed"
                    self._probing = self._start(self._probe(size_bytes), said, ProbeFailed())
                case Search(conditions):
                    self._start(self._search(conditions), "no plan was found", Known(()))

    def _start(
        self, work: Coroutine[Any, Any, None], said: str, otherwise: Event | None = None
    ) -> asyncio.Future[None]:
        """Have something done; if it fails, `said` is logged, and the machine told `otherwise`."""
        task = asyncio.ensure_future(self._see_done(work, said, otherwise))
        self._works.add(task)
        task.add_done_callback(seen)
        task.add_done_callback(self._works.discard)
        return task

    async def _see_done(
        self, work: Coroutine[Any, Any, None], said: str, otherwise: Event | None
    ) -> None:
        """Whatever goes wrong, the machine learns of it: it asks for nothing else until then."""
        try:
            await work
        except FusepathError as error:
            logger.info("%s: %s", said, error)
        except Exception:
            logger.exception("%s, and nobody foresaw why", said)
        else:
            return
        if otherwise is not None:
            self.tell(otherwise)

    @property
    def _server(self) -> int | None:
        """Which edge server there is, by what it drew when it was started."""
        client = self._pairing.client
        return None if client is None else client.instance

    def _note_server(self) -> None:
        if self._instance != self._server:
            self._instance = self._server
            self.tell(Forgotten())

    async def _prepare(self, plan: str) -> None:
        try:
            await self._make_ready(plan)
        except Exception as error:
            if isinstance(error, PeerError) and not is_final(error):
                logger.info("a plan could not be made ready yet: %s", error)
                self.tell(NotNow(plan))
                return
            self._ready.pop(plan, None)
            raise
        self.tell(Ready(plan))

    async def _make_ready(self, plan: str) -> None:
        if plan in self._ready:  # here; the edge server has forgotten it
            await self._pairing.prepare_again(self._ready[plan])
            return
        with self._kept_busy():
            made, sample = self._plans.plan(plan), self._replanning.sample
            prepared = await self._pairing.prepare(made, sample)
            await self._take_in(self._plans.rehearsed, prepared)
            await self._give_back_memory()
        self._ready[plan] = prepared

    async def _probe(self, size_bytes: int) -> None:
        client = self._pairing.client
        assert client is not None  # or there is no link
        within_s = min(_PROBE_WITHIN_S, client.timeout.connect_s)
        sent = self._probes.begin(up_bytes=size_bytes, down_bytes=size_bytes)
        with sent, self._pairing.frames.watch() as beside:
            empty_s, up_s, down_s = [
                await client.exchange_s(up_bytes=up, down_bytes=down, timeout_s=within_s)
                for up, down in ((0, 0), (size_bytes, 0), (0, size_bytes))
            ]
        for frame in beside:  # or it is not known how much each sends
            await frame.over.wait()
        self._note_server()  # nothing else shows that it is another, where frames need none
        self._told()
        others_bytes = bytes_of(beside)
        if is_crowded(size_bytes, others_bytes):
            self.tell(Crowded(size_bytes))
            return
        link = self._plans.setting.link
        self.tell(probed(size_bytes, (empty_s, up_s, down_s), link, others_bytes))

    def _told(self) -> None:
        """Take in what the edge server says of its load, which plans without it do not show."""
        if self._pairing.client is not None:
            self.tell(Told(self._pairing.client.edge_slowness))

    async def _search(self, conditions: Conditions) -> None:
        with self._kept_busy():
            plans = await self._replanning.plans_for(self._plans, conditions)
            await self._take_in(self._plans.add_plans, plans)
            await self._give_back_memory()
        self.tell(Known(tuple(plan.recipe_sha256 for plan in plans)))

    async def _take_in(self, change: Callable[[T], None], news: T) -> None:
        """Learn more of plans, and what they take elsewhere, before anybody has to wait for it."""
        await self._pairing.background.aside(change, news)
        await self._foresee()

    async def _foresee(self) -> None:
        await self._pairing.background.aside(self._plans.foresee, LINKS)

    async def _give_back_memory(self) -> None:
        """Or a session seems to grow for as long as it plans beside its frames."""
        await self._pairing.background.do(release_free_memory)
