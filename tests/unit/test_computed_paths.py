"""Paths that another thread computes are taken in order, once each, until nobody wants them."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future
from typing import Any

import pytest

from fusepath.offload.computed_paths import ComputedPaths
from fusepath.threads import Threads


def test_paths_are_taken_on_the_loop_in_their_order():
    taken: list[tuple[int, str, bool]] = []

    async def work() -> None:
        loop_thread = threading.current_thread()

        def take(path: int, done: Any) -> None:
            taken.append((path, done, threading.current_thread() is loop_thread))

        threads = Threads(1, "device")
        paths = ComputedPaths(take, 3)
        for path in (2, 0, 1):
            paths.follow(path, threads.submit(str, path))
        await paths.all
        paths.give_up()

    asyncio.run(work())

    assert taken == [(2, "2", True), (0, "0", True), (1, "1", True)]


def test_a_path_is_taken_in_the_very_turn_of_the_loop_that_hears_of_it():
    async def work() -> list[int]:
        taken: list[int] = []
        paths, job = ComputedPaths(lambda path, _: taken.append(path), 1), Future[Any]()
        paths.follow(7, job)
        job.set_result(None)
        await asyncio.sleep(0)
        return taken

    assert asyncio.run(work()) == [7]


def test_none_at_all_is_done_at_once():
    async def work() -> None:
        async with asyncio.timeout(10):
            await ComputedPaths(lambda *_: None, 0).all

    asyncio.run(work())


@pytest.mark.parametrize("fails", ["computing", "taking"])
def test_one_that_fails_ends_it(fails):
    async def work() -> list[int]:
        taken: list[int] = []

        def take(path: int, _: Any) -> None:
            if fails == "taking" and path == 1:
                raise LookupError("no")
            taken.append(path)

        jobs = [Future[Any]() for _ in range(3)]
        paths = ComputedPaths(take, 3)
        for path, job in enumerate(jobs):
            paths.follow(path, job)
        jobs[0].set_result(None)
        if fails == "computing":
            jobs[1].set_exception(LookupError("no"))
        else:
            jobs[1].set_result(None)
        jobs[2].set_result(None)
        with pytest.raises(LookupError):
            await paths.all
        paths.give_up()
        await asyncio.sleep(0)
        return taken

    assert asyncio.run(work()) == [0]


def test_nobody_is_told_of_a_failure_that_nobody_waits_for():
    told: list[Any] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        paths, job = ComputedPaths(lambda *_: None, 1), Future[Any]()
        paths.follow(0, job)
        job.set_exception(LookupError("no"))
        await asyncio.sleep(0)
        assert paths.all.done()
        paths.give_up()

    asyncio.run(work())
    gc.collect()

    assert not told


def test_what_is_given_up_is_not_computed_or_taken_and_holds_nothing():
    class Pieces:
        pass

    async def work() -> None:
        taken: list[int] = []
        begun, waiting = Future[Any](), Future[Any]()
        paths = ComputedPaths(lambda path, _: taken.append(path), 2)
        paths.follow(0, begun)
        paths.follow(1, waiting)
        begun.set_running_or_notify_cancel()
        paths.give_up()
        pieces = Pieces()
        gone = weakref.ref(pieces)
        begun.set_result(pieces)
        for _ in range(3):
            await asyncio.sleep(0)
        assert waiting.cancelled()
        assert not taken
        gc.disable()  # so that no cycle is collected
        try:
            del begun, waiting, paths, pieces
            assert gone() is None
        finally:
            gc.enable()

    asyncio.run(work())
