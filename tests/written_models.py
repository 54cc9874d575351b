"""Networks written by hand as text, and whether what is made of them computes the same."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from onnx import numpy_helper, parser

from fusepath.cost import layer_macs
from fusepath.onnx_io import build_submodel, original_with_shape, read_model
from fusepath.plan import InputFormat
from tests.onnx_models import with_weights
from tests.plans import assert_close, carry_out, plan_of, stream_plan, streamable

if TYPE_CHECKING:
    from fusepath.onnx_io import Model, SubModel

TOLERANCE = 1e-6
"""Largest difference, as a fraction of the largest value."""
AS_VALUES = InputFormat(dtype="float32", mean=(0.0,), std=(1.0,))


def run(data: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def run_part(part: SubModel, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return run(with_weights(part.data, part.weights).SerializeToString(), feeds)


def run_chain(model: Model, image: np.ndarray, cuts: list[int]) -> dict[str, np.ndarray]:
    """Outputs of the network, computed by one sub-model after the other."""
    values = {model.graph.input.name: image}
    bounds = [0, *cuts, model.graph.depth]
    for before, last in pairwise(bounds):
        part = build_submodel(model, before + 1, last)
        values |= run_part(part, {name: values[name] for name in part.inputs})
    return {name: values[name] for name in model.graph.outputs}


def assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert actual.keys() == expected.keys()
    for name, want in expected.items():
        assert actual[name].shape == want.shape
        if np.array_equal(actual[name], want):
            continue  # infinities among them have no scale
        scale = max(1.0, float(np.abs(want).max(initial=0)))
        np.testing.assert_allclose(actual[name], want, rtol=0, atol=TOLERANCE * scale)


def run_original(model: Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the model file makes of an image of its normal form, as the normal form has it."""
    source, outputs = model.boundary.input, model.boundary.outputs
    results = run(original_with_shape(model), {source.name: source.to_owner([image])})
    return {port.name: port.to_normal(results[port.name])[0] for port in outputs}


def assert_all_agree(model: Model, chains: list[list[int]]) -> None:
    image = np.random.default_rng(0).standard_normal(model.graph.input.shape, dtype=np.float32)
    feeds = {model.graph.input.name: image}
    expected = run_original(model, image)

    whole = with_weights(model.proto.SerializeToString(), model.weights)
    assert_same(run(whole.SerializeToString(), feeds), expected)
    for cuts in chains:
        assert_same(run_chain(model, image, cuts), expected)


def net_bytes(
    body: str,
    *,
    opset: int = 17,
    shape: str = "1,4,13,10",
    integer: bool = False,
    **weights: object,
) -> bytes:
    """A hand-written network; weights given as a shape are drawn, others are taken as they are.

    With ``integer`` the drawn ones are -1, 0 and 1.
    """
    text = f'<ir_version: 8, opset_import: ["": {opset}]> g (float[{shape}] x) => {body}'
    proto = parser.parse_model(text)
    rng = np.random.default_rng(1)
    for name, given in weights.items():
        value = given
        if isinstance(given, tuple) and integer:
            value = rng.integers(-1, 2, given).astype(np.float32)
        elif isinstance(given, tuple):
            value = rng.standard_normal(given, dtype=np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return proto.SerializeToString()


def net(body: str, **parts: Any) -> Model:
    """The network of `net_bytes`, read."""
    return read_model(net_bytes(body, **parts), name="net", source="net.onnx")


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def op_types(model: Model) -> list[str]:
    return [node.op_type for node in model.proto.graph.node]


def tileable_share(model: Model) -> float:
    """The share of MACs in layers that can be tiled."""
    graph = model.graph
    macs = [layer_macs(graph, layer.index) for layer in graph.layers]
    return sum(macs[: graph.tileable_layers]) / max(1, sum(macs))


def assert_splits(model: Model, *, exact: bool = True) -> None:
    """Tiles and strips, cut everywhere, give what the original gives: its bits where ``exact``."""
    image = np.random.default_rng(0).integers(-3, 4, model.graph.input.shape).astype(np.float32)
    expected = run_original(model, image)
    last = model.graph.tileable_layers
    plans = []
    for tau in sorted({1, (last + 1) // 2, last}):
        grid = tuple(min(2, model.graph.fused_size(tau, axis)) for axis in (0, 1))
        plans.append(plan_of(model, tau=tau, grid=grid, cuts=[1, tau + 1, tau], form=AS_VALUES))
    for tau in streamable(model)[-1:]:
        height = model.graph.fused_size(tau, 0)
        middle = height // 2
        segments = [(0, middle, tau, 3), (middle, height, 1, 2)] if middle else [(0, height, 1, 2)]
        plans.append(stream_plan(model, tau, segments, form=AS_VALUES))
    for plan in plans:
        outputs = carry_out(model, plan, image).outputs
        if exact:
            for name, want in expected.items():
                np.testing.assert_array_equal(outputs[name], want, err_msg=name)
        else:
            assert_close(outputs, expected)
