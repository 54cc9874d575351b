"""Sessions and connections that end leave nothing for gRPC to complain of later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.edges import Edge

pytestmark = pytest.mark.system

SCRIPT = """
import asyncio, sys
import numpy as np
import fusepath
from fusepath.remote.client import connect

async def compare_clocks(address):
    async with connect(address) as client:
        await client.clock_offset()

pixels = np.zeros((64, 64, 3), dtype=np.uint8)
for _ in range(4):
    with fusepath.Session("zoo:squeezenet?size=64", sys.argv[1]) as session:
        session.infer(pixels)
    asyncio.run(compare_clocks(sys.argv[1]))
"""


def test_event_loops_one_after_the_other_end_without_a_word(edge: Edge):
    """What is left of a stream would be told to a loop that is closed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, edge.address],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
