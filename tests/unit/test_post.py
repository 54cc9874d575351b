"""A graph of one's own behind a model: part of its tail, and the only outputs are what it makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from fusepath.cli.main import run as fusepath
from fusepath.cost import parse_link, parse_machine
from fusepath.errors import ModelError
from fusepath.offload.machines import Machines
from fusepath.offload.session import Session
from fusepath.onnx_io import load_model
from fusepath.plan import ModelReference, PlanRequest
from fusepath.remote.model_store import ModelStore
from tests.plans import pixels
from tests.written_models import run

NET = """<ir_version: 8, opset_import: ["": 17]> net (float[1,3,16,16] image)
    => (float[1,8,14,14] boxes, float[1,2,14,14] scores) {
    a = Conv<kernel_shape = [3, 3]>(image, w)
    boxes = Relu(a)
    scores = Conv<kernel_shape = [1, 1]>(a, v)  }"""
TOP = """<ir_version: 8, opset_import: ["": 17]> top (float[1,2,14,14] scores)
    => (float[1,5] best, int64[1,5] places)
    <int64[2] flat = {1, 392}, int64[1] k = {5}>
    { a = Reshape(scores, flat)  best, places = TopK(a, k) }"""


@pytest.fixture
def folder(tmp_path) -> Path:
    net = parser.parse_model(NET)
    rng = np.random.default_rng(0)
    for name, shape in {"w": (8, 3, 3, 3), "v": (2, 8, 1, 1)}.items():
        values = rng.integers(-3, 4, shape).astype(np.float32)
        net.graph.initializer.append(numpy_helper.from_array(values, name))
    onnx.save(net, tmp_path / "net.onnx")
    write(tmp_path, TOP)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "post.onnx"
    onnx.save(parser.parse_model(text), file)
    return file


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder / "net.onnx", post=write(folder, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_returns_is_what_the_graph_makes_of_the_outputs_and_nothing_else(folder):
    model = load_model(folder / "net.onnx", post=folder / "post.onnx")
    image = pixels(model)
    scores = run((folder / "net.onnx").read_bytes(), {"image": image.astype(np.float32)})["scores"]
    best = np.sort(scores.reshape(-1))[::-1][:5]
    machines = Machines(
        device=parse_machine("1GFLOPS"), edge=parse_machine("1TFLOPS"), link=parse_link("1MB/s")
    )
    request = PlanRequest(algorithm="full-offload", codecs="off")  # what returns is counted
    with Session(model, "memory:", plan=request, machines=machines) as session:
        session.infer(image.astype(np.float32))
        session.wait_ready(60)
        inference = session.infer(image.astype(np.float32))

    assert model.graph.outputs == ("best", "places")
    np.testing.assert_array_equal(inference.outputs["best"][0], best)
    assert inference.down_bytes == 5 * (4 + 8)


def test_the_original_of_both_is_one_model_that_computes_the_same(folder):
    model = load_model(folder / "net.onnx", post=folder / "post.onnx")
    image = pixels(model).astype(np.float32)

    outputs = run(model.original, {"image": image})

    assert outputs["best"].shape == (1, 5)
    assert model.sha256 != load_model(folder / "net.onnx").sha256


def test_an_edge_server_that_holds_both_files_finds_them_by_one_digest(folder):
    model = load_model(folder / "net.onnx", post=folder / "post.onnx")
    asked = ModelReference(
        name="net", sha256=model.sha256, source="net.onnx", input_shape=model.graph.fed_shape
    )

    assert ModelStore(folder).get(asked).graph.outputs == ("best", "places")
    (folder / "post.onnx").unlink()
    with pytest.raises(ModelError, match="and the graph behind it"):
        ModelStore(folder).get(asked)


def test_a_network_of_the_zoo_may_have_a_graph_behind_it(folder):
    text = """<ir_version: 8, opset_import: ["": 17]> best (float[1,1000] x) => (int64[1,1] best)
        { best = ArgMax<axis = 1>(x) }"""
    source = "zoo:squeezenet?size=64"
    model = load_model(source, post=write(folder, text))
    asked = ModelReference(
        name="x", sha256=model.sha256, source=source, input_shape=model.graph.fed_shape
    )

    assert model.graph.outputs == ("best",)
    assert ModelStore(folder).get(asked).graph.outputs == ("best",)


REFUSED = {
    "another name": (
        TOP.replace("scores", "logits"),
        "takes 'logits', but the model's outputs are boxes, scores; name the input as one of them",
    ),
    "another type": (
        TOP.replace("float[1,2,14,14] scores", "float16[1,2,14,14] scores").replace(
            "float[1,5] best", "float16[1,5] best"
        ),
        "takes 'scores' as float16, but the model makes float; cast it",
    ),
    "another shape": (
        TOP.replace("[1,2,14,14]", "[1,2,28,7]"),
        r"takes 'scores' as \[1, 2, 28, 7\], but the model makes \[1, 2, 14, 14\]; reshape it",
    ),
    "a name twice": (
        TOP.replace("best", "a1").replace("a1", "boxes"),
        "makes 'boxes', which the model has a tensor of; rename the output",
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_match_is_named(folder, text, words):
    with pytest.raises(ModelError, match=words):
        load_model(folder / "net.onnx", post=write(folder, text))


def test_a_file_that_is_no_graph_or_not_there_is_named(folder):
    (folder / "post.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="the graph behind 'net'"):
        load_model(folder / "net.onnx", post=folder / "post.onnx")
    with pytest.raises(ModelError, match=r"missing.onnx.*does not exist"):
        load_model(folder / "net.onnx", post=folder / "missing.onnx")


def test_a_number_of_rows_may_depend_on_the_picture(folder):
    text = """<ir_version: 8, opset_import: ["": 17]> some (float[1,2,14,14] scores)
        => (int64[4,N] rows) { rows = NonZero(scores) }"""
    model = load_model(folder / "net.onnx", post=write(folder, text))
    image = pixels(model).astype(np.float32)
    scores = run((folder / "net.onnx").read_bytes(), {"image": image})["scores"]
    request = PlanRequest(algorithm="full-offload")
    with Session(model, "memory:", plan=request) as session:
        session.wait_ready(60)
        outputs = session.infer(image).outputs

    np.testing.assert_array_equal(outputs["rows"], np.nonzero(scores))


MACHINES = ["--device", "1GFLOPS", "--link", "1MB/s"]


def test_commands_take_it(folder, capsys):
    post = ["--post", str(folder / "post.onnx"), "--json"]
    net, plan, image = (str(folder / name) for name in ("net.onnx", "plan.json", "image.npy"))
    model = load_model(folder / "net.onnx", post=folder / "post.onnx")
    np.save(image, pixels(model))

    def called(*arguments: str) -> dict:
        assert fusepath([*arguments, *post]) == 0
        return json.loads(capsys.readouterr().out)

    planned = called("plan", net, *MACHINES, "--edge", "1TFLOPS", "-o", plan)
    compared = called("compare", net, *MACHINES, "--edge", "1TFLOPS")
    ran = called("run", net, image, "--plan", plan, "--edge", "memory:", "--no-cache", "--verify")

    assert planned["recipe"]["model"]["sha256"] == model.sha256
    assert {row["recipe"]["model"]["sha256"] for row in compared["plans"]} == {model.sha256}
    assert called("simulate", plan)["makespan_s"] == planned["prediction"]["makespan_s"]
    assert ran["outputs"] == {"best": [1, 5], "places": [1, 5]}
    assert ran["bit_equal"]
