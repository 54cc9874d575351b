"""The two-host benchmark end to end; needs root, and the machine for itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.system.cells import ORDER, Cell
from benchmarks.system.goodput import check_wire
from benchmarks.system.network import NetworkUnavailableError, inside, two_hosts
from benchmarks.system.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def namespaces() -> str:
    return subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True
    ).stdout


def network_namespace() -> Path:
    return Path("/proc/thread-self/ns/net").readlink()


@pytest.fixture(scope="session")
def two_namespaces() -> None:
    """Skips where they cannot be had."""
    try:
        with two_hosts():
            pass
    except NetworkUnavailableError as error:
        pytest.skip(str(error))


needs_root = pytest.mark.usefixtures("two_namespaces")


def benchmark(*arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.system", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


@needs_root
def test_namespaces_are_gone_after_an_error():
    def fail() -> None:
        with two_hosts() as network:
            names.extend((network.device, network.edge))
            assert all(name in namespaces() for name in names)
            raise ValueError("on purpose")

    names: list[str] = []
    with pytest.raises(ValueError, match="on purpose"):
        fail()

    assert len(names) == 2
    assert not any(name in namespaces() for name in names)


@needs_root
def test_a_thread_is_inside_a_namespace_only_within_the_block():
    here = network_namespace()
    with two_hosts() as network:
        with inside(network.device):
            device = network_namespace()
        with inside(network.edge):
            edge = network_namespace()
        assert network_namespace() == here

    assert len({here, device, edge}) == 3


@needs_root
@pytest.mark.slow  # it is about time, so it wants a quiet machine
@pytest.mark.parametrize("rate_mb_per_s", [1.1, 1.8, 3.0, 12.0])
def test_the_wire_carries_what_was_asked_for(rate_mb_per_s):
    with two_hosts() as network:
        goodput = check_wire(network, rate_mb_per_s * 1e6)

    assert goodput.is_as_asked, goodput


@needs_root
@pytest.mark.slow
def test_a_cell_is_measured_verified_and_remembered(tmp_path):
    options = ("--quick", "--repeats", "1", "--no-peers", "--results", str(tmp_path))
    with benchmark(*options) as first:
        text, _ = first.communicate()
    assert first.returncode == 0, text
    rows = Results(tmp_path / "system.csv", fresh=False).rows(Cell("squeezenet", 5.0, 3.0), 1)
    assert {row.plan for row in rows} == {name for name in ORDER if not name.startswith("peer")}
    assert all(row.verified and row.max_rel_error <= 1e-5 for row in rows)
    assert (tmp_path / "system-squeezenet.png").stat().st_size > 0

    with benchmark(*options) as again:
        text, _ = again.communicate()
    assert again.returncode == 0, text
    assert "1 of 1 cells are in" in text
    assert "profiling" not in text


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a shell runs in the background ignores SIGINT, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_root
@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(number, tmp_path):
    with benchmark("--quick", "--results", str(tmp_path)) as process:
        for line in process.stdout:
            if "profiling" in line:
                break
        own = f"-{process.pid}"
        assert own in namespaces()
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode != 0
    assert own not in namespaces()


def test_elsewhere_it_is_skipped_with_the_reason(tmp_path):
    without_tools = os.environ | {"PATH": str(tmp_path)}
    with benchmark("--quick", "--results", str(tmp_path), env=without_tools) as process:
        text, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert text.startswith("skipped: ")
    assert len(text.splitlines()) == 1
