"""Of what the device is asked for it does what earlier frames need first."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from fusepath.offload.device_thread import DeviceThread
from fusepath.offload.own_answer import OwnAnswer, Reserve
from fusepath.protocol.device_frame import DeliverAlone, Fallback, Stage
from fusepath.protocol.finishing import Assemble, Continue, Continued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.protocol.device_frame import Command, Event

TIMEOUT_S = 30


@pytest.fixture
def thread():
    held = DeviceThread()
    yield held
    held.shutdown()


def busy(thread: DeviceThread) -> threading.Event:
    """Have it wait, from now on, until this is set."""
    begun, go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go.wait(TIMEOUT_S)

    thread.submit(wait)
    assert begun.wait(TIMEOUT_S)
    return go


def test_earlier_frames_go_first_in_whatever_order_they_ask(thread):
    done: list[str] = []
    go = busy(thread)
    jobs = [
        thread.submit_for(begun_s, done.append, f"{begun_s}{step}")
        for begun_s, step in ((3, "a"), (1, "a"), (2, "a"), (1, "b"), (3, "b"))
    ]
    jobs.append(thread.submit(done.append, "now"))
    go.set()
    for job in jobs:
        job.result(TIMEOUT_S)

    assert done == ["1a", "1b", "2a", "3a", "3b", "now"]


def test_kept_for_a_frame_it_begins_nothing_of_later_ones(thread):
    done: list[int] = []
    with thread.kept_for(2.0):
        later = [thread.submit_for(3.0, done.append, 3), thread.submit(done.append, 9)]
        with pytest.raises(TimeoutError):
            later[0].result(0.05)
        for begun_s in (2, 1):
            thread.submit_for(begun_s, done.append, begun_s).result(TIMEOUT_S)
        with thread.kept_for(1.0), pytest.raises(TimeoutError):
            thread.submit_for(2.0, done.append, 2).result(0.05)
    for job in later:
        job.result(TIMEOUT_S)

    assert done == [2, 1, 2, 3, 9]


def test_what_was_taken_back_is_not_done_and_holds_up_nothing(thread):
    done: list[int] = []
    go = busy(thread)
    jobs = [thread.submit_for(number, done.append, number) for number in range(3)]
    assert jobs[1].cancel()
    go.set()
    jobs[2].result(TIMEOUT_S)

    assert done == [0, 2]


def test_what_waits_when_it_is_let_go_is_taken_back():
    thread = DeviceThread()
    go = busy(thread)
    with thread.kept_for(0.0):
        waits = thread.submit_for(1.0, int)
        go.set()
        thread.shutdown(wait=False, cancel_futures=True)
        with pytest.raises(CancelledError):
            waits.result(TIMEOUT_S)
    with pytest.raises(RuntimeError):
        thread.submit(int)


class Machine:
    """A device and what it finishes: says what it was at."""

    def __init__(self, thread: DeviceThread, done: list[tuple[Any, int]]) -> None:
        self.thread, self._done = thread, done
        self.tail_macs = 0

    def new_fused(self) -> dict[str, Any]:
        return {}

    def macs(self, path: int) -> int:
        return path

    def take_on(self, path: int, held: Any, _: Any) -> tuple[float, float]:
        self._done.append((held, path))
        return 0.0, 1.0

    def assemble(self, *_: Any) -> Any:
        raise LookupError  # nothing more is looked at


def test_frames_that_are_finished_here_do_not_take_turns_path_by_path(thread):
    """A frame is done with one path before it knows of the next."""
    done: list[tuple[Any, int]] = []
    paths = 4

    def tell(event: Event) -> Sequence[Command]:
        match event:
            case Continued(path) if path + 1 < paths:
                return [Continue(path + 1)]
            case Continued():
                return [Assemble()]
            case _:
                return [DeliverAlone(Fallback("gone", Stage.WAITING))]

    async def finish(begun_s: float) -> None:
        machine: Any = Machine(thread, done)
        reserve = Reserve(device=machine, patience_s=1.0, hedge_s=1.0, finisher=machine)
        own = OwnAnswer(
            reserve=reserve, inputs={}, begun_s=begun_s, tell=tell, record=lambda *_: None
        )
        for path in range(paths):
            own.hold(path, begun_s)  # type: ignore[arg-type]
        with pytest.raises(LookupError):
            await own.from_pieces(Continue(0), list)

    async def all_of(*begun_s: float) -> None:
        go = busy(thread)
        asyncio.get_running_loop().call_later(0.05, go.set)
        await asyncio.gather(*map(finish, begun_s))

    asyncio.run(all_of(3.0, 1.0, 2.0))

    assert done == [(frame, path) for frame in (1.0, 2.0, 3.0) for path in range(paths)]
