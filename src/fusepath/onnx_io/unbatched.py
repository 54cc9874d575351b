"""Networks that are fed, or return, an image or signal without a batch: (C, H, W), (H, W), (1, L).

They give it the axes of a batch and of channels themselves, and take them at the end. The normal
form begins and ends at what has them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.infer import infer
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import present, reading, rewired
from fusepath.onnx_io.passes.noop import drop_dead
from fusepath.onnx_io.passes.single_images import MOVES_NOTHING, keep_axis

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_RANK = 4


def batched(draft: Draft) -> Draft | None:
    """The draft fed what it makes of its input by giving it more axes; None where it gives none.

    Between the input and that there may be operators that work element by element or turn it.
    """
    given = None
    while len(draft.input.shape) < _RANK and (more := _with_axis(draft)) is not None:
        given = draft = more
    return given


def _with_axis(draft: Draft) -> Draft | None:
    """The draft fed its input with one more axis before it, if no node needs it without."""
    shape = draft.input.shape
    names = Names(draft.tensor_names())
    without, sizes = names.fresh(f"{draft.input.name}_alone"), names.fresh("alone_shape")
    taken = helper.make_node(
        "Reshape",
        [draft.input.name, sizes],
        [without],
        Names(node.name for node in draft.nodes).fresh(without),
    )
    others: list[NodeProto] = [reading(node, {draft.input.name: without}) for node in draft.nodes]
    fed = replace(
        draft,
        input=replace(draft.input, shape=(1, *shape)),
        nodes=(taken, *others),
        constants={
            **draft.constants,
            sizes: numpy_helper.from_array(np.array(shape, dtype=np.int64), sizes),
        },
    )
    kept, regained = keep_axis(fed, infer(fed, strict=True), rank=len(shape) + 1)
    kept = drop_dead(kept)
    alone = any(node.name == taken.name for node in kept.nodes)
    return kept if regained and not alone else None


def maps_as_outputs(draft: Draft, types: Types) -> Draft:
    """The draft with maps in place of outputs that are maps without their batch."""
    makers = {name: node for node in draft.nodes for name in present(node.output)}
    uses = draft.uses()
    instead: dict[str, str] = {}
    for name in draft.outputs:
        node = makers.get(name)
        if node is None or node.op_type not in MOVES_NOTHING or uses[name] > 1:
            continue
        source = node.input[0]
        known, made = types.get(source), types.get(name)
        if known is None or made is None or made.shape is None or not known.is_map:
            continue
        if known.shape == (1, *made.shape) and source in makers and source not in draft.outputs:
            instead.setdefault(source, name)
    ends = {makers[name].name for name in instead.values()}
    nodes = (rewired(node, instead) for node in draft.nodes if node.name not in ends)
    return replace(draft, nodes=tuple(nodes)) if instead else draft
