"""Strands: jobs in order, whatever becomes of them, on threads that others use as well."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from fusepath.remote.serial_executor import SerialExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 30


@pytest.fixture(params=[1, 3])
def pool(request):
    with ThreadPoolExecutor(request.param) as threads:
        yield threads


class Strand:
    """A strand whose jobs' results can be waited for."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._jobs = SerialExecutor(lambda run, _: pool.submit(run))

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except Exception as error:
                future.set_exception(error)
                raise

        self._jobs.submit(run)
        return future


def test_jobs_run_one_at_a_time_and_in_order(pool):
    strand = Strand(pool)
    done: list[int] = []
    running = threading.Lock()

    def job(number: int) -> int:
        assert running.acquire(blocking=False)
        time.sleep(0.0005 * (number % 3))
        done.append(number)
        running.release()
        return number * number

    futures = [strand.submit(lambda number=number: job(number)) for number in range(50)]

    assert [future.result(TIMEOUT_S) for future in futures] == [n * n for n in range(50)]
    assert done == list(range(50))


def test_a_job_that_fails_says_so_and_the_next_one_runs(pool):
    strand = Strand(pool)

    failing = strand.submit(lambda: {}["nothing"])
    following = strand.submit(lambda: "done")

    with pytest.raises(KeyError):
        failing.result(TIMEOUT_S)
    assert following.result(TIMEOUT_S) == "done"


def test_a_strand_that_has_been_idle_goes_on(pool):
    strand = Strand(pool)

    for number in range(5):
        assert strand.submit(lambda number=number: number).result(TIMEOUT_S) == number


def test_others_have_their_turn_between_two_jobs_of_a_strand():
    done: list[str] = []
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        strand = Strand(pool)
        first = strand.submit(lambda: gate.wait(TIMEOUT_S))
        last = [strand.submit(lambda n=n: done.append(f"strand {n}")) for n in range(3)][-1]
        other = pool.submit(lambda: done.append("other"))
        gate.set()
        for future in (first, last, other):
            future.result(TIMEOUT_S)

    assert done[0] == "other"
    assert done[1:] == ["strand 0", "strand 1", "strand 2"]


def test_jobs_that_still_wait_when_the_threads_are_let_go_are_dropped_in_silence():
    handed: list[Callable[[], object]] = []
    done: list[int] = []

    def submit(run: Callable[[], object], _: float) -> None:
        if handed:
            raise RuntimeError("these threads were let go")
        handed.append(run)

    jobs = SerialExecutor(submit)
    for number in (1, 2):
        jobs.submit(lambda number=number: done.append(number))
    handed[0]()

    assert done == [1]
