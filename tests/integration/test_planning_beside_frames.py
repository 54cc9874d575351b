"""What a session does beside its frames leaves no trace in them, nor in memory."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import fusepath
from fusepath.offload import adaptation

pytestmark = pytest.mark.system

PATIENCE_S = 60.0
MACHINES = fusepath.Machines(
    device=fusepath.parse_machine("1GFLOPS"),
    edge=fusepath.parse_machine("20GFLOPS"),
    link=fusepath.parse_link("0.6MB/s"),
)


def test_memory_that_a_book_took_is_given_back(monkeypatch: pytest.MonkeyPatch):
    given_back = threading.Event()
    monkeypatch.setattr(adaptation, "_STREAM", 2)
    monkeypatch.setattr(adaptation, "release_free_memory", given_back.set)
    frame = np.zeros((64, 64, 3), dtype=np.uint8)
    options = fusepath.SessionOptions(machines=MACHINES)
    plan = fusepath.PlanRequest(algorithm="nfl", codecs="off")
    network = "zoo:squeezenet?size=64&weights=integer"
    with fusepath.Session(network, "memory:", plan=plan, options=options) as session:
        session.wait_ready(PATIENCE_S)
        for _ in range(3):
            session.infer(frame)
        assert given_back.wait(PATIENCE_S)
