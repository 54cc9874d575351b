"""Whatever the tiling, the cuts and the order: the result is that of the unsplit original.

With integer weights every sum is exact in any order, so results are compared bit for bit.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model, zoo
from fusepath.runtime.runner import Runner
from tests.plans import AS_THEY_ARE, assert_close, carry_out, plan_of

if TYPE_CHECKING:
    from fusepath.onnx_io import Model

SIZES = {
    "alexnet": 99,
    "squeezenet": 64,
    "squeezenet1_1": 61,
    "yolov2": 64,
    "tiny-yolov2": 96,
    "vgg16": 64,
    "resnet18": 97,
    "resnet50": 65,
    "mobilenetv2": 81,
    "vgg19": 64,
    "resnet101": 65,
    "googlenet": 65,
    "densenet121": 65,
    "mobilenetv3-large": 81,
    "efficientnet-b0": 81,
    "shufflenetv2": 81,
    "convnext-tiny": 72,
    "unet": 80,
    "yolov5n": 96,
    "yolov8n": 96,
    "nanodet": 96,
    "ssd-mobilenet": 97,
}
"""Small, and mostly odd so that strides leave rests."""
HEAVY = {"alexnet", "vgg16", "yolov2", "vgg19", "resnet101", "convnext-tiny", "tiny-yolov2"}
"""From 60 to 200 MB of weights, which every session of a deep range copies."""
DEEP = {"resnet101", "densenet121", "efficientnet-b0", "mobilenetv3-large", "convnext-tiny"}
DEEP |= {"vgg16", "vgg19", "resnet50", "googlenet", "unet", "yolov5n", "yolov8n", "ssd-mobilenet"}
DEEP |= {"alexnet", "yolov2", "squeezenet1_1"}
"""Left to the slow tests: what is in them, others have too."""
GRIDS = [(1, 1), (2, 1), (2, 2), (2, 3), (1, 4), (3, 3), (4, 4)]
every_network = pytest.mark.parametrize("name", zoo.NAMES)


def slow_for(names: set[str]) -> pytest.MarkDecorator:
    """Every network, these only in the slow tests."""
    return pytest.mark.parametrize(
        "name", [pytest.param(n, marks=pytest.mark.slow) if n in names else n for n in zoo.NAMES]
    )


deep_ones_slow = slow_for(DEEP)
deep_and_heavy_ones_slow = slow_for(DEEP | HEAVY)


@lru_cache(maxsize=2)
def model_of(name: str, weights: str) -> Model:
    return load_model(f"zoo:{name}?size={SIZES[name]}&weights={weights}")


@cache
def image_of(name: str) -> np.ndarray:
    size = SIZES[name]
    return np.random.default_rng(0).integers(0, 256, (1, 3, size, size), dtype=np.uint8)


@cache
def unsplit(name: str, weights: str) -> dict[str, np.ndarray]:
    return run_unsplit(model_of(name, weights), image_of(name), AS_THEY_ARE)


@lru_cache(maxsize=1)
def unsplit_maps(name: str) -> dict[str, np.ndarray]:
    """Every map of the original integer network: a softmax at its end would hide a wrong pixel."""
    original = onnx.ModelProto.FromString(model_of(name, "integer").original)
    declared = {output.name for output in original.graph.output}
    for node in original.graph.node:
        for output in node.output:
            if output not in declared:
                original.graph.output.append(onnx.ValueInfoProto(name=output))
    runner = Runner(original.SerializeToString())
    return runner.run({"image": image_of(name).astype(np.float32)})


def fits(model: Model, tau: int, grid: tuple[int, int]) -> bool:
    return all(parts <= model.graph.fused_size(tau, axis) for axis, parts in enumerate(grid))


def mixed_cuts(tau: int, *, shift: int = 0) -> list[int]:
    """Both ends, the middle and one more, so that neighbours are cut in different layers."""
    cuts = sorted({1, tau + 1, tau // 2 + 1, max(tau - 1, 1)}, reverse=True)
    at = shift % len(cuts)
    return cuts[at:] + cuts[:at]


def assert_bit_equal(name: str, tau: int, grid: tuple[int, int], cuts: list[int]) -> None:
    model = model_of(name, "integer")
    paths = grid[0] * grid[1]
    order = np.random.default_rng(tau).permutation(paths) + 1
    plan = plan_of(model, tau=tau, grid=grid, cuts=cuts, order=order.tolist())

    carried = carry_out(model, plan, image_of(name))

    assert set(carried.fused) == set(model.graph.frontier(tau))
    for tensor, value in carried.fused.items():
        np.testing.assert_array_equal(value, unsplit_maps(name)[tensor], err_msg=tensor)
    expected = unsplit(name, "integer")
    assert carried.outputs.keys() == expected.keys()
    for output, want in expected.items():
        np.testing.assert_array_equal(carried.outputs[output], want)


@deep_ones_slow
def test_tiles_of_integer_networks_are_bit_equal_to_the_whole(name):
    """A shallow, a middle and a deep fused layer, each with a grid that fits and mixed cuts."""
    graph = model_of(name, "integer").graph
    last = graph.tileable_layers
    samples = [(1, (2, 3)), (last // 3, (4, 4)), (last // 2, (3, 3)), (last * 3 // 4, (1, 4))]
    samples += [(last - 1, (2, 2)), (last, (1, 1))]
    for wanted_tau, wanted in samples[:4] if name in HEAVY else samples:
        tau = max(wanted_tau, 1)
        sizes = (graph.fused_size(tau, 0), graph.fused_size(tau, 1))
        grid = (min(wanted[0], sizes[0]), min(wanted[1], sizes[1]))
        assert_bit_equal(name, tau, grid, mixed_cuts(tau, shift=tau))


@deep_ones_slow
def test_the_unsplit_network_can_be_cut_before_its_layers(name):
    """What NFL chooses from, full offload and device-only included; both sides untiled."""
    depth = model_of(name, "integer").graph.depth
    for cut in {*range(1, depth + 2, 13 if name in HEAVY else 5), depth + 1}:
        assert_bit_equal(name, depth, (1, 1), [cut])


@deep_and_heavy_ones_slow
def test_tiles_of_real_networks_are_within_1e_5_of_the_largest_value(name):
    model = model_of(name, "he")
    tau = max(model.graph.tileable_layers * 2 // 3, 1)
    grid = (2, 3) if fits(model, tau, (2, 3)) else (2, 2)
    plan = plan_of(model, tau=tau, grid=grid, cuts=mixed_cuts(tau))

    assert_close(carry_out(model, plan, image_of(name)).outputs, unsplit(name, "he"))


@pytest.mark.parametrize("name", ["squeezenet", "tiny-yolov2", "resnet18", "mobilenetv2"])
def test_the_maps_of_integer_networks_say_something(name):
    """Guards the tests above: maps of zeros would equal anything."""
    graph = model_of(name, "integer").graph
    for tau in range(1, graph.tileable_layers + 1):
        for tensor in graph.frontier(tau):
            value = unsplit_maps(name)[tensor]
            assert len(np.unique(value)) > 5, tensor
            assert np.count_nonzero(value) > value.size / 50, tensor


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid[0]}x{grid[1]}")
@every_network
def test_every_fused_layer_of_every_network_in_every_grid_is_bit_equal(name, grid):
    model = model_of(name, "integer")
    for tau in range(1, model.graph.tileable_layers + 1):
        if fits(model, tau, grid):
            assert_bit_equal(name, tau, grid, mixed_cuts(tau, shift=tau))


@pytest.mark.slow
@every_network
def test_every_cut_of_every_unsplit_network_is_bit_equal(name):
    depth = model_of(name, "integer").graph.depth
    for cut in range(1, depth + 2):
        assert_bit_equal(name, depth, (1, 1), [cut])


@pytest.mark.slow
@pytest.mark.parametrize("grid", [(2, 2), (2, 3), (4, 4)], ids=lambda grid: f"{grid[0]}x{grid[1]}")
@every_network
def test_every_fused_layer_of_real_networks_is_within_1e_5(name, grid):
    model = model_of(name, "he")
    for tau in range(1, model.graph.tileable_layers + 1, 2):
        if fits(model, tau, grid):
            plan = plan_of(model, tau=tau, grid=grid, cuts=mixed_cuts(tau))
            assert_close(carry_out(model, plan, image_of(name)).outputs, unsplit(name, "he"))
