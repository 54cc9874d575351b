"""What a session does beside its frames leaves no trace in them, nor in memory."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import fusepath
from fusepath.offload import adaptation

pytestmark = pytest.mark.system

PATIENCE_S = 60.0
MACHINES = fusepath.Machines(
    device=fusepath.parse_machine("1GFLOPS"), edge=fusepath.parse_machine("20GFLOPS")
)  # and the link is measured: plans do not follow one that is given


def test_memory_that_a_book_took_is_given_back(monkeypatch: pytest.MonkeyPatch):
    given_back = threading.Event()
    monkeypatch.setattr(adaptation, "_STREAM", 2)
    monkeypatch.setattr(adaptation, "release_free_memory", given_back.set)
    random = np.random.default_rng(1)  # a frame that is the last one again shows nothing
    plan = fusepath.PlanRequest(algorithm="full-offload", codecs="off")
    network = "zoo:squeezenet?size=64&weights=integer"
    with fusepath.Session(network, "memory:", plan=plan, machines=MACHINES) as session:
        session.wait_ready(PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while not given_back.wait(0.02):  # frames count once the plan in use is rehearsed
            session.infer(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            assert time.monotonic() < until_s
