"""The fluid bound: below every plan, and as high as its linear programme allows."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cost import (
    RUNTIME,
    Compression,
    ComputeRate,
    LayerTime,
    Link,
    Machine,
    MachineProfile,
    Regions,
)
from fusepath.errors import InfeasibleError, UnsupportedOperatorError
from fusepath.graph import Kind, ModelGraph, Operator, Tensor, Window, Work, build_graph
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Search, Setting, TailPlace, Timing
from fusepath.plan.fluid import fluid_bound, fluid_bound_s
from fusepath.plan.fluid.bound import Division, loads_of_cuts
from fusepath.plan.fluid.min_cut import INFINITE, FlowNetwork
from fusepath.plan.fluid.shares import _needed as needed
from fusepath.plan.fluid.shares import shares_of
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.plan.planner import ALGORITHMS
from fusepath.schedule import NS_PER_S, evaluate
from fusepath.schedule.exact import exact
from fusepath.tiling import Grid
from tests.effort import some
from tests.networks import networks, skipped_input, untileable, window_output
from tests.planning import planned
from tests.written_models import net

if TYPE_CHECKING:
    from fusepath.arrays import FloatArray

ROUNDING_S = 1e-6
"""Schedules are in whole nanoseconds, the bound is not."""


@st.composite
def small_settings(draw) -> Setting:
    """Random networks with machines and links of comparable speed."""
    graph = draw(networks())
    regions = draw(st.sampled_from([Regions.NEEDED, Regions.ALIGNED]))
    convention = RUNTIME.__class__(
        name="test",
        input_bytes_per_element=draw(st.sampled_from([1, 4])),
        edge_workers=draw(st.sampled_from([1, 1, 2, 0])),
        shared_link=draw(st.sampled_from([True, True, False])),
        counts_result=draw(st.booleans()),
        regions=regions,
    )
    return Setting(
        graph=graph,
        device=draw(machines(graph, [1e4, 1e5, 1e6])),
        edge=draw(machines(graph, [1e5, 1e6, 1e7])),
        link=Link(
            up_bytes_per_s=draw(st.sampled_from([1e3, 1e4, 1e5])),
            down_bytes_per_s=1e5,
            delay_s=draw(st.sampled_from([0.0, 0.01])),
            message_bytes=draw(st.sampled_from([0, 300])),
            message_device_s=draw(st.sampled_from([0.0, 0.001])),
            message_edge_s=draw(st.sampled_from([0.0, 0.001])),
            receive_s_per_byte=draw(st.sampled_from([0.0, 1e-6])),
        ),
        convention=convention,
        compression=draw(codecs(graph)),
    )


@st.composite
def machines(draw, graph: ModelGraph, rates: list[float]) -> Machine:
    """A rate, or the profile of a machine that has this rate besides its fixed times."""
    rate = ComputeRate(draw(st.sampled_from(rates)))
    if draw(st.booleans()):
        return rate
    fixed_s = draw(st.sampled_from([0.0, 1e-4]))
    layers = [rate.layer_s(graph, index, RUNTIME) for index in range(1, graph.depth + 1)]
    return MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(name="", seconds=seconds + fixed_s, fixed_s=fixed_s) for seconds in layers
        ),
        call_overhead_s=draw(st.sampled_from([0.0, 1e-3])),
        strip_factor=draw(st.sampled_from([1.0, 1.5])),
        strip_ahead_factor=draw(st.sampled_from([1.0, 1.8])),
        strip_layer_s=draw(st.sampled_from([0.0, 1e-5])),
    )


@st.composite
def codecs(draw, graph) -> dict[str, Compression]:
    """Some tensors come smaller and cost time on both machines; half of the time, none do."""
    names = draw(st.sets(st.sampled_from(sorted(graph.tensors)))) if draw(st.booleans()) else ()
    return {
        name: Compression(
            codec="bitmask",
            ratio=draw(st.sampled_from([0.1, 0.37, 1.0])),
            encode_s_per_byte=draw(st.sampled_from([0.0, 1e-6, 1e-4])),
            decode_s_per_byte=draw(st.sampled_from([0.0, 1e-6, 1e-4])),
        )
        for name in sorted(names)
    }


def slack(bound_s: float) -> float:
    return bound_s * (1 - 1e-9) - ROUNDING_S


@settings(max_examples=some(80), deadline=None)
@given(small_settings(), st.data())
def test_no_tiling_and_no_single_cut_beats_the_bound(setting: Setting, data):
    graph = setting.graph
    tau = data.draw(st.integers(1, graph.tileable_layers)) if graph.tileable_layers else None

    bound_s = fluid_bound_s(setting)
    whole_s = fluid_bound_s(setting, whole_result=True)

    assert 0 <= bound_s <= whole_s
    whole = Timing(setting).whole_problem()
    for cut in range(1, whole.cuts + 1):
        makespan_s = evaluate(whole, (0,), (cut,)).makespan_ns / NS_PER_S
        assert slack(bound_s) <= slack(whole_s) <= makespan_s
    if tau is None:
        return
    rows, cols = graph.fused_size(tau, 0), graph.fused_size(tau, 1)
    for grid in {Grid(1, 1), Grid(min(2, rows), min(2, cols)), Grid(min(rows, 5), 1)}:
        result = exact(Timing(setting).problem(tau, grid), meter=Budget(evaluations=2_000).begin())
        assert result.schedule is not None
        assert slack(whole_s) <= result.schedule.makespan_ns / NS_PER_S


@settings(max_examples=some(25), deadline=None)
@given(small_settings())
def test_no_stream_of_strips_beats_the_bound(setting: Setting):
    try:
        found = ALGORITHMS["stream"].search(Timing(setting), Search())
    except (InfeasibleError, UnsupportedOperatorError):
        return  # nothing can be cut into strips

    assert slack(fluid_bound_s(setting)) <= found.schedule.makespan_ns / NS_PER_S


@settings(max_examples=some(60), deadline=None)
@given(small_settings())
def test_the_bound_solves_its_linear_programme(setting: Setting):
    highspy = pytest.importorskip("highspy")
    if not setting.graph.tileable_layers:
        return

    bound = fluid_bound(setting)

    shared_s = fluid_bound(setting, whole_result=True).shared_s
    assert shared_s == pytest.approx(_programme(highspy, setting), rel=1e-6, abs=1e-9)
    timing, last = Timing(setting), setting.graph.tileable_layers
    in_parts = last == setting.graph.depth
    delay_s = setting.link.delay_s
    tail_s = delay_s + timing.down_s(in_parts=in_parts) + timing.prices.tail_s(last)
    finish_s = delay_s + timing.down_s(in_parts=True) + timing.prices.finish_s(last)
    on_device_s = _programme(highspy, setting, returns=True) + finish_s
    least_s = min(shared_s + tail_s, on_device_s, bound.undivided_s)
    assert bound.bound_s == pytest.approx(least_s, rel=1e-6, abs=1e-9)
    weights = (
        *(bound.device_weight, bound.link_weight),
        *(bound.edge_weight, bound.back_weight),
    )
    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0


def _programme(highspy, setting: Setting, *, returns: bool = False) -> float:
    """The linear programme of the docstring, written down again for a general solver.

    The tail runs on the edge server, or, where the edge server ``returns`` maps, on the device.
    """
    shares, link = shares_of(setting), setting.link
    layers = len(shares.device_s)
    joined = setting.graph.tileable_layers < setting.graph.depth
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    makespan = solver.addVariable(lb=0, ub=highspy.kHighsInf, obj=1)
    a = [1.0] + [solver.addVariable(lb=0, ub=1) for _ in range(layers)]
    b = [0.0] + [solver.addVariable(lb=0, ub=1) for _ in range(layers)]
    for layer in range(1, layers + 1):
        solver.addConstr(a[layer] + b[layer] >= 1)
    device = makespan - link.message_device_s
    up = makespan - link.message_bytes / link.up_bytes_per_s
    edge = makespan * max(setting.convention.edge_workers, 1) - link.message_edge_s
    for layer in range(1, layers + 1):
        device = device - a[layer] * shares.device_s[layer - 1]
        edge = edge - b[layer] * shares.edge_s[layer - 1]
    back = 1 * makespan
    for flow in shares.flows:
        came = solver.addVariable(lb=0, ub=1)
        back = back - came * flow.back_s
        sent = solver.addVariable(lb=0, ub=1)
        up = up - sent * flow.seconds
        for reader in flow.readers:
            solver.addConstr(sent - b[reader] + b[flow.born] >= 0)
            if flow.born and returns:
                solver.addConstr(came + a[flow.born] - a[reader] >= 0)
            elif flow.born:
                solver.addConstr(a[flow.born] - a[reader] >= 0)
        if flow.joins and joined and not returns:
            solver.addConstr(sent + b[flow.born] >= 1)
        elif flow.joins and joined and flow.born:
            solver.addConstr(came + a[flow.born] >= 1)
    solver.addConstr(device >= 0)
    if setting.convention.shared_link:
        solver.addConstr(up >= 0)
        solver.addConstr(back >= 0)
    if setting.convention.edge_workers:
        solver.addConstr(edge >= 0)
    solver.run()
    return solver.getInfo().objective_function_value


@settings(max_examples=some(60), deadline=None)
@given(small_settings(), st.sampled_from(TailPlace))
def test_single_cuts_load_the_machines_as_divisions_do(setting, tail):
    graph, shares = setting.graph, shares_of(setting)
    joined = graph.tileable_layers < graph.depth
    division = Division(shares, tail, joined)

    for cut, loads in enumerate(loads_of_cuts(division)):
        sent = returned = 0.0
        for flow in shares.flows:
            joins = flow.joins and joined
            made_here = flow.born <= cut
            if made_here and (
                max(flow.readers, default=0) > cut or (joins and not division.returns)
            ):
                sent += flow.seconds
            if not made_here and joins and division.returns:
                returned += flow.back_s
        here, there = sum(shares.device_s[:cut]), sum(shares.edge_s[cut:])
        assert loads.tolist() == pytest.approx([here, sent, there, returned])


def test_what_a_network_needs_is_found_once_whatever_the_machines(monkeypatch):
    graph = load_model("zoo:squeezenet?size=64").graph
    asked = []
    monkeypatch.setattr(
        "fusepath.plan.fluid.shares._needed", lambda *given: asked.append(given) or needed(*given)
    )

    found = [
        shares_of(
            Setting(
                graph=graph,
                device=ComputeRate(rate),
                edge=ComputeRate(9e11),
                link=Link(up_bytes_per_s=rate / 1e3, down_bytes_per_s=1e6),
            )
        )
        for rate in (1e9, 2e9)
    ]

    assert len(asked) == 2  # rows and columns
    assert found[0].device_s == tuple(2 * value for value in found[1].device_s)


@settings(max_examples=some(200), deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda machines: st.lists(
            st.tuples(*[st.integers(0, 20)] * machines), min_size=1, max_size=8
        )
    )
)
def test_best_weights_are_no_worse_than_any_on_a_fine_mesh(rows):
    loads = np.array(rows, dtype=np.float64)

    weights, value = best_weights_for(loads)

    assert weights.sum() == pytest.approx(1)
    assert value == pytest.approx((loads @ weights).min())
    assert value >= (mesh(loads.shape[1]) @ loads.T).min(axis=1).max() - 1e-9


@cache
def mesh(machines: int) -> FloatArray:
    """Weights of so many machines in steps of a twelfth."""
    steps = itertools.product(range(13), repeat=machines)
    return np.array([weights for weights in steps if sum(weights) == 12]) / 12


@settings(max_examples=some(200), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9)), max_size=12))
def test_the_flow_is_the_smallest_cut(edges):
    network = FlowNetwork(5)
    for start, end, capacity in edges:
        network.add(start, end, float(capacity))

    flow = network.send(0, 4)

    def cut(inside):
        return sum(c for a, b, c in edges if a in inside and b not in inside)

    cuts = [
        cut({0, *middle}) for size in range(4) for middle in itertools.combinations((1, 2, 3), size)
    ]
    assert flow == pytest.approx(min(cuts))
    side = {node for node, there in enumerate(network.reachable(0)) if there}
    assert cut(side) == pytest.approx(flow)


def test_an_infinite_edge_is_never_cut():
    network = FlowNetwork(3)
    network.add(0, 1, INFINITE)
    network.add(1, 2, 4.0)

    assert network.send(0, 2) == 4


MEASURED = Link(
    up_bytes_per_s=1.8e6,
    down_bytes_per_s=1.8e6,
    delay_s=3e-4,
    message_bytes=600,
    message_device_s=1.3e-4,
    message_edge_s=1e-4,
    receive_s_per_byte=2e-8,
)
"""What `probe` says of a wireless link, about."""


@pytest.mark.parametrize("graph", [untileable(), skipped_input()], ids=["untileable", "tileable"])
def test_where_the_device_alone_wins_on_a_measured_link_it_is_the_bound(graph):
    setting = Setting(graph=graph, device=ComputeRate(1e8), edge=ComputeRate(1e9), link=MEASURED)

    plan = planned(setting, "auto")

    assert plan.cuts == (graph.depth + 1,)
    assert plan.lower_bound_s == plan.makespan_s == fluid_bound_s(setting)
    assert fluid_bound(setting).binding == "undivided"


@pytest.mark.parametrize("name", ["alexnet", "squeezenet", "tiny-yolov2"])
@pytest.mark.parametrize("rates", [(10e9, 500e9, 1.1e6), (50e9, 2000e9, 12e6)])
def test_zoo_plans_stay_above_the_bound(name, rates):
    device, edge, link = rates
    setting = Setting(
        graph=load_model(f"zoo:{name}").graph,
        device=ComputeRate(device),
        edge=ComputeRate(edge),
        link=Link(up_bytes_per_s=link, down_bytes_per_s=link),
    )

    bound_s = fluid_bound_s(setting)

    nfl_ns = ALGORITHMS["nfl"].search(Timing(setting), Search()).schedule.makespan_ns
    stream_ns = ALGORITHMS["stream"].search(Timing(setting), Search()).schedule.makespan_ns
    assert bound_s <= stream_ns / NS_PER_S
    assert 0.3 * nfl_ns / NS_PER_S < bound_s <= nfl_ns / NS_PER_S


def chain_of_windows(*windows: Window) -> ModelGraph:
    """One operator after the other on a square map, each with the same work per position."""
    sides = [16]
    for window in windows:
        sides.append(window_output(sides[-1], window, ceil_mode=False))
    tensors = {f"t{at}": Tensor(name=f"t{at}", shape=(1, 3, n, n)) for at, n in enumerate(sides)}
    return build_graph(
        name="chain",
        sha256="3" * 64,
        input=tensors["t0"],
        outputs=(f"t{len(windows)}",),
        tensors=tensors,
        operators=[
            Operator(
                name=f"op{at}",
                op_type="Conv",
                kind=Kind.WINDOW,
                inputs=(f"t{at}",),
                outputs=(f"t{at + 1}",),
                work=Work(macs=9),
                rows=window,
                cols=window,
            )
            for at, window in enumerate(windows)
        ],
    )


HOLES = Window(kernel=2, dilation=3, pad_begin=3)
NOTHING_BUT_PADDING = Window(kernel=2, pad_begin=4)
DENSE = Window(kernel=3, pad_begin=1, pad_end=1)
"""Windows of which some positions need less than their share, and one of which none does."""


@pytest.mark.parametrize(
    ("window", "proportional"), [(HOLES, False), (NOTHING_BUT_PADDING, False), (DENSE, True)]
)
def test_a_reader_that_can_do_with_less_than_its_share_is_not_counted(window, proportional):
    graph = chain_of_windows(DENSE, window)
    setting = Setting(graph=graph, device=ComputeRate(1e6), edge=ComputeRate(1e7), link=MEASURED)

    (flow,) = [flow for flow in shares_of(setting).flows if flow.born == 1] or [None]

    readers = () if flow is None else flow.readers
    assert readers == ((2,) if proportional else ())


def test_what_a_layer_makes_for_others_alone_has_a_bound():
    """A layer takes in pointwise operators that lead to other layers and not to its own window."""
    graph = net(
        """(float[] y) { a = Relu(x)  b = Conv<pads = [1, 1, 1, 1]>(x, w)
            c = Conv<pads = [1, 1, 1, 1]>(a, v)  y = Add(b, c) }""",
        w=(4, 4, 3, 3),
        v=(4, 4, 3, 3),
    ).graph
    setting = Setting(graph=graph, device=ComputeRate(1e6), edge=ComputeRate(1e7), link=MEASURED)

    assert graph.layers[0].operators[0].outputs == ("a",)
    assert 0 < fluid_bound(setting).bound_s <= planned(setting, "full-offload").makespan_s


def test_tiles_that_leave_out_what_nothing_reads_are_no_slower_than_the_bound():
    """The second layer reads every other row and column of the first, so tiles leave them out."""
    every_other = Window(kernel=1, stride=2)
    graph = chain_of_windows(Window(kernel=1), every_other)
    setting = Setting(
        graph=graph,
        device=ComputeRate(1e6),
        edge=ComputeRate(1e7),
        link=Link(up_bytes_per_s=1e3, down_bytes_per_s=1e3, delay_s=0.01),
        convention=msgspec.structs.replace(RUNTIME, regions=Regions.NEEDED),
    )
    problem = Timing(setting).problem(2, Grid(8, 8))

    tiles = evaluate(problem, range(64), [3] * 64)
    whole = evaluate(Timing(setting).whole_problem(), (0,), (3,))

    assert tiles.makespan_ns < 0.5 * whole.makespan_ns
    assert fluid_bound(setting).binding == "undivided"
    assert fluid_bound_s(setting) * NS_PER_S == pytest.approx(tiles.makespan_ns, abs=64)


def test_every_layer_of_the_zoo_reads_proportionally():
    for name in ("squeezenet", "resnet18", "mobilenetv2"):
        graph = load_model(f"zoo:{name}").graph
        setting = Setting(
            graph=graph,
            device=ComputeRate(1e9),
            edge=ComputeRate(1e10),
            link=Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
        )

        read = {reader for flow in shares_of(setting).flows for reader in flow.readers}

        assert read == set(range(1, graph.tileable_layers + 1))
