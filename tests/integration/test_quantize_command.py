"""``fusepath quantize``: from a model and samples to a model whose maps are bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fusepath.cli.main import run
from fusepath.cost import RUNTIME, cut_bytes
from fusepath.onnx_io import load_model
from tests.written_models import net_bytes

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
    for folder in ("empty", "none"):
        text = complaint(float_model, "--samples", tmp_path / folder, "-o", target)
        assert "give a folder of pictures" in text
    text = complaint(float_model, "--samples", samples, "-o", tmp_path / "no" / "q.onnx")
    assert "cannot write" in text
    assert not target.exists()
