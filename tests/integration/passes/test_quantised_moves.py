"""What only moves values works on bytes wherever ONNX Runtime makes it do so."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.offload.verify import run_unsplit
from tests.plans import carry_out, plan_of, stream_plan, streamable
from tests.written_models import AS_VALUES, ints, net, op_types

RNG = np.random.default_rng(5)
CONSTANTS = {
    "k": RNG.integers(-60, 60, (8, 4, 3, 3)).astype(np.int8),
    "l": RNG.integers(-60, 60, (8, 8, 3, 3)).astype(np.int8),
    "s": np.float32(0.01), "n": np.int8(0),
    "s1": np.float32(0.03), "z1": np.uint8(120),
    "s2": np.float32(0.1), "z2": np.uint8(100),
    "s3": np.float32(0.3), "z3": np.uint8(128),
    "i": ints(1), "j": ints(11), "two": ints(2),
}  # fmt: skip
MAX = "MaxPool<kernel_shape = [2, 2]>"
BEHIND = "q2 = QuantizeLinear(m, s2, z2)  e = DequantizeLinear(q2, s2, z2)"
BEFORE = "q2 = QuantizeLinear(a, s2, z2)  d2 = DequantizeLinear(q2, s2, z2)"
CASES = {
    "quantised behind a pool": f"m = {MAX}(a) {BEHIND}",
    "quantised before a pool": f"{BEFORE} e = {MAX}(d2)",
    "quantised before two": f"{BEFORE} m = {MAX}(d2)  o = Identity(m)  e = {MAX}(o)",
    "quantised behind two": f"o = {MAX}(a) m = Slice(o, i, j, two) {BEHIND}",
    "quantised before a slice": f"{BEFORE} e = Slice(d2, i, j, two)",
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES)
def test_parts_compute_as_the_whole(body):
    model = net(
        f"""(float[] y) {{
            q = QuantizeLinear(x, s1, z1)  d = DequantizeLinear(q, s1, z1)
            w = DequantizeLinear(k, s, n)  v = DequantizeLinear(l, s, n)
            a = Conv(d, w) {body} c = Conv(e, v)
            p = QuantizeLinear(c, s3, z3)  y = DequantizeLinear(p, s3, z3) }}""",
        shape="1,4,19,17",
        **CONSTANTS,
    )
    graph = model.graph
    depth = graph.depth
    plans = [plan_of(model, cuts=[cut], form=AS_VALUES) for cut in range(1, depth + 2)]
    plans.append(plan_of(model, tau=depth, grid=(2, 2), cuts=range(1, depth + 2), form=AS_VALUES))
    for tau in streamable(model):
        height = graph.fused_size(tau, 0)
        plans.append(stream_plan(model, tau, [(0, height, tau, 3)], form=AS_VALUES))

    assert graph.tileable_layers == depth
    for cut in range(2, depth + 1):
        assert {graph.tensors[name].dtype for name in graph.sent(cut)} == {"uint8"}
    for seed in range(3):
        image = np.random.default_rng(seed).standard_normal(graph.input.shape, dtype=np.float32)
        expected = run_unsplit(model, image, AS_VALUES)
        for plan in plans:
            outputs = carry_out(model, plan, image).outputs
            np.testing.assert_array_equal(outputs["y"], expected["y"], str(plan.recipe))


def test_what_is_read_in_float32_as_well_stays_so():
    model = net(
        f"""(float[] y) {{ m = {MAX}(x) r = Relu(m)
            q = QuantizeLinear(m, s1, z1)  d = DequantizeLinear(q, s1, z1)  y = Add(d, r) }}""",
        **CONSTANTS,
    )

    assert op_types(model).count("QuantizeLinear") == 1
