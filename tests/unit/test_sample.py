"""Measuring codecs on the tensors of a sample image."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fusepath.cost import ComputeRate, Link
from fusepath.errors import ImageError, InputError
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat, Setting
from fusepath.profiling.codecs import crossing_tensors, named_codecs, offering_codecs, sample_codecs
from fusepath.runtime.codecs import CODECS, is_installed
from tests.plans import pixels


@cache
def model():
    return load_model("zoo:resnet18?size=32")


def test_every_tensor_that_a_cut_sends_or_that_returns_is_sampled_once():
    graph = model().graph
    wanted = {name for cut in range(1, graph.depth + 1) for name in graph.sent(cut)}
    wanted.update(graph.outputs)

    sampled = list(crossing_tensors(model(), pixels(model()), InputFormat()))

    assert sorted(name for name, _ in sampled) == sorted(wanted)
    assert sampled[0][0] == graph.input.name
    assert sampled[0][1].dtype == np.uint8
    for name, value in sampled:
        assert value.shape == graph.tensors[name].shape


def test_an_input_that_travels_as_floats_is_sampled_as_floats():
    form = InputFormat(dtype="float32", mean=(0.0,), std=(1.0,))

    (_, value) = next(iter(crossing_tensors(model(), pixels(model()), form)))

    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, pixels(model()))


def test_a_sample_that_is_not_the_input_is_refused():
    with pytest.raises(ImageError, match="the sample is"):
        next(iter(crossing_tensors(model(), pixels(model())[:, :, :8], InputFormat())))
    with pytest.raises(ImageError, match="the plan sends uint8"):
        next(iter(crossing_tensors(model(), pixels(model()).astype(np.float32), InputFormat())))


def test_ratios_are_those_of_what_is_sent():
    half = np.ones((1, 4, 16, 64), dtype=np.float32)
    half[:, ::2] = 0
    dense = np.ones((1, 4, 16, 64), dtype=np.float32)

    (sparse,), (plain,) = (list(sample_codecs("x", v, ["bitmask"])) for v in (half, dense))

    assert sparse.raw_bytes == 4 * half.size
    assert sparse.compression.ratio == pytest.approx(0.5 + 1 / 32)
    assert plain.compression.ratio == 1.0  # what grows is sent as it is


def test_machines_that_are_slower_take_longer_to_encode_and_to_decode():
    def measured(device: float, edge: float):
        setting = Setting(
            graph=model().graph,
            device=ComputeRate(device),
            edge=ComputeRate(edge),
            link=Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
        )
        found = offering_codecs(
            setting, model(), pixels(model()), InputFormat(), codecs=["bitmask"]
        )
        (item,) = found.offered[model().graph.input.name]
        (back,) = found.offered_back[model().graph.outputs[0]]
        return item, back

    # Timings differ from run to run, though not by a factor of a million.
    (quick, quick_back), (slow, slow_back) = measured(1e12, 1e6), measured(1e6, 1e12)

    # On the way back the edge server encodes.
    assert slow_back.encode_s_per_byte < quick_back.encode_s_per_byte
    assert slow_back.decode_s_per_byte > quick_back.decode_s_per_byte

    assert slow.encode_s_per_byte > quick.encode_s_per_byte
    assert slow.decode_s_per_byte < quick.decode_s_per_byte
    assert slow.ratio == quick.ratio


def test_what_is_much_larger_than_the_image_is_not_tried():
    graph = model().graph
    setting = Setting(
        graph=graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(1e9),
        link=Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
    )
    image = pixels(model())
    found = offering_codecs(
        setting, model(), image, InputFormat(dtype="uint8"), codecs=["bitmask"]
    ).offered

    sizes = {graph.input.name: image.nbytes}
    sizes |= {n: 4 * graph.tensors[n].elements for cut in range(2, graph.depth + 1)
              for n in graph.sent(cut)}  # fmt: skip
    assert found.keys() == {name for name, size in sizes.items() if size <= 4 * image.nbytes}
    assert 1 < len(found) < len(sizes)


def test_names_of_codecs():
    assert named_codecs("off") == []
    assert named_codecs("auto") == [name for name in CODECS if is_installed(name)]
    assert named_codecs("bitmask") == ["bitmask"]
    with pytest.raises(InputError, match="no codec 'zip'"):
        named_codecs("zip")
