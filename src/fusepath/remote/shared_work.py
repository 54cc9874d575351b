"""Work that several wait for at a time, done once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


@dataclass(slots=True)
class _Work(Generic[T]):
    """What is being done, and how many wait for it."""

    job: asyncio.Task[T]
    waiting: int = 0


class SharedWork(Generic[T]):
    """Does the same thing once for all who ask for it meanwhile; on one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Work[T]] = {}

    async def do(self, key: Hashable, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for a piece of work with all others that do; the last that leaves takes it along."""
        if key not in self._under_way:
            job = asyncio.create_task(begin())
            self._under_way[key] = _Work(job)
            job.add_done_callback(_seen)
        work = self._under_way[key]
        work.waiting += 1
        try:
            return await asyncio.shield(work.job)
        finally:
            work.waiting -= 1
            if not work.waiting:
                if self._under_way.get(key) is work:
                    del self._under_way[key]
                work.job.cancel()


def _seen(job: asyncio.Task[Any]) -> None:
    """It need not be told: whoever asked may have gone."""
    if not job.cancelled():
        job.exception()
