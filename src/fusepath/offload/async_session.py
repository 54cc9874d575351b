"""`Session` for programs that run an event loop."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.errors import ClosedError
from fusepath.offload.background import seen
from fusepath.offload.held import Held, waited_in_vain
from fusepath.offload.line import Flow, check_frames, streamed_async
from fusepath.offload.loop_thread import CLOSED
from fusepath.protocol.in_flight import WhenFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from fusepath.arrays import Array
    from fusepath.offload.held import Fed
    from fusepath.offload.inference import Inference


class AsyncSession(Held):
    """`Session` for programs that run an event loop of their own; see there.

    ::

        async with fusepath.AsyncSession("net.onnx", edge="192.168.1.20:7070") as session:
            result = await session.infer(frame)
    """

    async def infer(self, frame: Any, *, outputs: Sequence[str] | None = None) -> Inference:
        """One inference; as `Session.infer`."""
        begun_s = time.perf_counter()
        return await self._answer(self._inputs(frame, outputs), begun_s)

    def stream(
        self,
        frames: Iterable[Any] | AsyncIterable[Any],
        *,
        in_flight: int = 3,
        when_full: WhenFull = WhenFull.WAIT,
        waiting: int = 1,
        outputs: Sequence[str] | None = None,
    ) -> AsyncIterator[Inference]:
        """Inferences of frame after frame, for ``async for``; as `Session.stream`.

        Frames come on the loop of the program: from an asynchronous iterator, or from one that
        does not block.
        """
        check_frames(frames, may_await=True)
        line = self._line(Flow(in_flight=in_flight, waiting=waiting, when_full=when_full))
        return streamed_async(line, frames, partial(self._work, outputs=outputs))

    async def submit(
        self, frame: Any, *, outputs: Sequence[str] | None = None
    ) -> asyncio.Future[Inference]:
        """Begin an inference that overlaps with others; as `Session.submit`."""
        work = self._work(frame, outputs)
        while (result := self._submitted.offer(work)) is None:
            await asyncio.wrap_future(self._submitted.room())
        result.add_done_callback(self._submitted.taken)
        return asyncio.wrap_future(result)

    async def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,  # noqa: ARG002 - for calls written for ONNX Runtime
    ) -> list[Array]:
        """Outputs in the order of their names, all without names; as `Session.run`."""
        begun_s = time.perf_counter()
        fed = self._fed(input_feed, output_names)
        outputs = (await self._answer(fed, begun_s)).outputs
        return [outputs[name] for name in fed.outputs]

    async def _answer(self, fed: Fed, begun_s: float) -> Inference:
        work = asyncio.wrap_future(self._engine.loop.submit(self._infer(fed, begun_s)))
        try:
            inference: Inference = await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._engine.closed and (task is None or not task.cancelling()):
                raise ClosedError(CLOSED) from None
            raise
        return inference

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the best plan that can be found is in use; as `Session.wait_ready`."""
        self._check_open()
        ready = asyncio.wrap_future(self._engine.ready)
        ready.add_done_callback(seen)  # whoever has waited in vain looks at it no more
        done, _ = await asyncio.wait([ready], timeout=timeout_s)
        if not done:
            raise waited_in_vain(timeout_s)
        ready.result()

    async def close(self) -> None:
        """End everything that the session has begun; again is no harm."""
        await asyncio.to_thread(self._finalizer)

    async def __aenter__(self) -> AsyncSession:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
