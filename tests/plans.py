"""Plans made by hand, and carrying them out without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fusepath.cost import RUNTIME, ComputeRate, Link
from fusepath.plan import InputFormat, ModelReference, Plan
from fusepath.remote import messages
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusepath.graph import ModelGraph
    from fusepath.onnx_io import Model

AS_THEY_ARE = InputFormat(mean=(0.0,), std=(1.0,))
"""Pixels become floats and stay the integers they are."""


def plan_of(
    model: Model,
    *,
    tau: int | None = None,
    grid: tuple[int, int] = (1, 1),
    cuts: Sequence[int] = (1,),
    order: Sequence[int] | None = None,
    form: InputFormat = AS_THEY_ARE,
    **others: Any,
) -> Plan:
    """A plan that states what is to be done and predicts nothing.

    Args:
        model: what it is for.
        tau: fused layer; the whole depth if not given.
        grid: rows and columns.
        cuts: repeated over the paths as often as needed.
        order: 1-based; row by row if not given.
        form: how the image travels.
        others: further fields of the plan.
    """
    return hand_made(
        model.graph,
        source=model.source,
        tau=model.graph.depth if tau is None else tau,
        grid=grid,
        cuts=cuts,
        order=order,
        input=form,
        **others,
    )


def hand_made(
    graph: ModelGraph,
    *,
    tau: int,
    grid: tuple[int, int],
    cuts: Sequence[int],
    order: Sequence[int] | None = None,
    source: str = "",
    **others: Any,
) -> Plan:
    """`plan_of` for a network without a model file."""
    paths = grid[0] * grid[1]
    fields = {
        "fusepath_version": "test",
        "model": ModelReference(
            name=graph.name, sha256=graph.sha256, source=source, input_shape=graph.input.shape
        ),
        "algorithm": "by hand",
        "convention": RUNTIME,
        "device": ComputeRate(1e9),
        "edge": ComputeRate(1e9),
        "link": Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
        "input": AS_THEY_ARE,
        "tau": tau,
        "grid": grid,
        "order": tuple(order) if order is not None else tuple(range(1, paths + 1)),
        "cuts": tuple(cuts[path % len(cuts)] for path in range(paths)),
        "makespan_s": 0.0,
        "lower_bound_s": 0.0,
        "device_macs": 0,
        "edge_macs": 0,
        "up_bytes": 0,
        "plans_evaluated": 0,
        "search_s": 0.0,
        "timeline": Timeline(spans=()),
    }
    return Plan(**(fields | others))


class Carried(NamedTuple):
    """What came of a plan."""

    outputs: dict[str, NDArray[Any]]
    fused: dict[str, NDArray[Any]]
    """The maps of the fused layer, put together from the paths."""
    up_bytes: int
    """Of all pieces, as they were sent."""


def carry_out(model: Model, plan: Plan, image: NDArray[Any]) -> Carried:
    """Run a plan in this process; every piece is encoded, checked and decoded as on the wire."""
    plan.check(model.graph)
    device, edge = DeviceShare(model, plan), EdgeShare(model, plan)
    fused = edge.new_fused()
    parts = {}
    up_bytes = 0
    for number in plan.order:
        pieces = device.compute(number - 1, image)
        if device.keeps(number - 1):
            parts[number - 1] = pieces
        sent = messages.encode_all(device.pack(number - 1, pieces))
        up_bytes += sum(len(tensor.data) for tensor in sent)
        arrived = messages.decode(sent, edge.expected(number - 1), edge.codecs)
        edge.compute(number - 1, arrived, fused)
        if number - 1 in (edge.returning or ()):
            part = messages.encode_all(edge.part(number - 1, fused))
            parts[number - 1] = messages.decode(part, device.expected_part(number - 1))
    returned = edge.compute_tail(fused) if edge.returning is None else {}
    outputs = device.put_together(returned, parts)
    return Carried(outputs, outputs if plan.tau == model.graph.depth else fused.maps, up_bytes)


def pixels(model: Model, *, seed: int = 0) -> NDArray[np.uint8]:
    """A random uint8 image of the model's size."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, model.graph.input.shape, dtype=np.uint8)


def assert_close(actual: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    """Every output within 1e-5 of its largest value."""
    assert actual.keys() == expected.keys()
    for name, want in expected.items():
        largest = float(np.abs(want).max())
        np.testing.assert_allclose(actual[name], want, rtol=0, atol=1e-5 * largest)
