"""One protocol of latency models: what planning asks, whoever answers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import msgspec
import pytest

from fusepath.cost import (
    RUNTIME,
    Charge,
    ComputeRate,
    LatencyModel,
    LayerTime,
    MachineProfile,
    parse_machine,
    path_costs,
    strip_costs,
)
from fusepath.errors import FileFormatError, SettingError
from fusepath.onnx_io import Model, load_model
from fusepath.tiling import Grid, StripRows


@pytest.fixture(scope="module")
def squeezenet() -> Model:
    return load_model("zoo:squeezenet?size=64")


@dataclass(frozen=True)
class TickPerPosition:
    """A model of nobody's machine: one second per position, ten per call, two per strip's row."""

    call_overhead_s: float = 10.0
    strip_factor: float = 2.0
    strip_ahead_factor: float = 3.0

    def charges(self, graph, convention) -> tuple[Charge, ...]:
        return tuple(
            Charge(layer.index, layer.operators[0].outputs[0], 1.0)
            for layer in graph.layers[: graph.tileable_layers]
        )

    def layer_s(self, graph, index, convention) -> float:
        return 1.0

    def piece_s(self, first, last) -> float:
        return self.call_overhead_s if first <= last else 0.0

    def strip_s(self, first, last) -> float:
        return self.piece_s(first, last)

    def describe(self) -> str:
        return "ticks"


def test_costs_ask_only_what_the_protocol_says(squeezenet):
    graph = squeezenet.graph
    ticks: LatencyModel = TickPerPosition()
    first = graph.tensors[graph.layers[0].operators[0].outputs[0]]

    (costs,) = path_costs(graph, 1, [Grid(1, 1)], device=ticks, edge=ticks, convention=RUNTIME)
    strips = strip_costs(StripRows(graph, 1), device=ticks, edge=ticks, convention=RUNTIME)

    # Cut 1 leaves the device nothing, cut 2 the edge server: a machine without work is not called.
    assert costs.device.tolist() == [[0.0, first.size(0) * first.size(1) + 10.0]]
    assert costs.edge.tolist() == [[first.size(0) * first.size(1) + 10.0, 0.0]]
    assert strips.per_row[0, 1].sum() == 2.0 * first.size(1)
    assert strips.per_row[2, 0].sum() == 3.0 * first.size(1)


def test_a_profile_made_of_a_rate_costs_what_the_rate_costs(squeezenet):
    graph = squeezenet.graph
    rate = ComputeRate(1e9)
    profile = MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(name=layer.name, seconds=rate.layer_s(graph, layer.index, RUNTIME))
            for layer in graph.layers
        ),
    )

    for machine in (rate, profile):
        assert machine.piece_s(1, 0) == machine.strip_s(3, 2) == 0.0
    by_rate, by_profile = (
        {c.tensor: c.amount for c in machine.charges(graph, RUNTIME) if c.amount > 0}
        for machine in (rate, profile)
    )
    assert by_rate.keys() == by_profile.keys()
    for tensor, seconds in by_rate.items():
        assert by_profile[tensor] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("seconds", -1.0), ("seconds", math.inf), ("fixed_s", -1e-9), ("spread", math.nan)),
        *(
            ("call_overhead_s", -5.0),
            ("waking_s", -5.0),
            ("strip_layer_s", math.inf),
            ("strip_factor", -3.0),
            ("strip_ahead_factor", -3.0),
        ),
        *(("rounding", -1e-6), ("threads", -1)),
    ],
)
def test_a_profile_that_no_machine_has_is_refused_wherever_it_comes_from(field, value, tmp_path):
    profile = MachineProfile(model_sha256="0" * 64, layers=(LayerTime(name="a", seconds=1.0),))
    layer = field in LayerTime.__struct_fields__

    with pytest.raises(SettingError, match=f"{field} .* is not finite, or below zero"):
        msgspec.structs.replace(profile.layers[0] if layer else profile, **{field: value})
    document = msgspec.to_builtins(profile)
    (document["layers"][0] if layer else document)[field] = value
    (file := tmp_path / "profile.json").write_text(json.dumps(document))
    if math.isfinite(value):  # JSON has no others
        with pytest.raises(FileFormatError, match=f"{field} .* is not finite, or below zero"):
            parse_machine(str(file))


def test_a_profile_whose_calls_take_less_than_their_wait_is_refused():
    layers = (LayerTime(name="a", seconds=1.0),)

    with pytest.raises(SettingError, match=r"waking_s 0\.2 is above call_overhead_s 0\.1"):
        MachineProfile(model_sha256="0" * 64, layers=layers, call_overhead_s=0.1, waking_s=0.2)
