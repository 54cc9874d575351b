"""The families of networks that the models benchmark builds, and what it says of them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from benchmarks.models import measure as measuring
from benchmarks.models import report
from benchmarks.models.exporter import Exporter
from benchmarks.models.families import FAMILIES
from benchmarks.models.measure import Row, build, measure
from benchmarks.models.spellings import SPELLINGS
from fusepath.errors import ModelError
from fusepath.runtime.compare import Comparison
from fusepath.schedule.budget import Budget

EVERY_ROW = [(name, spelling) for name, item in FAMILIES.items() for spelling in item.spellings]
LITTLE = Budget(evaluations=200)


@pytest.fixture
def no_weights(monkeypatch):
    """Kernels have names and shapes, but no numbers."""

    def declare(self, name, shape, *, gain):
        del gain
        self._model.graph.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
        return name

    monkeypatch.setattr(Exporter, "_kernel", declare)


@pytest.fixture
def row_bound(monkeypatch):
    """Of high pictures it takes minutes, and has tests of its own."""
    known_s = 0.1
    monkeypatch.setattr(measuring, "row_bound_s", lambda _: known_s)
    return known_s


def outputs_of(model):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    fed = session.get_inputs()[0]
    return session.run(None, {fed.name: np.random.default_rng(0).random(fed.shape, np.float32)})


def row_of(**fields):
    known = {"family": "espcn", "spelling": "dynamo", "layers": 4, "nfl_ms": 2.0, "auto_ms": 1.0}
    return Row(**(known | {"bound_ms": 0.5, "tileable_share": 1.0} | fields))


# ---------------------------------------------------------------------- the networks


def test_the_families_are_at_least_thirty_and_every_spelling_is_used():
    assert len({item.member_of or name for name, item in FAMILIES.items()}) >= 30
    assert {spelling for _, spelling in EVERY_ROW} == set(SPELLINGS)
    assert set(FAMILIES["mobilenetv2"].spellings) == set(SPELLINGS)


@pytest.mark.parametrize(("name", "spelling"), EVERY_ROW)
def test_every_network_has_the_shapes_that_it_declares(no_weights, name, spelling):
    model = build(name, FAMILIES[name], spelling)
    declared = [
        tuple(d.dim_value for d in o.type.tensor_type.shape.dim) for o in model.graph.output
    ]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")

    inferred = onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    )

    assert declared == [
        tuple(d.dim_value for d in o.type.tensor_type.shape.dim) for o in inferred.graph.output
    ]


@pytest.mark.parametrize("name", ["shufflenetv2", "nanodet", "yunet", "ultraface", "espcn"])
def test_both_exporters_of_pytorch_write_the_same_network(name):
    old, new = (outputs_of(build(name, FAMILIES[name], s)) for s in ("torchscript", "dynamo"))

    for one, other in zip(old, new, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize(
    ("name", "spelling", "parameters"),
    [
        ("yolov5n", "torchscript", 1_867_405),  # Ultralytics' summaries of the fused networks
        ("yolov8n", "torchscript", 3_151_904),
        ("regnet-y", "paddle", 4_344_144),  # torchvision
    ],
)
def test_what_is_not_in_the_zoo_has_the_published_number_of_parameters(
    no_weights, name, spelling, parameters
):
    graph = build(name, FAMILIES[name], spelling).graph
    statistics = {i for n in graph.node if n.op_type == "BatchNormalization" for i in n.input[3:]}
    learned = [t for t in graph.initializer if t.name not in statistics]

    assert sum(math.prod(t.dims) for t in learned) == parameters


def test_tf2onnx_is_fed_nhwc_and_pads_before_strides():
    model = build("blazeface", FAMILIES["blazeface"], "tf2onnx")
    fed = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    strided = [
        node
        for node in model.graph.node
        if node.op_type == "Conv"
        and [*next(a.ints for a in node.attribute if a.name == "strides")] == [2, 2]
    ]

    assert fed == [1, 128, 128, 3]
    assert model.graph.node[0].op_type == "Transpose"
    assert strided
    for node in strided:
        assert [*next(a.ints for a in node.attribute if a.name == "pads")] == [0, 0, 0, 0]
        assert any(n.op_type == "Pad" and n.output[0] == node.input[0] for n in model.graph.node)


# ---------------------------------------------------------------------- what is measured


def test_a_row_has_a_verified_share_and_a_plan_at_the_crossover(row_bound):
    row = measure("espcn", "dynamo", budget=LITTLE)

    assert row.failed == ""
    assert row.nodes == 6
    assert row.verified
    assert row.tileable_share > 0.9
    assert row.split.startswith("2x2 at layer")
    assert row.bound_ms <= row.auto_ms <= row.nfl_ms
    assert row.gain < measuring.ENOUGH_GAIN  # of so short a search, so that the bound is asked for
    assert row.row_bound_ms == 1e3 * row_bound


@pytest.mark.usefixtures("row_bound")
def test_a_split_that_differs_makes_no_share(monkeypatch):
    wrong = Comparison(max_abs_error=1.0, max_rel_error=0.5, bit_equal=False, error=1.0)
    monkeypatch.setattr(measuring, "run", lambda *_, **__: SimpleNamespace(comparison=wrong))

    row = measure("espcn", "dynamo", budget=LITTLE)

    assert (row.tileable_share, row.verified, row.rel_error) == (0.0, False, 0.5)
    assert "differs" in report.table([row])[-1]


def test_a_network_that_cannot_be_read_is_shown_with_the_reason(monkeypatch):
    def refuse(*_, **__):
        raise ModelError("espcn: node 'x': no rule")

    monkeypatch.setattr(measuring, "read_model", refuse)

    row = measure("espcn", "dynamo", budget=LITTLE)

    assert "cannot be read: espcn: node 'x': no rule" in report.table([row])[-1]
    assert report.summary([row, row_of(family="mobilenetv2")])[-1].endswith("1 failed.")


# ---------------------------------------------------------------------- what is written


def test_new_rows_take_the_place_of_older_ones(tmp_path):
    path = tmp_path / "models.csv"
    older = [row_of(split="old"), row_of(family="fsrcnn"), row_of(family="gone")]
    report.write_csv(path, older)

    rows = report.merged(path, [row_of(split="new", rel_error=1e-7)])

    assert [(row.family, row.split) for row in rows] == [("fsrcnn", ""), ("espcn", "new")]
    assert rows[1].rel_error == 1e-7
    assert not report.is_complete(rows)


def test_a_family_is_as_good_as_the_worst_of_its_spellings_and_forms():
    rows = [
        row_of(family="unet-nearest", tileable_share=0.2),
        row_of(family="unet-transposed"),
        row_of(family="mobilenetv2", auto_ms=1.25),
    ]

    shares, gains, mobile, _ = report.summary(rows)

    assert shares.startswith("- 1 of 2 families")
    assert shares.endswith("less have unet.")
    assert "at least 1.600" in gains
    assert "1.60 to 1.60" in mobile
