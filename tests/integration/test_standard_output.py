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

from fusepath.spelling import spelt

pytestmark = pytest.mark.system

NET = """<ir_version: 8, opset_import: ["": 17]> g (float[1,3,16,12] x) => (float[] y) {
    y = Conv<pads = [1, 1, 1, 1]>(x, w) }"""


def saved(file: Path) -> Path:
    proto = parser.parse_model(NET)
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((2, 3, 3, 3), "f4"), "w"))
    file.write_bytes(proto.SerializeToString())
    return file


def fusepath(
    *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "fusepath", *arguments], capture_output=True, check=False, env=env
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
    file, picture = unspeakable(tmp_path)
    plan, book, quantised = (file.with_suffix(end) for end in (".json", ".book.json", ".q.onnx"))
    device, link = ["--device", "1GFLOPS"], ["--link", "1MB/s"]
    edge, search = ["--edge", "9GFLOPS"], ["--evaluations", "20"]
    values = ["--input-type", "values", "--sample", picture]
    rates = ["--rates", "1MB/s:2MB/s", "--most", "2", "--probes", "0"]

    for arguments in (
        ["inspect", file],
        ["quantize", file, "--samples", file.parent, "-o", quantised],
        ["plan", file, *device, *edge, *link, "-o", plan, *values],
        ["simulate", plan, "--trace", file.with_suffix(".trace")],
        ["report", plan, "-o", file.with_suffix(".html"), "--evaluations", "0"],
        ["run", file, picture, "--algorithm", "device-only", "--verify", "--no-cache"],
        ["run", file, picture, "--edge", "memory:", "--plan", plan, "-o", file.with_suffix(".npz")],
        ["book", file, *device, *edge, *rates, *search, "-o", book],
        ["book", book, *link, "-o", plan],
        ["simulate", plan],
        ["profile", file, "-o", plan, "--no-cache"],
        ["sweep", file, "--device", plan, *edge, *link, *search, "-o", file.with_suffix(".csv")],
        ["inspect", quantised],
    ):
        called = fusepath(*arguments, *options)
        assert called.returncode == 0, called.stderr
        called.stdout.decode()
        if options:
            json.dumps(json.loads(called.stdout), ensure_ascii=False).encode()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
@pytest.mark.parametrize(
    "encoding",
    [
        {"PYTHONIOENCODING": "utf-8"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda encoding: " ".join(f"{name}={value}" for name, value in encoding.items()),
)
def test_a_name_that_is_no_text_is_told_as_text(tmp_path, encoding):
    file, _ = unspeakable(tmp_path)
    missing, written = file.with_suffix(".none"), file.with_suffix(".schema")
    usual = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}

    refused = fusepath("simulate", missing, "--json", env=usual | encoding)
    told = fusepath("schema", "link", "-o", written, env=usual | encoding)

    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"].startswith(f"cannot read {spelt(missing)}: ")
    assert refused.stderr.startswith(f"fusepath: cannot read {spelt(missing)}: ".encode())
    assert told.stdout == f"{spelt(written)}: the schema of a link file\n".encode()


def unspeakable(folder: Path) -> tuple[Path, Path]:
    """A model and an input of it, in a folder of their own, with names that are no UTF-8."""
    inside = Path(os.fsdecode(os.fsencode(folder) + b"/f\xe4lder"))
    inside.mkdir()
    file = saved(inside / os.fsdecode(b"n\xe4ch\xff.onnx"))
    picture = file.with_suffix(".npy")
    np.save(picture, np.zeros((1, 3, 16, 12), np.float32))
    return file, picture


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


def test_outputs_are_written_though_whoever_reads_stops_reading(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((64, 64, 3), number, np.uint8))
    read, write = os.pipe()
    os.close(read)
    words = ["run", "zoo:squeezenet?size=64", str(tmp_path), "--edge", "local", "--no-cache"]
    with os.fdopen(write, "wb") as closed:
        called = subprocess.run(
            [sys.executable, "-m", "fusepath", *words, "-o", str(tmp_path / "made.npz")],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert called.returncode == 0, called.stderr
    with np.load(tmp_path / "made.npz") as made:
        assert len(made["inputs"]) == 3
