"""Paths that another thread computes, and the event loop takes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from fusepath.offload.device import PathAtCut


class ComputedPaths:
    """Each path is taken as soon as the event loop is awake.

    A task that waited for them one by one would have the loop go round once more for each.

    Args:
        take: takes a path at its cut.
        count: of the paths.
    """

    def __init__(self, take: Callable[[int, PathAtCut], None], count: int) -> None:
        self._take = take
        self._left = count
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Future[PathAtCut]] = []
        self.all: asyncio.Future[None] = self._loop.create_future()
        """Done once every path has been taken, or one has failed."""
        if count == 0:
            self.all.set_result(None)

    def follow(self, path: int, job: Future[PathAtCut]) -> None:
        """Take a path once it is computed."""
        self._jobs.append(job)
        job.add_done_callback(partial(self._computed, path))

    def _computed(self, path: int, job: Future[PathAtCut]) -> None:
        with suppress(RuntimeError):  # the loop may be gone
            self._loop.call_soon_threadsafe(self._on_loop, path, job)

    def _on_loop(self, path: int, job: Future[PathAtCut]) -> None:
        if self.all.done():
            return
        try:
            self._take(path, job.result())
        except BaseException as error:
            self.all.set_exception(error)
        else:
            self._left -= 1
            if self._left == 0 and not self.all.done():
                self.all.set_result(None)

    def give_up(self) -> None:
        """What has not begun need not be computed."""
        self.all.cancel()  # or it would tell of a failure that nobody has waited for
        for job in self._jobs:
            job.cancel()
        self._jobs.clear()  # which know this, and hold what was computed
