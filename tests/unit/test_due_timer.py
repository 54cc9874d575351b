"""A timer that is put off goes off once, when it was last said to."""

from __future__ import annotations

import asyncio

from fusepath.offload.due_timer import DueTimer


class Loop(asyncio.SelectorEventLoop):
    """Time is what a test says; nothing is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.made = 0

    def time(self) -> float:
        return self.now_s

    def call_at(self, when, callback, *args, context=None):
        self.made += 1
        return super().call_at(when, callback, *args, context=context)


def played(*steps: float | str) -> tuple[list[float], int]:
    """When a timer goes off that is due after a number, or cancelled, with a second after each."""
    loop = Loop()
    went_off = []

    async def play() -> None:
        timer = DueTimer(lambda: went_off.append(loop.now_s - 100))
        for step in steps:
            if isinstance(step, str):
                timer.cancel()
            elif step:
                timer.due_after(step)
            loop.now_s += 1.0
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    try:
        loop.run_until_complete(play())
    finally:
        loop.close()
    return went_off, loop.made


def test_it_goes_off_when_it_is_due():
    assert played(2.0, 0, 0, 0) == ([2.0], 1)


def test_putting_it_off_makes_no_other_timer_until_it_went_off_too_early():
    assert played(2.5, 2.5, 2.5, 0, 0, 0) == ([5.0], 2)


def test_it_may_be_due_earlier_than_was_said():
    assert played(5.0, 1.0, 0, 0, 0, 0)[0] == [2.0]


def test_cancelled_it_does_not_go_off():
    assert played(2.0, "cancel", 0, 0) == ([], 1)
