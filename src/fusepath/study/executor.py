"""Where tasks of a study run: in processes of this machine, or on nodes of a Ray cluster."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING, Protocol, TypeVar

from fusepath.errors import FusepathError, VerificationError
from fusepath.study.store import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Task = TypeVar("Task")
Found = TypeVar("Found")


class Executor(Protocol):
    """Runs tasks, each of which depends on nothing but itself."""

    def each(
        self, run: Callable[[Task], Found], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Found]]:
        """Every task with what came of it, as they end; who stops asking gives up what is left.

        Args:
            run: a function of a module; it is called elsewhere.
            tasks: can be pickled, as what comes of them.

        Raises:
            FusepathError: what a task has raised.
        """


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine; this one alone where there is but one, or one task."""

    workers: int | None = None
    """One per core without."""

    def each(
        self, run: Callable[[Task], Found], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Found]]:
        """Run tasks, as of `Executor`.

        Raises:
            FusepathError: what a task has raised, or a process was ended from outside.
        """
        workers = min(self.workers or cores(), len(tasks))
        if workers <= 1:
            for task in tasks:
                yield task, run(task)
            return
        pool = _process_pool(workers)
        try:
            futures = {pool.submit(run, task): task for task in tasks}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise FusepathError(
                f"one of {workers} processes was ended, perhaps for want of memory; begin again "
                "with fewer of them, what the file has by now is kept"
            ) from error
        except (KeyboardInterrupt, GeneratorExit):
            for process in active_children():  # or they would end what they are at before
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class RayTasks:
    """A task for each processor of a Ray cluster that has been joined.

    What a lost node was at runs again elsewhere; nodes that are added have work at once.
    """

    def each(
        self, run: Callable[[Task], Found], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Found]]:
        """Run tasks, as of `Executor`."""
        import ray  # noqa: PLC0415 - in an extra

        remote = ray.remote(num_cpus=1, max_retries=3, scheduling_strategy="SPREAD")(run_as_here)
        left = {remote.remote(versions()["code"], run, task): task for task in tasks}
        try:
            while left:
                (done,), _ = ray.wait(list(left), num_returns=1)
                try:
                    found: Found = ray.get(done)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                yield left.pop(done), found
        finally:
            for task in left:
                ray.cancel(task)


def run_as_here(code: str, run: Callable[[Task], Found], task: Task) -> Found:
    """Run a task with the very sources of whoever has handed it out.

    Raises:
        VerificationError: they are others here.
    """
    if versions()["code"] != code:
        raise VerificationError(
            f"a node has other sources of fusepath ({versions()['code']}) than this machine "
            f"({code}); install the same on both"
        )
    return run(task)


def _process_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that end at once, and without a word, when the user interrupts."""
    return ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def cores() -> int:
    """How many processes can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
