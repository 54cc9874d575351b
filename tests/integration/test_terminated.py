"""SIGTERM ends a command and everything that it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

WITHIN_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found below /proc")


def children(parent: int) -> set[int]:
    """Processes that a process has begun, and these in turn."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if after_name[0] != "Z":
                parents[int(folder.name)] = int(after_name[1])
    found, new = set(), {parent}
    while new:
        new = {child for child, of in parents.items() if of in new} - found
        found |= new
    return found


def is_there(process: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def wait_for(what) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.mark.parametrize("command", ["map", "demo"])
def test_sigterm_leaves_no_process(command, tmp_path):
    if command == "map":
        asked = ["map", "zoo:googlenet", "--edge", "500GFLOPS", "-o", "map.json", "--workers", "2"]
    else:
        asked = ["demo", "--report", "demo.html"]
    least = 3 if command == "map" else 1  # two that compute, and one that tracks resources
    with subprocess.Popen(
        [sys.executable, "-m", "fusepath", *asked],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    ) as process:
        wait_for(lambda: len(children(process.pid)) >= least or process.poll() is not None)
        time.sleep(0.5)
        begun = children(process.pid)
        assert len(begun) >= least
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WITHIN_S)

    assert process.returncode == 143
    assert "fusepath: ended by SIGTERM" in said.splitlines()
    assert "Traceback" not in said, said
    wait_for(lambda: not any(map(is_there, begun)))
