"""Whoever waits for a session is told of its end; whoever waits no longer disturbs nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fusepath
from fusepath.errors import ClosedError
from fusepath.offload.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"
FRAME = np.zeros((64, 64, 3), np.uint8)
WITHIN_S = 20.0


def options(in_flight: int = 3, waiting: int = 1) -> dict[str, object]:
    flow = fusepath.Flow(in_flight=in_flight, waiting=waiting)
    return {"options": fusepath.SessionOptions(remember=False, flow=flow)}


@pytest.mark.parametrize("edge", [None, "memory:"])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_frames_that_wait_end_with_the_session(edge, in_flight):
    with fusepath.Session(SOURCE, edge, **options(in_flight, waiting=10)) as held:
        held.infer(FRAME)
        results = [held.submit(FRAME) for _ in range(in_flight + 10)]
    ends = [result.exception(WITHIN_S) for result in results]

    assert all(error is None or isinstance(error, ClosedError) for error in ends)
    assert isinstance(ends[-1], ClosedError)


def test_who_waits_for_room_is_told_of_the_end():
    told: list[BaseException] = []
    with fusepath.Session(SOURCE, **options(in_flight=1, waiting=0)) as held:
        held.infer(FRAME)
        held.submit(FRAME).add_done_callback(lambda _: time.sleep(0.2))  # on the session's thread

        def submit() -> None:
            try:
                while True:
                    held.submit(FRAME)
            except ClosedError as error:
                told.append(error)

        waiting = threading.Thread(target=submit, daemon=True)
        waiting.start()
        time.sleep(0.05)
    waiting.join(WITHIN_S)

    assert len(told) == 1


def test_a_stream_that_waits_for_its_next_frame_ends_with_the_session():
    begun, never = threading.Event(), threading.Event()

    def camera() -> Iterator[np.ndarray]:
        yield FRAME
        begun.set()
        never.wait(WITHIN_S)

    told: list[BaseException] = []
    with fusepath.Session(SOURCE, **options()) as held:

        def read() -> None:
            try:
                for _ in held.stream(camera()):
                    pass
            except ClosedError as error:
                told.append(error)

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        assert begun.wait(WITHIN_S)
    reading.join(WITHIN_S)
    never.set()

    assert len(told) == 1


def test_a_stream_of_a_program_with_a_loop_of_its_own_does_as_well():
    async def main() -> None:
        never = asyncio.Event()

        async def camera() -> AsyncIterator[np.ndarray]:
            yield FRAME
            await never.wait()

        held = fusepath.AsyncSession(SOURCE, **options())
        streaming = held.stream(camera())
        await anext(streaming)
        closing = asyncio.create_task(held.close())
        with pytest.raises(ClosedError):
            await anext(streaming)
        await closing

    asyncio.run(asyncio.wait_for(main(), WITHIN_S))


class _OwnError(BaseException):
    pass


@pytest.mark.parametrize("raised", [asyncio.CancelledError, ValueError, _OwnError])
def test_whatever_frames_raise_that_come_asynchronously_ends_their_stream(raised):
    async def main() -> None:
        async def camera() -> AsyncIterator[np.ndarray]:
            yield FRAME
            await asyncio.sleep(0)
            raise raised

        async with fusepath.AsyncSession(SOURCE, **options()) as held:
            streaming = held.stream(camera())
            await anext(streaming)
            with pytest.raises(raised):
                await anext(streaming)

    asyncio.run(asyncio.wait_for(main(), WITHIN_S))


@pytest.mark.parametrize("leaving", [1, 2, 5])
def test_who_no_longer_waits_for_room_leaves_the_others_their_turn(leaving):
    async def main() -> list[bool]:
        async with fusepath.AsyncSession(SOURCE, **options(in_flight=1, waiting=0)) as held:
            await held.infer(FRAME)

            async def answered() -> None:
                await (await held.submit(FRAME))

            asking = [asyncio.create_task(answered()) for _ in range(6)]
            await asyncio.sleep(0.001)
            asking[leaving].cancel()
            done, _ = await asyncio.wait(asking, timeout=WITHIN_S)
            return [task in done and not task.cancelled() for task in asking]

    assert asyncio.run(main()) == [number != leaving for number in range(6)]


def test_whatever_is_submitted_while_a_loop_ends_is_settled():
    async def nothing() -> None:
        pass

    for _ in range(20):
        loop, futures = LoopThread(), []

        def submit(loop: LoopThread = loop, futures: list = futures) -> None:
            try:
                while True:
                    futures.append(loop.submit(nothing()))
            except ClosedError:
                return

        asking = threading.Thread(target=submit)
        asking.start()
        time.sleep(0.002)
        loop.end(nothing())
        asking.join(WITHIN_S)
        assert loop.join()
        assert futures
        assert all(future.done() for future in futures)


def test_frames_of_another_type_wait_for_those_that_came_first():
    """What plans are for changes with the type: one after the other, and each is answered."""
    answers: dict[str, fusepath.Inference] = {}
    with fusepath.Session(SOURCE, **options()) as held:

        def ask(frame: np.ndarray) -> None:
            answers[frame.dtype.name] = held.infer(frame)

        asking = [
            threading.Thread(target=ask, args=(FRAME.astype(dtype),), daemon=True)
            for dtype in ("uint8", "float32")
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(WITHIN_S)

    assert answers.keys() == {"uint8", "float32"}


def test_types_of_frames_in_turn_are_all_answered():
    counts = dict.fromkeys(("uint8", "float32"), 0)
    with fusepath.Session(SOURCE, "memory:", **options()) as held:

        def ask(dtype: str) -> None:
            for _ in range(5):
                held.infer(FRAME.astype(dtype))
                counts[dtype] += 1

        asking = [threading.Thread(target=ask, args=(dtype,), daemon=True) for dtype in counts]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(3 * WITHIN_S)

    assert counts == {"uint8": 5, "float32": 5}
