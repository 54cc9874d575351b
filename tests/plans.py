"""Plans made by hand, and carrying them out without a network."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from fusepath.cost import RUNTIME, ComputeRate, Link
from fusepath.errors import GeometryError
from fusepath.plan import (
    InputFormat,
    ModelReference,
    Plan,
    Prediction,
    Provenance,
    Recipe,
    TailPlace,
    check_plan,
)
from fusepath.remote import tensors
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.runtime.edge_stages import EdgeStages
from fusepath.tiling import Grid, Segment, StripRows, Strips, Tiles, Whole
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fusepath.graph import ModelGraph
    from fusepath.onnx_io import Model
    from fusepath.runtime.edge_stages import MakeStages
    from fusepath.tiling import Arrangement, TileSizes

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
        tau: fused layer; the whole depth if not given, which, as one path, is the unsplit network.
        grid: rows and columns of equal tiles.
        cuts: repeated over the paths as often as needed.
        order: 1-based; row by row if not given.
        form: how the image travels.
        others: as of `hand_made`.
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


def stream_plan(
    model: Model, tau: int, segments: list[tuple[int, int, int, int]], **others: Any
) -> Plan:
    """A plan from (start, stop, cut, strips): input rows are released, then fused rows done."""
    height = model.graph.input.size(0)
    made = []
    for start, stop, cut, count in segments:
        releases = {height * i // count for i in range(1, count)}
        marks = [(released, 0) for released in sorted(releases) if released]
        most = marks[-1][0] if marks else 0
        done = sorted({max(start, stop - 2), stop - 1, stop} - {0})
        marks += [(most, rows) for rows in done]
        made.append(Segment(start=start, stop=stop, cut=cut, strips=tuple(marks)))
    return plan_of(model, tau=tau, segments=tuple(made), **others)


def streamable(model: Model) -> list[int]:
    """Fused layers that can be cut into strips."""
    taus = []
    for tau in range(1, model.graph.tileable_layers + 1):
        try:
            StripRows(model.graph, tau)
        except GeometryError:
            continue
        taus.append(tau)
    return taus


def hand_made(
    graph: ModelGraph,
    *,
    tau: int,
    grid: tuple[int, int],
    cuts: Sequence[int],
    order: Sequence[int] | None = None,
    source: str = "",
    sizes: TileSizes | None = None,
    segments: tuple[Segment, ...] = (),
    **others: Any,
) -> Plan:
    """`plan_of` for a network without a model file.

    Args:
        graph: what it is for.
        tau: fused layer.
        grid: rows and columns of equal tiles.
        cuts: repeated over the paths as often as needed; those of segments are their own.
        order: 1-based.
        source: where the model is.
        sizes: of tiles that are not equal.
        segments: of strips.
        others: further fields of the plan, its recipe or its prediction; ``upward`` and ``waits``
            of segments.
    """
    arrangement = arranged(graph, tau=tau, grid=grid, sizes=sizes, segments=segments)
    for way in ("upward", "waits"):
        if others.pop(way, False):
            arrangement = msgspec.structs.replace(arrangement, **{way: True})
    paths = arrangement.paths
    compression = others.pop("compression", {})
    recipe = {
        "model": ModelReference(
            name=graph.name, sha256=graph.sha256, source=source, input_shape=graph.input.shape
        ),
        "input": AS_THEY_ARE,
        "arrangement": arrangement,
        "start": 0,
        "order": tuple(order) if order is not None else tuple(range(1, paths + 1)),
        "cuts": arrangement.cuts_of(tuple(cuts[path % len(cuts)] for path in range(paths))),
        "tail": TailPlace.EDGE,
        "codecs": {name: item.codec for name, item in compression.items()},
        "back_codecs": {
            name: item.codec for name, item in others.get("back_compression", {}).items()
        },
    }
    prediction = {
        "makespan_s": 0.0,
        "lower_bound_s": 0.0,
        "device_macs": 0,
        "edge_macs": 0,
        "up_bytes": 0,
        "timeline": Timeline(spans=()),
    }
    for fields in (recipe, prediction):
        fields |= {name: others.pop(name) for name in fields if name in others}
    fields = {
        "recipe": Recipe(**recipe),
        "device": ComputeRate(1e9),
        "edge": ComputeRate(1e9),
        "link": Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
        "convention": RUNTIME,
        "compression": compression,
        "prediction": Prediction(**prediction),
        "provenance": Provenance(
            fusepath_version="test", algorithm="by hand", plans_evaluated=0, search_s=0.0
        ),
    }
    return Plan(**(fields | others))


def arranged(
    graph: ModelGraph,
    *,
    tau: int,
    grid: tuple[int, int],
    sizes: TileSizes | None = None,
    segments: tuple[Segment, ...] = (),
) -> Arrangement:
    """Strips, unequal tiles, the unsplit network or equal tiles, whichever is described."""
    if segments:
        return Strips(tau=tau, segments=segments)
    if sizes is not None:
        return Tiles.of(tau, sizes)
    if grid == (1, 1) and tau == graph.depth:
        return Whole(layers=graph.depth)
    return Tiles.even(graph, tau, Grid(*grid))


def with_recipe(plan: Plan, **changes: Any) -> Plan:
    """A plan that does something else, and says of itself what it said before."""
    recipe = msgspec.structs.replace(plan.recipe, **changes)
    return msgspec.structs.replace(plan, recipe=recipe)


class Carried(NamedTuple):
    """What came of a plan."""

    outputs: dict[str, NDArray[Any]]
    fused: dict[str, NDArray[Any]]
    """The maps of the fused layer, put together from the paths."""
    up_bytes: int
    """Of all pieces, as they were sent."""
    down_bytes: int
    """Of what returned."""


def carry_out(
    model: Model,
    plan: Plan,
    image: NDArray[Any],
    companions: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    *,
    stages: MakeStages = EdgeStages,
) -> Carried:
    """Run a plan in this process; every piece is encoded, checked and decoded as on the wire.

    What the edge server computes with may be elsewhere.
    """
    check_plan(plan, model.graph)
    device = DeviceShare(model, plan.recipe)
    edge = EdgeShare(model, plan.recipe, stages=stages)
    device.compute_head(image)
    fused = edge.new_fused()
    kept, parts = {}, {}
    up_bytes = down_bytes = 0
    for number in plan.order:
        pieces = device.compute(number - 1, image, companions)
        kept[number - 1] = device.kept(number - 1, pieces)
        sent = tensors.to_send(device.pack(number - 1, pieces))
        up_bytes += sum(len(tensor.data) for tensor in sent)
        arrived = tensors.decode(sent, edge.expected(number - 1), edge.codecs)
        edge.compute(number - 1, arrived, fused)
        if number - 1 in (edge.returning or ()):
            part = tensors.to_send(edge.encoded(edge.part(number - 1, fused)))
            expected = device.expected_part(number - 1)
            parts[number - 1] = tensors.decode(part, expected, device.back_codecs)
            down_bytes += sum(len(tensor.data) for tensor in part)
    returned = {}
    if edge.returning is None:
        made = edge.compute_tail(fused)
        sent = tensors.to_send(edge.encoded(made))
        down_bytes += sum(len(tensor.data) for tensor in sent)
        forms = {name: (value.dtype.name, value.shape) for name, value in made.items()}
        returned = tensors.decode(sent, forms, device.back_codecs)
    inputs = {model.graph.input.name: image, **companions}
    outputs = device.put_together(returned, [*kept.items(), *parts.items()], inputs)
    maps = outputs if plan.tau == model.graph.depth else fused.maps
    return Carried(outputs, maps, up_bytes, down_bytes)


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
