"""Resize in a form that tiles share.

A tile's session resamples a piece, so nothing that it does may depend on how large the piece is or
where it lies. Factors are stated as scales, never as sizes; positions count from the beginning
(``asymmetric``) or from the middle of the first element (``half_pixel``, and without the last half
``tf_half_pixel_for_nn``). Where nearest neighbours are repetition, whatever the mode, it is written
as repetition.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import input_at
from fusepath.onnx_io.resize import MODES_OPSET, stated_resize

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.resize import ResizedAxis

_COUNTED = frozenset({"asymmetric", "tf_half_pixel_for_nn"})
"""Coordinates other than ``half_pixel`` that do not depend on the size of the map."""


def rewrite_resizes(draft: Draft, types: Types) -> Draft:
    """The draft with resizes in the form that tiles share, where there is one for them."""
    names = Names(draft.tensor_names())
    labels = Names(node.name for node in draft.nodes)
    constants = dict(draft.constants)
    nodes: list[NodeProto] = []
    for node in draft.nodes:
        made = None
        if node.op_type == "Resize" and draft.opset >= MODES_OPSET:
            made = _rewritten(node, draft, types, names, labels)
        if made is None:
            nodes.append(node)
            continue
        nodes.extend(made[0])
        constants |= {tensor.name: tensor for tensor in made[1]}
    return replace(draft, nodes=tuple(nodes), constants=constants)


def _rewritten(
    node: NodeProto, draft: Draft, types: Types, names: Names, labels: Names
) -> tuple[list[NodeProto], list[TensorProto]] | None:
    """The same by other nodes and constants; None where it is as it should be, or cannot be."""
    resize = stated_resize(node, draft, types)
    if isinstance(resize, str):
        return None
    factors = [resize.repeats(axis) for axis in resize.axes]
    if all(factors):
        return _repeated(node, resize.axes, factors, names, labels)
    if any(isinstance(resize.sampling(axis), str) for axis in resize.axes):
        return None
    coordinates = resize.coordinates if resize.coordinates in _COUNTED else "half_pixel"
    attributes = {"coordinate_transformation_mode": coordinates}
    attributes |= {"mode": "linear"} if resize.linear else {"nearest_mode": resize.rounding}
    scales = [1.0, 1.0, *(float(axis.written) for axis in resize.axes)]
    return _scaled(node, node.output[0], scales, attributes, names)


def _repeated(
    node: NodeProto,
    sides: tuple[ResizedAxis, ResizedAxis],
    factors: list[int],
    names: Names,
    labels: Names,
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Elements repeated, and what is then too much at the end cut off."""
    over = [side.size * factor - side.made for side, factor in zip(sides, factors, strict=True)]
    output = node.output[0]
    repeated = names.fresh(f"{output}_repeated") if any(over) else output
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nodes, constants = _scaled(node, repeated, [1.0, 1.0, *map(float, factors)], attributes, names)
    if any(over):
        axes = [axis for axis, more in zip((2, 3), over, strict=True) if more]
        for values in ([0] * len(axes), [-more for more in over if more], axes):
            name = names.fresh(f"{output}_bounds")
            constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        inputs = [repeated, *(tensor.name for tensor in constants[-3:])]
        nodes.append(
            helper.make_node("Slice", inputs, [output], labels.fresh(f"{node.name}_cropped"))
        )
    return nodes, constants


def _scaled(
    node: NodeProto,
    output: str,
    scales: list[float],
    attributes: dict[str, str],
    names: Names,
) -> tuple[list[NodeProto], list[TensorProto]]:
    constants = [
        numpy_helper.from_array(np.array(values, np.float32), names.fresh(f"{output}_{what}"))
        for what, values in (("roi", []), ("scales", scales))
    ]
    inputs = [input_at(node, 0), *(tensor.name for tensor in constants)]
    return [helper.make_node("Resize", inputs, [output], node.name, **attributes)], constants
