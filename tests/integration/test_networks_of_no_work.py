"""Networks in which nothing costs anything, or that work on no maps: commands do what they can."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fusepath.cli.main import run

MACHINES = ["--device", "2GFLOPS", "--edge", "50GFLOPS"]


@pytest.fixture
def no_work(tmp_path):
    """A network of one Relu."""
    return _saved(tmp_path, helper.make_node("Relu", ["x"], ["y"]), (1, 3, 8, 8), (1, 3, 8, 8))


@pytest.fixture
def no_map(tmp_path):
    """A network that multiplies a row."""
    weights = numpy_helper.from_array(np.ones((16, 4), np.float32), "w")
    return _saved(tmp_path, helper.make_node("MatMul", ["x", "w"], ["y"]), (1, 16), (1, 4), weights)


def _saved(folder, node, taken, made, *weights):
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        weights,
    )
    file = folder / "small.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), file)
    return str(file)


@pytest.mark.parametrize("name", ["no_work", "no_map"])
def test_a_plan_has_its_page(request, name, tmp_path):
    model = request.getfixturevalue(name)
    plan, page = tmp_path / "plan.json", tmp_path / "page.html"

    assert run(["plan", model, *MACHINES, "--link", "1MB/s", "-o", str(plan)]) == 0
    assert run(["report", str(plan), "-o", str(page)]) == 0

    assert "The plan" in page.read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "--link", "1MB/s", "--objective", "throughput"],
        ["book", "--rates", "1MB/s:4MB/s", "-o", "book.json"],
    ],
    ids=lambda command: command[0],
)
def test_there_is_nothing_to_gain_where_nothing_takes_time(no_work, command, tmp_path, capsys):
    options = [str(tmp_path / item) if item == "book.json" else item for item in command[1:]]

    assert run([command[0], no_work, *MACHINES, *options, "--json"]) == 2

    assert "takes no time at all" in json.loads(capsys.readouterr().out)["error"]
