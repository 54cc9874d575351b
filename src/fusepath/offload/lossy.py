"""What a lossy plan changes, measured on samples."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fusepath.offload.outputs import OwnerOutputs
from fusepath.onnx_io import build_submodel
from fusepath.pictures.frame import pixels_of
from fusepath.runtime.alone import BothShares
from fusepath.runtime.change import changes_of
from fusepath.runtime.companions import blank_companions
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Plan


def with_changes(model: Model, plan: Plan, frames: Sequence[Frame]) -> Plan:
    """The plan with what it changes of each output; an exact plan as it is.

    It is carried out in this process on every sample, beside the whole network. Other inputs than
    the image are blank.

    Args:
        model: the network; of a batch each sample fills all places.
        plan: for it.
        frames: samples, at least one.
    """
    if plan.is_exact:
        return plan
    graph, owner = model.graph, OwnerOutputs(model)
    companions = blank_companions(graph)
    shares = BothShares(model, plan.recipe)
    sub = build_submodel(model, 1, graph.depth)
    whole = Runner(sub.data, weights=sub.weights, outputs=sub.outputs)

    def owned(made: Mapping[str, Array]) -> dict[str, Array]:
        return asyncio.run(owner.of([made] * model.boundary.batch, model.output_names))

    wanted, found = [], []
    for image in map(pixels_of, frames):
        value = to_model_input(image, plan.input, graph.input.dtype)
        made = whole.run({graph.input.name: value, **companions})
        wanted.append(owned({name: made[name] for name in graph.outputs}))
        found.append(owned(shares.run(image, companions)))
    return msgspec.structs.replace(plan, changes=changes_of(wanted, found))
