"""``fusepath quantize``: from a model and samples to a model whose maps are bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from fusepath.cli.main import run
from fusepath.cost import RUNTIME, cut_bytes
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat
from tests.plans import carry_out, plan_of
from tests.written_models import net_bytes, run_original

if TYPE_CHECKING:
    from pathlib import Path

BODY = """(float[] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, k1)  b = BatchNormalization(a, g, h, h, g)
    c = Relu(b)  y = Conv<strides = [2, 2]>(c, k2) }"""


@pytest.fixture
def float_model(tmp_path: Path) -> Path:
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    data = net_bytes(BODY, shape="1,3,21,17", k1=(8, 3, 3, 3), k2=(6, 8, 3, 3), g=2 * ones, h=zeros)
    (tmp_path / "net.onnx").write_bytes(data)
    return tmp_path / "net.onnx"


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 21, 17), dtype=np.uint8)
        np.save(folder / f"{seed}.npy", pixels)
    (folder / "readme.txt").write_text("no sample, and skipped")
    return folder


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_a_model_is_quantised_and_its_change_told(float_model, samples, activations, capfd):
    target = float_model.with_name("q.onnx")

    code = run(
        ["quantize", str(float_model), "--samples", str(samples), "-o", str(target), "--json",
         "--activations", activations]
    )  # fmt: skip

    assert code == 0
    told = json.loads(capfd.readouterr().out)
    assert told["samples"] == 3
    assert told["bytes"] == target.stat().st_size
    assert 0 < told["changes"]["y"]["root_mean_square"] < told["changes"]["y"]["largest"] < 0.05
    before, after = load_model(float_model).graph, load_model(target).graph
    assert after.tileable_layers == after.depth == before.depth == 2
    assert 4 * cut_bytes(after, 2, RUNTIME) == cut_bytes(before, 2, RUNTIME)


def test_what_cannot_be_quantised_is_refused_in_one_line(float_model, samples, tmp_path, capfd):
    def complaint(*arguments: object) -> str:
        assert run(["quantize", *map(str, arguments)]) == 2
        return capfd.readouterr().err

    target = tmp_path / "q.onnx"
    (tmp_path / "empty").mkdir()
    for folder, words in (
        ("empty", "no samples"),
        ("none", "there is no such folder"),
        (float_model.name, "is no folder"),
    ):
        text = complaint(float_model, "--samples", tmp_path / folder, "-o", target)
        assert f"{words}; give a folder of pictures" in text
    text = complaint(float_model, "--samples", samples, "-o", tmp_path / "no" / "q.onnx")
    assert "cannot write" in text
    assert not target.exists()


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Lines of standard error that do not merely say what is going on."""
    return [line for line in capfd.readouterr().err.splitlines() if not line.endswith(" …")]


class Drawn(CalibrationDataReader):
    """Three inputs."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._inputs = iter([rng.random((1, 3, 21, 17), dtype=np.float32) for _ in range(3)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        value = next(self._inputs, None)
        return None if value is None else {"x": value}


@pytest.mark.parametrize("form", list(QuantFormat), ids=lambda form: form.name)
def test_what_is_quantised_already_is_refused_as_that(float_model, samples, form, capfd):
    given, target = float_model.with_name("given.onnx"), float_model.with_name("q.onnx")
    quantize_static(
        float_model,
        given,
        Drawn(),
        quant_format=form,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    capfd.readouterr()

    code = run(["quantize", str(given), "--samples", str(samples), "-o", str(target)])

    (line,) = told(capfd)
    assert code == 2
    assert "model 'given' is quantised already, at node" in line
    assert not target.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_that_is_no_number_is_named(float_model, samples, value, capfd):
    broken = np.zeros((3, 21, 17), np.float32)
    broken[1, 2, 3] = value
    np.save(samples / "broken.npy", broken)
    target = float_model.with_name("q.onnx")

    code = run(["quantize", str(float_model), "--samples", str(samples), "-o", str(target)])

    (line,) = told(capfd)
    assert code == 2
    assert "broken.npy' holds NaN or infinity" in line


def test_a_model_that_makes_no_number_of_a_sample_is_refused(samples, tmp_path, capfd):
    body = "(float[] y) { a = Conv(x, k)  b = Sub(a, a)  y = Div(b, b) }"
    file = tmp_path / "net.onnx"
    file.write_bytes(net_bytes(body, shape="1,3,21,17", k=(2, 3, 3, 3)))

    code = run(["quantize", str(file), "--samples", str(samples), "-o", str(tmp_path / "q.onnx")])

    (line,) = told(capfd)
    assert code == 2
    assert "makes NaN or infinity of sample 1, in output 'y'" in line


@pytest.mark.parametrize("opset", [9, 12])
def test_a_model_of_old_operators_is_quantised_by_channel(samples, tmp_path, opset, capfd):
    body = "(float[] y) { a = Conv(x, k)  b = Relu(a)  y = Conv(b, l) }"
    file, target = tmp_path / "net.onnx", tmp_path / "q.onnx"
    file.write_bytes(
        net_bytes(body, opset=opset, shape="1,3,21,17", k=(4, 3, 3, 3), l=(2, 4, 3, 3))
    )

    code = run(["quantize", str(file), "--samples", str(samples), "-o", str(target)])

    assert (code, told(capfd)) == (0, [])
    graph = load_model(target).graph
    assert graph.tileable_layers == graph.depth == 2


def test_a_model_of_float16_is_quantised_and_tiled(float_model, samples, capfd):
    half, target = float_model.with_name("half.onnx"), float_model.with_name("q.onnx")
    proto = onnx.shape_inference.infer_shapes(onnx.load(float_model))
    onnx.save(convert_float_to_float16(proto), half)
    capfd.readouterr()

    code = run(["quantize", str(half), "--samples", str(samples), "-o", str(target)])

    assert (code, told(capfd)) == (0, [])
    model = load_model(target)
    assert model.graph.input.dtype == "float16"
    assert model.graph.tileable_layers == model.graph.depth == 2
    image = np.load(samples / "0.npy")[None].astype(np.float16)
    plan = plan_of(model, tau=2, grid=(2, 2), cuts=[1, 2, 3], form=InputFormat(dtype="float16"))
    carried = carry_out(model, plan, image).outputs
    for name, want in run_original(model, image).items():
        np.testing.assert_array_equal(carried[name], want)


@pytest.mark.parametrize(("activations", "share"), [("uint8", 1), ("int8", 0)])
def test_that_maps_cannot_be_tiled_is_said(samples, tmp_path, activations, share, capfd):
    """ONNX Runtime computes in float32 around an int8 map that several operators read."""
    body = """(float[] y) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k)  b = Conv<pads = [1, 1, 1, 1]>(a, k)  y = Add(a, b) }"""
    file = tmp_path / "net.onnx"
    file.write_bytes(net_bytes(body, shape="1,3,21,17", k=(3, 3, 3, 3)))
    asked = ["quantize", str(file), "--samples", str(samples), "-o", str(tmp_path / "q.onnx")]

    assert run([*asked, "--activations", activations, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["tileable_share"] == share

    assert run([*asked, "--activations", activations]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert ("0.0% of the MACs are in layers that can be tiled, 100.0% were" in text) == (share == 0)
    assert ("quantise to uint8" in text) == (share == 0)
