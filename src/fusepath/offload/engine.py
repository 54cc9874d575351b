"""What works behind a session: an event loop on a thread of its own.

It answers frames with the best plan that is prepared, while `PlanSearch` looks for a better one. A
plan takes over between two frames. Now and then the clocks are compared, while nothing else is on
the link.

The engine knows nothing of the session, so that a session that nobody holds any more can go.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fusepath.errors import ClosedError, FusepathError, InputError, PeerError
from fusepath.offload.background import Background, seen
from fusepath.offload.device import check_image
from fusepath.offload.pairing import Pairing, Prepared
from fusepath.offload.plan_search import PlanSearch
from fusepath.offload.statistics import Counter
from fusepath.plan import Plan
from fusepath.remote.client import EdgeClient
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.offload.order import Order
    from fusepath.remote.transport import Channel

logger = logging.getLogger(__name__)

_CLOCKS_EVERY_S = 10.0
_CLOSING_S = 5.0
CLOSED = (
    "this session is closed, or was made before a fork; make a session in the process that uses it"
)


class Engine:
    """Runs until it is closed.

    Args:
        order: what is asked for; it is taken to have been checked.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.counter = Counter()
        self.current: Prepared | None = None
        """The plan in use."""
        self.error: BaseException | None = None
        """Why no better plan is being looked for any more."""
        self.ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.closed = False
        self._background = Background()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._serve_loop, name="fusepath-session", daemon=True
        )
        self._thread.start()
        self._running: concurrent.futures.Future[None] = self.submit(self._run())

    def submit(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Do something on the loop; from any thread but the loop's own.

        Raises:
            ClosedError: there is no loop any more.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise ClosedError(CLOSED) from None

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something on the loop and wait for it.

        An interrupt while waiting gives the work up.

        Raises:
            ClosedError: the engine was closed meanwhile.
        """
        future = self.submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ClosedError(CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def _serve_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with suppress(RuntimeError):  # an interpreter that exits starts no threads
                self._loop.run_until_complete(_cancel_others())  # who called at the last moment
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    # ------------------------------------------------------------------ answering frames

    async def infer(
        self, image: Array, begun_s: float, companions: Mapping[str, Array]
    ) -> Inference:
        """One inference with the plan in use.

        Raises:
            FusepathError: there is no plan, and there will be none; or its edge server failed.
        """
        self._meet(image)
        if self.current is None:
            await asyncio.shield(self._first)
        prepared = self.current
        assert prepared is not None
        try:
            inference = await self._pairing.infer(
                prepared, image, begun_s=begun_s, companions=companions
            )
        except PeerError:
            if self.closed:  # which ends streams as well, maybe before whoever waits for them
                raise ClosedError(CLOSED) from None
            raise
        self.counter.add(inference, prepared.recipe_sha256)
        return inference

    def _meet(self, image: Array) -> None:
        """See to it that plans are for frames of this type."""
        plan = self._order.plan
        if isinstance(plan, Plan):
            check_image(image, self._order.model, plan)
        sample = self._plans.sample
        if not sample.done():
            sample.set_result(image.copy())
        elif sample.result().dtype != image.dtype:
            # Pixels before, values now, or the other way round: all that was planned is void.
            self._give_up()
            self._begin(image.copy())

    def _give_up(self) -> None:
        """Look for plans no longer."""
        self._searching.cancel()
        self._plans.give_up()

    # ------------------------------------------------------------------ looking for plans

    async def _run(self) -> None:
        """The engine's life."""
        order = self._order
        self._channel: Channel | None = None
        self._pairing = Pairing(
            model=order.model,
            emulation=order.options.emulation,
            threads=order.options.threads,
            background=self._background,
        )
        self._begin(order.options.sample)
        try:
            while True:
                await asyncio.sleep(_CLOCKS_EVERY_S)
                if self.current is not None and not self.current.is_local:
                    with suppress(FusepathError):  # an inference that needs the server will tell
                        await self._pairing.compare_clocks()
        finally:
            self._give_up()
            with suppress(asyncio.CancelledError, Exception):
                await self._searching
            if self._channel is not None:
                await self._channel.close()

    def _begin(self, sample: Array | None) -> None:
        """Look for plans from the start."""
        loop = asyncio.get_running_loop()
        self.current = None
        self._first: asyncio.Future[None] = loop.create_future()
        self._first.add_done_callback(seen)
        self._plans = PlanSearch(self._order, self._pairing, self._connect, self._use)
        if sample is not None:
            self._plans.sample.set_result(sample)
        self._searching = loop.create_task(self._search())

    async def _search(self) -> None:
        try:
            await self._plans.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.error = error
            self._settle(error)
            if not isinstance(error, FusepathError):
                logger.info("looking for a plan failed", exc_info=error)
            if self._plans.local is not None:  # which may do without whatever has failed
                await asyncio.wait([self._plans.local])
            if not self._first.done():
                self._first.set_exception(error)
        else:
            self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        """Tell who waits for the best plan; whoever does so first is right."""
        with suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(error)

    def _use(self, prepared: Prepared) -> None:
        self.current = prepared
        if not self._first.done():
            self._first.set_result(None)

    async def _connect(self) -> None:
        order = self._order
        if self._channel is not None:
            return
        if order.edge is None:
            raise InputError("this plan needs an edge server; give its address (edge)")
        if order.edge == MEMORY:
            service = EdgeService(ModelStore.of(order.model), threads=order.options.threads)
            self._channel = MemoryChannel(service)
        else:
            self._channel = await GrpcChannel.open(order.edge, timeout_s=order.timeout.connect_s)
        self._pairing.client = EdgeClient(self._channel, order.timeout)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """End everything; from any thread but the loop's own."""
        if self.closed:
            return
        self.closed = True
        self._settle(ClosedError(CLOSED))
        if not self._loop.is_running():
            return  # in a forked child, or where the loop's thread has ended already
        self._running.cancel()
        self.submit(self._end())
        self._background.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSING_S)
            self._pairing.close()

    async def _end(self) -> None:
        await _cancel_others()
        self._loop.stop()

    def forget(self) -> None:
        """In a forked child, which has none of the threads: nothing of it may be touched."""
        self.closed = True


async def _cancel_others() -> None:
    """Give up all other tasks of this loop."""
    await asyncio.sleep(0)  # let what was only just submitted become tasks
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSING_S)
