"""Weights in files beside the model: read as if they were inside, and never from anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper, parser

from fusepath.errors import ModelError
from fusepath.onnx_io import load_model, original_with_shape, read_model
from fusepath.plan import ModelReference
from fusepath.remote.model_store import ModelStore
from fusepath.runtime.runner import Runner

NET = """<ir_version: 8, opset_import: ["": 17]> g (float[1,3,12,8] image) => (float[] y) {
    [stem] a = Conv<pads = [1, 1, 1, 1]>(image, w)
    [flat] f = Flatten(a)  [fc] y = Gemm(f, m)  }"""
SHAPES = {"w": (4, 3, 3, 3), "m": (384, 2)}


def whole() -> ModelProto:
    proto = parser.parse_model(NET)
    rng = np.random.default_rng(3)
    for name, shape in SHAPES.items():
        values = rng.standard_normal(shape, dtype=np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    return proto


def saved(folder: Path, location: str = "net.onnx.data") -> Path:
    """A model as exporters write it: one file of weights beside it."""
    file = folder / "net.onnx"
    onnx.save(whole(), file, save_as_external_data=True, location=location, size_threshold=0)
    return file


def changed(file: Path, key: str, value: str, tensor: int = 0) -> Path:
    """The model with an entry of one tensor's external data set to something else."""
    proto = ModelProto.FromString(file.read_bytes())
    for entry in proto.graph.initializer[tensor].external_data:
        if entry.key == key:
            entry.value = value
    file.write_bytes(proto.SerializeToString())
    return file


def refusal(file: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(file)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_weights_beside_the_model_are_those_of_the_model(tmp_path):
    model = load_model(saved(tmp_path))
    inside = read_model(whole().SerializeToString(), name="net", source="net")

    assert {name: value.tobytes() for name, value in model.weights.items()} == {
        name: value.tobytes() for name, value in inside.weights.items()
    }
    feed = {"image": np.random.default_rng(0).random((1, 3, 12, 8), dtype=np.float32)}
    one, other = (Runner(original_with_shape(m)).run(feed)["y"] for m in (model, inside))
    np.testing.assert_array_equal(one, other)


def test_the_digest_covers_the_weights(tmp_path):
    file = saved(tmp_path)
    before = load_model(file)
    weights = tmp_path / "net.onnx.data"
    stored = bytearray(weights.read_bytes())
    stored[5] ^= 1
    weights.write_bytes(stored)

    assert load_model(file).sha256 != before.sha256
    with pytest.raises(ModelError, match="has changed since it was read"):
        _ = before.original


def test_an_edge_server_finds_the_model_in_its_folder(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        saved(folder)
    model = load_model(ours / "net.onnx")
    reference = ModelReference(
        name="net", sha256=model.sha256, source=model.source, input_shape=(1, 3, 12, 8)
    )

    assert ModelStore(theirs).get(reference).sha256 == model.sha256


def test_an_edge_server_leaves_out_a_model_without_its_weights(tmp_path, caplog):
    saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    onnx.save(whole(), tmp_path / "other.onnx")

    assert len(ModelStore(tmp_path)) == 1
    assert "net.onnx.data" in caplog.text


def test_a_model_may_use_a_folder_below_its_own(tmp_path):
    (tmp_path / "weights").mkdir()
    file = saved(tmp_path)
    (tmp_path / "net.onnx.data").rename(tmp_path / "weights" / "all")
    for tensor in range(2):
        changed(file, "location", "weights/all", tensor)

    assert load_model(file).graph.depth == 3


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_the_other_file_may_have_a_name_that_is_no_text(tmp_path):
    file, named = saved(tmp_path, "x.data"), b"\xe9.data"
    (tmp_path / "x.data").rename(tmp_path / os.fsdecode(named))
    file.write_bytes(file.read_bytes().replace(b"x.data", named))

    assert load_model(file).graph.depth == 3


def test_the_other_file_has_its_name_in_utf_8_whatever_the_system_has(tmp_path):
    file = saved(tmp_path, "näch.data")
    system = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = "import sys, fusepath; print(fusepath.load_model(sys.argv[1]).sha256)"

    called = subprocess.run(
        [sys.executable, "-c", told, file],
        env=os.environ | system,
        capture_output=True,
        check=True,
        text=True,
    )

    assert called.stdout.strip() == load_model(file).sha256


def test_a_model_whose_folder_is_a_link_is_read(tmp_path):
    (tmp_path / "real").mkdir()
    saved(tmp_path / "real")
    (tmp_path / "linked").symlink_to(tmp_path / "real")

    assert load_model(tmp_path / "linked" / "net.onnx").graph.depth == 3


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret", "weights/../../secret", "", ".", "a\0b", "\udcff"]
)
def test_files_elsewhere_are_not_read(tmp_path, location):
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "weights").mkdir()
    file = saved(tmp_path / "in")
    if location == "\udcff":  # as bytes that are no text
        file.write_bytes(file.read_bytes().replace(b"net.onnx.data", b"net.onnx.d\xff\xff\xff"))
    else:
        changed(file, "location", location)

    refusal(file)


def test_a_symbolic_link_is_not_followed(tmp_path):
    file = saved(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "net.onnx.data").rename(elsewhere)
    (tmp_path / "net.onnx.data").symlink_to(elsewhere)

    assert "symbolic link" in refusal(file)


def test_a_linked_folder_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    file = saved(tmp_path / "in")
    (tmp_path / "in" / "net.onnx.data").rename(tmp_path / "out" / "all")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "out")
    for tensor in range(2):
        changed(file, "location", "sub/all", tensor)

    assert "symbolic link" in refusal(file)


def test_a_hard_link_is_refused(tmp_path):
    file = saved(tmp_path)
    (tmp_path / "also").hardlink_to(tmp_path / "net.onnx.data")

    assert "hard link" in refusal(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_at_once(tmp_path):
    file = saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    os.mkfifo(tmp_path / "net.onnx.data")

    assert "not a regular file" in refusal(file)


def test_a_folder_for_weights_is_refused(tmp_path):
    file = saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    (tmp_path / "net.onnx.data").mkdir()

    assert "not a regular file" in refusal(file)


def test_missing_weights_are_named(tmp_path):
    file = saved(tmp_path)
    (tmp_path / "net.onnx.data").unlink()

    assert "'net.onnx.data', which is not there; copy it beside the model" in refusal(file)


def test_weights_that_end_too_soon_are_refused(tmp_path):
    file = saved(tmp_path)
    os.truncate(tmp_path / "net.onnx.data", 500)

    assert "'m' is bytes" in refusal(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [("offset", "-4"), ("offset", "1e3"), ("offset", "9" * 20), ("length", "4"), ("length", "x")],
)
def test_places_that_make_no_sense_are_refused(tmp_path, key, value):
    refusal(changed(saved(tmp_path), key, value))


def test_a_huge_file_is_not_read(tmp_path):
    file = saved(tmp_path)
    with (tmp_path / "net.onnx.data").open("r+b") as stream:
        stream.truncate(2**31)

    assert "2 GiB" in refusal(file)


def test_tensors_that_share_bytes_are_counted_each(tmp_path):
    file = saved(tmp_path)
    proto = ModelProto.FromString(file.read_bytes())
    with (tmp_path / "net.onnx.data").open("r+b") as stream:
        stream.truncate(2**28)
    for index in range(9):
        tensor = proto.graph.initializer.add()
        tensor.CopyFrom(proto.graph.initializer[0])
        tensor.name, tensor.data_type = f"extra{index}", TensorProto.UINT8
        tensor.dims[:] = [2**28]
        for entry in tensor.external_data:
            entry.value = {"offset": "0", "length": str(2**28)}.get(entry.key, entry.value)
    file.write_bytes(proto.SerializeToString())

    assert "2 GiB" in refusal(file)


def test_without_a_folder_the_other_file_is_named(tmp_path):
    data = saved(tmp_path).read_bytes()

    with pytest.raises(ModelError, match=r"'net\.onnx\.data'; load the model by its path"):
        read_model(data, name="net", source="net")
