"""Frames of one stream on their way through a session: an `InFlight` decides, here it is done."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

from fusepath.errors import ClosedError, DroppedError, InputError
from fusepath.offload.loop_thread import CLOSED
from fusepath.protocol.in_flight import (
    Begin,
    Deliver,
    Drop,
    Ended,
    InFlight,
    Offered,
    Stopped,
    Taken,
    WhenFull,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from fusepath.offload.inference import Inference
    from fusepath.protocol.in_flight import Event

    Work = Callable[[], Coroutine[Any, Any, Inference]]
    Start = Callable[[Coroutine[Any, Any, Inference]], Future[Inference]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How many frames are under way at a time, and what becomes of the others.

    Raises:
        InputError: fewer than none, no whole number, or no `WhenFull`.
    """

    in_flight: int = 3
    """Frames that are computed, sent, or whose results have not been taken."""
    waiting: int = 1
    """Frames that may wait besides."""
    when_full: WhenFull = WhenFull.WAIT
    """What becomes of a frame that comes while so many wait."""

    def __post_init__(self) -> None:
        for name, number in (("in_flight", self.in_flight), ("waiting", self.waiting)):
            if isinstance(number, bool) or not isinstance(number, Integral):
                raise InputError(f"{name} {number!r} is no whole number of frames")
        if not isinstance(self.when_full, WhenFull):
            known = ", ".join(map(str, WhenFull))
            raise InputError(f"when_full {self.when_full!r} is none of {known}")
        if self.in_flight < 1:
            raise InputError(f"in_flight {self.in_flight}: one frame at least must be under way")
        if self.waiting < (self.when_full is WhenFull.LATEST):
            raise InputError(f"waiting {self.waiting}: the latest frame must have a place to wait")


USUAL_FLOW = Flow()


@dataclass(slots=True)
class _Frame:
    work: Work
    result: Future[Inference]
    """What the application sees; done when delivered."""
    job: Future[Inference] | None = None


class Line:
    """Carries out an `InFlight`'s commands; from any thread.

    Args:
        flow: how many.
        start: begins an inference on the session's loop.
        dropped: told of every frame that gives way to a later one.
    """

    def __init__(self, flow: Flow, start: Start, dropped: Callable[[], None]) -> None:
        self._machine = InFlight(flow.in_flight, flow.waiting, flow.when_full)
        self._start, self._dropped = start, dropped
        self._lock = threading.RLock()
        self._offered = 0
        self._frames: dict[int, _Frame] = {}
        """Those that have not been delivered."""
        self._delivered: dict[Future[Inference], int] = {}
        """Those that have not been taken."""
        self._for_room: list[Future[None]] = []
        self._for_the_end: list[Future[None]] = []
        self.stopped = False
        self._closed = False
        self._for_close: list[Future[None]] = []

    def offer(self, work: Work) -> Future[Inference] | None:
        """Have a frame answered; None where there is no room for it (`room`).

        Its result is there when those of all frames before it are. One that gives way to a later
        frame ends with a `DroppedError`.

        Raises:
            ClosedError: the session is closed.
        """
        with self._lock:
            if self._closed:
                raise ClosedError(CLOSED)
            if not self._machine.has_room:
                return None
            frame = _Frame(work, Future())
            number, self._offered = self._offered, self._offered + 1
            self._frames[number] = frame
            settled = self._tell(Offered(number))
        _settle(settled)
        return frame.result

    def room(self) -> Future[None]:
        """Done once there may be room for a frame, or nobody wants results any more."""
        with self._lock:
            return _once(self._for_room, self._machine.has_room)

    def end(self) -> Future[None]:
        """Done once what has come of every frame so far has been delivered."""
        with self._lock:
            return _once(self._for_the_end, not self._frames)

    def until_closed(self) -> Future[None]:
        """Done once the session is closed."""
        with self._lock:
            return _once(self._for_close, self._closed)

    def close(self) -> None:
        """The session is closed: frames that are under way fail by themselves."""
        with self._lock:
            self._closed = True
            waiting = [*self._for_close, *self._for_room]
            self._for_close.clear()
            self._for_room.clear()
        _settle([partial(_done, future) for future in waiting])

    def taken(self, result: Future[Inference]) -> None:
        """The application has the result of a frame, and another one may begin."""
        with self._lock:
            number = self._delivered.pop(result, None)
            settled = [] if number is None else self._tell(Taken(number))
        _settle(settled)

    def stop(self) -> None:
        """Nobody wants results any more: what waits is forgotten."""
        with self._lock:
            self.stopped = True
            self._delivered.clear()
            settled = self._tell(Stopped())
        _settle(settled)

    def _tell(self, event: Event) -> list[Callable[[], None]]:
        """Let the machine know, and do what it says; what futures are to be told besides."""
        events, settled = deque([event]), list[Callable[[], None]]()
        while events:
            for command in self._machine.handle(events.popleft()):
                match command:
                    case Begin(number):
                        if not self._begin(self._frames[number], number):
                            events.append(Ended(number))
                    case Drop(number):
                        settled.append(partial(self._drop, self._frames.pop(number).result))
                    case Deliver(number):
                        frame = self._frames.pop(number)
                        if frame.job is None:
                            events.append(Taken(number))  # nobody waits for it
                        else:
                            self._delivered[frame.result] = number
                            settled.append(partial(_hand_on, frame.job, frame.result))
        for waiting, now in (
            (self._for_room, self._machine.has_room),
            (self._for_the_end, not self._frames),
        ):
            while waiting and now:
                settled.append(partial(_done, waiting.pop()))
        return settled

    def _begin(self, frame: _Frame, number: int) -> bool:
        """Begin with a frame; False if it has ended at once."""
        if not frame.result.set_running_or_notify_cancel():
            return False
        try:
            frame.job = self._start(frame.work())
        except ClosedError as error:
            frame.job = Future()
            frame.job.set_exception(error)
            return False
        frame.job.add_done_callback(lambda _: self._ended(number))
        return True

    def _ended(self, number: int) -> None:
        with self._lock:
            if self.stopped:
                self._frames.pop(number)
            settled = self._tell(Ended(number))
        _settle(settled)

    def _drop(self, result: Future[Inference]) -> None:
        if not self.stopped:
            self._dropped()
        with suppress(InvalidStateError):  # it was given up before
            result.set_exception(DroppedError("a later frame took the place of this one"))


def _settle(settled: list[Callable[[], None]]) -> None:
    """Tell futures, whose callbacks are the application's: not while a lock is held."""
    for tell in settled:
        tell()


def _done(future: Future[None]) -> None:
    """Tell whoever waits for it; nobody may by now."""
    if future.set_running_or_notify_cancel():
        future.set_result(None)


def _once(waiting: list[Future[None]], now: bool) -> Future[None]:
    future: Future[None] = Future()
    if now:
        future.set_result(None)
    else:
        waiting.append(future)
    return future


def _hand_on(job: Future[Inference], result: Future[Inference]) -> None:
    if job.cancelled():
        result.set_exception(ClosedError("the session was closed meanwhile"))
    elif (error := job.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(job.result())


def check_frames(frames: object, *, may_await: bool = False) -> None:
    """Raise unless frames can be fetched from something, one after the other.

    Args:
        frames: whatever was given.
        may_await: takes asynchronous iterables, too.

    Raises:
        InputError: it is no iterable.
    """
    if isinstance(frames, Iterable) or hasattr(frames, "__getitem__"):
        return
    if not isinstance(frames, AsyncIterable):
        raise InputError(
            f"frames is a {type(frames).__name__}, but an iterable is wanted that gives one frame "
            f"after the other, like a generator or a list"
        )
    if not may_await:
        raise InputError("frames come asynchronously; AsyncSession.stream takes such")


def streamed(
    line: Line, frames: Iterable[Any], work_of: Callable[[Any], Work]
) -> Iterator[Inference]:
    """Results of frames in their order; frames are taken on a thread of their own.

    Raises:
        FusepathError: a frame failed, or does not fit; and whatever the frames raise.
    """
    results: queue.SimpleQueue[Future[Inference] | BaseException | None] = queue.SimpleQueue()

    def put(result: Future[Inference]) -> None:
        if not _is_dropped(result):
            results.put(result)

    def pull() -> None:
        last: BaseException | None = None
        try:
            for frame in frames:
                work = work_of(frame)
                while (result := line.offer(work)) is None:
                    line.room().result()
                result.add_done_callback(put)
                if line.stopped:
                    return
        except BaseException as error:
            last = error
        line.end().add_done_callback(lambda _: results.put(last))

    threading.Thread(target=pull, name="fusepath-frames", daemon=True).start()
    line.until_closed().add_done_callback(lambda _: results.put(ClosedError(CLOSED)))
    try:
        while isinstance(result := results.get(), Future):
            yield _taken(line, result)
        if result is not None:
            raise result
    finally:
        line.stop()


async def streamed_async(
    line: Line, frames: Iterable[Any] | AsyncIterable[Any], work_of: Callable[[Any], Work]
) -> AsyncIterator[Inference]:
    """The same on the event loop of the application; frames that do not await must not block."""
    results: asyncio.Queue[Future[Inference] | BaseException | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def put(result: Future[Inference] | BaseException | None) -> None:
        if isinstance(result, Future) and _is_dropped(result):
            return
        with suppress(RuntimeError):  # the application's loop has ended
            loop.call_soon_threadsafe(results.put_nowait, result)

    async def pull() -> None:
        last: BaseException | None = None
        try:
            async for frame in _each(frames):
                work = work_of(frame)
                while (result := line.offer(work)) is None:
                    await asyncio.wrap_future(line.room())
                result.add_done_callback(put)
        except BaseException as error:
            last = error
        line.end().add_done_callback(lambda _: put(last))

    pulling = asyncio.create_task(pull())
    line.until_closed().add_done_callback(lambda _: put(ClosedError(CLOSED)))
    try:
        while isinstance(result := await results.get(), Future):
            yield _taken(line, result)
        if result is not None:
            raise result
    finally:
        pulling.cancel()
        line.stop()


def _taken(line: Line, result: Future[Inference]) -> Inference:
    """What has come of a frame."""
    try:
        return result.result()
    finally:
        line.taken(result)


def _is_dropped(result: Future[Inference]) -> bool:
    return isinstance(result.exception(), DroppedError)


async def _each(frames: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(frames, AsyncIterable):
        async for frame in frames:
            yield frame
        return
    for frame in frames:
        yield frame
        await asyncio.sleep(0)  # let others have their turn
