"""Threads that calls are handed to: order, results, and how they end."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest

from fusepath.offload.background import Background
from fusepath.offload.device_thread import DeviceThread
from fusepath.remote.loader import Loader
from fusepath.remote.workers import Workers
from fusepath.threads import Threads, give_way

TIMEOUT_S = 30


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads are as nice as another")


def nice() -> int:
    """Of the thread that asks."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@on_linux
def test_what_gives_way_is_one_thread_and_not_what_others_start():
    usual, found = nice(), {}
    device, workers = DeviceThread(), Workers(1)

    def given_way() -> None:
        give_way(3)
        found["here"] = nice()
        found["device"] = device.submit(nice).result(TIMEOUT_S)
        found["worker"] = workers.in_turn(nice)

    thread = threading.Thread(target=given_way)
    thread.start()
    thread.join(TIMEOUT_S)
    between = found["worker"] - usual  # workers give way to messages
    assert found == {"here": usual + 3, "device": usual, "worker": usual + between}
    assert between == workers.in_turn(nice) - usual
    assert nice() == usual


@on_linux
def test_work_aside_lets_frames_go_first_and_work_that_is_timed_does_not():
    async def both() -> tuple[int, int, int, int]:
        background = Background()
        loaders = Loader(), Loader(gives_way=True)
        try:
            return (
                await background.do(nice),
                await background.aside(nice),
                await loaders[0].do(nice),
                await loaders[1].do(nice),
            )
        finally:
            background.close()
            for loader in loaders:
                loader.close()

    usual = nice()
    timed, aside, measuring, building = asyncio.run(both())
    assert timed == measuring == usual
    assert usual < aside
    assert usual < building


def test_one_thread_runs_calls_in_their_order():
    threads, done = Threads(1, "one"), []
    for number in range(20):
        threads.post(lambda number=number: done.append((number, threading.current_thread().name)))
    assert threads.submit(lambda: "result").result(TIMEOUT_S) == "result"
    assert done == [(number, "one_0") for number in range(20)]


def test_so_many_run_at_the_same_time_and_no_more():
    threads, barrier = Threads(3, "three"), threading.Barrier(3)
    calls = [threads.submit(barrier.wait, TIMEOUT_S) for _ in range(6)]
    assert sorted(call.result(TIMEOUT_S) for call in calls) == [0, 0, 1, 1, 2, 2]
    names = {threads.submit(lambda: threading.current_thread().name).result() for _ in range(9)}
    assert names <= {"three_0", "three_1", "three_2"}


def test_each_thread_begins_before_its_first_call():
    begun: list[str] = []
    threads = Threads(2, "two", begin=lambda: begun.append(threading.current_thread().name))
    name = threads.submit(lambda: (begun[0], threading.current_thread().name)).result(TIMEOUT_S)
    assert name == ("two_0", "two_0")
    threads.shutdown()


def test_a_call_that_fails_says_so_and_the_thread_goes_on():
    threads = Threads(1, "one")
    with pytest.raises(KeyError):
        threads.submit(lambda: {}["nothing"]).result(TIMEOUT_S)
    assert threads.submit(lambda: 7).result(TIMEOUT_S) == 7


def test_a_posted_call_that_fails_is_told_of_and_the_thread_goes_on(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    threads = Threads(1, "one")
    threads.post(lambda: {}["nothing"])
    assert threads.submit(lambda: 7).result(TIMEOUT_S) == 7
    assert told == [KeyError]


def test_a_call_that_was_cancelled_does_not_run():
    threads, gate, ran = Threads(1, "one"), threading.Event(), []
    threads.post(lambda: gate.wait(TIMEOUT_S))
    waiting = threads.submit(ran.append, "it")
    assert waiting.cancel()
    gate.set()
    threads.shutdown()
    assert not ran


def test_what_was_asked_before_the_end_is_done_and_nothing_after():
    threads, done = Threads(2, "two"), []
    for number in range(10):
        threads.post(lambda number=number: done.append(number))
    threads.shutdown()
    assert sorted(done) == list(range(10))
    with pytest.raises(RuntimeError, match="let go"):
        threads.post(lambda: None)


def test_what_waits_at_the_end_can_be_dropped():
    threads, gate, ran = Threads(1, "one"), threading.Event(), []
    begun = threading.Event()
    threads.post(lambda: (begun.set(), gate.wait(TIMEOUT_S)))
    assert begun.wait(TIMEOUT_S)
    threads.post(lambda: ran.append("posted"))
    waiting = threads.submit(ran.append, "submitted")
    threads.shutdown(wait=False, cancel_futures=True)
    gate.set()
    threads.shutdown()
    assert waiting.cancelled()
    assert not ran


def test_threads_that_nobody_holds_end_and_hold_nothing():
    class Held:
        pass

    threads, held, names = (
        Threads(1, "forgotten"),
        Held(),
        lambda: {thread.name for thread in threading.enumerate()},
    )
    gone = weakref.ref(held)
    threads.submit(lambda held=held: None).result(TIMEOUT_S)
    del held
    gc.collect()
    assert gone() is None  # though the thread waits for another call
    assert "forgotten_0" in names()
    del threads
    gc.collect()
    deadline_s = time.monotonic() + TIMEOUT_S
    while "forgotten_0" in names() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert "forgotten_0" not in names()


def test_an_interpreter_that_exits_waits_for_what_was_asked():
    code = """
import time
from fusepath.offload.background import Background
from fusepath.offload.device_thread import DeviceThread
from fusepath.remote.loader import Loader
from fusepath.remote.workers import Workers
from fusepath.threads import Threads, give_way
threads = Threads(2, "two")
threads.post(lambda: (time.sleep(0.2), print("done", flush=True)))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_ends_whatever_another_thread_was_at():
    code = """
import os
from fusepath.offload.background import Background
from fusepath.offload.device_thread import DeviceThread
from fusepath.remote.loader import Loader
from fusepath.remote.workers import Workers
from fusepath.threads import Threads, give_way
threads = Threads(1, "one")
threads.submit(int).result()
threads._lock.acquire()  # as by a thread that posts something
child = os.fork()
if child != 0:
    threads._lock.release()
    assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0
