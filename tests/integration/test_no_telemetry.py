"""ONNX Runtime leaves nothing in the home of whoever runs fusepath."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.small_detector import small_detector_bytes

HOMES = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
LIBRARY = """
import sys
from fusepath.onnx_io import load_model
from fusepath.profiling import Settings, profile_machine
profile_machine(load_model(sys.argv[1]), Settings.quick())
"""
COMMAND = """
import sys
from fusepath.cli.main import run
assert run(["profile", sys.argv[1], "--fast", "--no-cache", "--json"]) == 0
"""
FORBIDDEN = """
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "0"
"""
SCRIPTS = {"library": LIBRARY, "command": COMMAND, "against its will": FORBIDDEN + LIBRARY}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_nothing_is_written_below_the_home_folder(script, tmp_path, tmp_path_factory):
    model = tmp_path_factory.mktemp("model") / "net.onnx"
    model.write_bytes(small_detector_bytes())
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= dict.fromkeys(HOMES, str(tmp_path))

    subprocess.run(
        [sys.executable, "-c", script, str(model)],
        env=environment,
        capture_output=True,
        timeout=100,
        check=True,
    )

    assert list(tmp_path.rglob("*")) == []
