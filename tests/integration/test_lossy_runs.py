"""Lossy plans carried out: as planned, the same wherever they run, and said to be lossy."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest
from msgspec import structs

from fusepath.cost import Compression, ComputeRate, parse_link
from fusepath.offload.machines import Machines
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import Constraints, Plan, PlanRequest, Setting, Timing
from fusepath.report import plan_text
from fusepath.runtime.alone import BothShares
from fusepath.tiling import Segment
from tests.plans import carry_out, pixels, plan_of
from tests.runs import run

STRIPS = (
    Segment(start=0, stop=6, cut=2, strips=((16, 0), (24, 0), (24, 6))),
    Segment(start=6, stop=14, cut=5, strips=((40, 0), (63, 14))),
)
SHAPES = {
    "whole": {"cuts": [4]},
    "tiles": {"tau": 4, "grid": (2, 2), "cuts": [3, 3, 5, 2]},
    "strips": {"tau": 4, "cuts": [2, 2, 2, 5, 5], "segments": STRIPS},
}


@cache
def model():
    return load_model("zoo:squeezenet?size=64")


def lossy_plan(shape: str, codec: str, ratio: float) -> Plan:
    fields = SHAPES[shape]
    names = {name for cut in fields["cuts"] for name in model().graph.sent(cut)}
    item = Compression(codec=codec, ratio=ratio, encode_s_per_byte=0, decode_s_per_byte=0)
    plan = plan_of(model(), **fields, compression=dict.fromkeys(sorted(names), item))
    asked = structs.replace(plan.request, lossy=codec.partition("+")[0])
    return structs.replace(plan, request=asked)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("codec", "ratio"), [("fp16", 0.5), ("int8", 0.25)])
def test_plan_and_execution_agree_on_bytes_and_values(shape, codec, ratio):
    plan, image = lossy_plan(shape, codec, ratio), pixels(model())

    carried = carry_out(model(), plan, image)
    alone = BothShares(model(), plan.recipe).run(image)

    scales = 0 if codec == "fp16" else 8 * 128 * len(plan.cuts) * 2
    planned, _ = Timing(Setting.of_plan(plan, model().graph)).wire_bytes(plan)
    assert planned.sum() <= carried.up_bytes <= planned.sum() + scales
    for name, wanted in run_unsplit(model(), image, plan.input).items():
        assert carried.outputs[name].tobytes() == alone[name].tobytes()
        error = float(np.abs(carried.outputs[name] - wanted).max() / np.abs(wanted).max())
        assert 1e-5 < error < (1e-3 if codec == "fp16" else 0.1)


def test_a_run_says_how_much_it_changes_and_judges_nothing():
    plan, image = lossy_plan("whole", "int8", 0.25), pixels(model())

    report = run(model(), image, edge="memory:", plan=plan, repeats=2, verify=True)

    assert report.comparison is None
    (change,) = report.changes.values()
    assert change.samples == 2
    assert 0 < change.largest < 0.1 * change.scale
    assert change.of == "scores"
    assert not any(item.is_exact for item in report.runs)
    assert "not measured" not in plan_text(report.plan_as_run)
    assert "results change, on 2 samples as follows" in plan_text(report.plan_as_run)
    exact = run(model(), image, edge="memory:", plan=plan_of(model(), cuts=[4]), verify=True)
    assert exact.changes is None
    assert exact.comparison.passed
    assert all(item.is_exact for item in exact.runs)


def test_a_session_that_may_chooses_a_lossy_plan_itself_and_others_never_do(monkeypatch):
    # How long codecs take here shall not decide.
    monkeypatch.setattr("fusepath.profiling.codecs.total_s", lambda *_: 0.0)
    slow = Machines(device=ComputeRate(5e9), edge=ComputeRate(1e14), link=parse_link("1MB/s"))
    limits = Constraints(keep_on_device=4)
    asked = PlanRequest(algorithm="nfl", codecs="off", constraints=limits)

    for lossy in ("off", "int8"):
        request = msgspec.structs.replace(asked, lossy=lossy)
        report = run(
            model(),
            pixels(model()),
            edge="memory:",
            request=request,
            given=slow,
        )
        assert (report.changes is None) == (lossy == "off")
        assert report.plan.is_exact == (lossy == "off")
