"""Standard output holds what was asked for and nothing else, whatever libraries below print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

pytestmark = pytest.mark.system

NET = """<ir_version: 8, opset_import: ["": 17]> g (float[1,3,16,12] x) => (float[] y) {
    y = Conv<pads = [1, 1, 1, 1]>(x, w) }"""


def saved(file: Path) -> Path:
    proto = parser.parse_model(NET)
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((2, 3, 3, 3), "f4"), "w"))
    file.write_bytes(proto.SerializeToString())
    return file


def fusepath(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fusepath", *arguments], capture_output=True, check=False
    )


def test_warnings_of_libraries_go_to_standard_error(tmp_path):
    file = saved(tmp_path / "old.onnx")
    proto = onnx.ModelProto.FromString(file.read_bytes())
    # An experimental operator of old: the checker prints that there is one.
    proto.graph.node.append(helper.make_node("ImageScaler", ["x"], ["z"], name="old"))
    file.write_bytes(proto.SerializeToString())

    called = fusepath("inspect", file, "--json")

    assert b"Warning" in called.stderr
    assert json.loads(called.stdout)["name"] == "old"


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_file_name_that_is_no_text_is_no_obstacle(tmp_path, options):
    file = saved(Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xe4ch\xff.onnx")))
    picture = file.with_suffix(".npy")
    np.save(picture, np.zeros((1, 3, 16, 12), np.float32))
    machines = ["--device", "1GFLOPS", "--edge", "9GFLOPS", "--link", "1MB/s"]

    for arguments in (
        ["inspect", file],
        ["plan", file, *machines, "-o", file.with_suffix(".json")],
        ["run", file, picture, "--algorithm", "device-only", "--verify", "--no-cache"],
    ):
        called = fusepath(*arguments, *options)
        assert called.returncode == 0, called.stderr
        if options:
            json.loads(called.stdout)


def test_a_plan_for_values_runs_on_values(tmp_path):
    file = saved(tmp_path / "net.onnx")
    np.save(tmp_path / "values.npy", np.zeros((1, 3, 16, 12), np.float32))
    machines = ["--device", "1GFLOPS", "--edge", "1GFLOPS", "--link", "1MB/s"]
    planned = ["plan", file, *machines, "--algorithm", "device-only", "-o", tmp_path / "plan.json"]
    ran = ["run", file, tmp_path / "values.npy", "--plan", tmp_path / "plan.json", "--verify"]

    assert fusepath(*planned).returncode == 0
    refused = fusepath(*ran)
    assert refused.returncode == 2
    assert b"the plan sends uint8; plan again, with --input-type values" in refused.stderr
    assert fusepath(*planned, "--input-type", "values").returncode == 0
    assert fusepath(*ran).returncode == 0


def test_whoever_reads_may_stop_reading():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        called = subprocess.run(
            [sys.executable, "-m", "fusepath", "zoo"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert called.returncode == 0
    assert called.stderr == b""
