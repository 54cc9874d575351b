"""Resize in a form that tiles share.

A tile's session resamples a piece, so nothing that it does may depend on how large the piece is or
where it lies. Factors are stated as scales, never as sizes; positions count from the beginning
(``asymmetric``) or from the middle of the first element (``half_pixel``, and without the last half
``tf_half_pixel_for_nn``). Where nearest neighbours are repetition, whatever the mode, it is written
as repetition. A scale with which a piece would lack its last row by rounding becomes the next one;
older opsets, where that is all that can be stated, are so helped as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.onnx_io.nodes import input_at
from fusepath.onnx_io.resize import MODES_OPSET, RESAMPLING, SCALES_OPSET, stated_resize
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.resize import ResizedAxis, StatedResize

_COUNTED = frozenset({"asymmetric", "tf_half_pixel_for_nn"})
"""Coordinates other than ``half_pixel`` that do not depend on the size of the map."""


def rewrite_resizes(draft: Draft, types: Types) -> Draft:
    """The draft with resizes in the form that tiles share, where there is one for them."""
    rewriting = Rewriting(draft, types)
    for node in draft.nodes:
        if node.op_type in RESAMPLING:
            made = (_rewritten if draft.opset >= MODES_OPSET else _older)(node, rewriting)
            if made:
                rewriting.put(made, instead_of=node)
    return rewriting.finished()


def _rewritten(node: NodeProto, rewriting: Rewriting) -> list[NodeProto]:
    """The same by other nodes; none where it is as it should be, or cannot be."""
    resize = stated_resize(node, rewriting.draft, rewriting.types)
    if isinstance(resize, str):
        return []
    factors = [resize.repeats(axis) for axis in resize.axes]
    if all(factors):
        repeating = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return _cropped(node, resize.axes, factors, repeating, rewriting)
    if resize.coordinates == "align_corners":
        return _aligned(node, resize, rewriting)
    if any(isinstance(resize.sampling(axis), str) for axis in resize.axes):
        return []
    coordinates = resize.coordinates if resize.coordinates in _COUNTED else "half_pixel"
    attributes = {"coordinate_transformation_mode": coordinates}
    attributes |= {"mode": "linear"} if resize.linear else {"nearest_mode": resize.rounding}
    written = [float(axis.written) for axis in resize.axes]
    return [_scaled(node, node.output[0], written, attributes, rewriting)]


def _older(node: NodeProto, rewriting: Rewriting) -> list[NodeProto]:
    """The same before opset 11, by other factors; none where they are as they should be."""
    resize = stated_resize(node, rewriting.draft, rewriting.types)
    if isinstance(resize, str) or any(isinstance(resize.footprint(a), str) for a in resize.axes):
        return []
    factors = [np.float32(resize.whole(axis) or axis.written) for axis in resize.axes]
    if factors == [axis.scale for axis in resize.axes]:
        return []
    scales = [1.0, 1.0, *map(float, factors)]
    attributes: dict[str, str | list[float]] = {"mode": "linear" if resize.linear else "nearest"}
    output = node.output[0]
    inputs = [input_at(node, 0)]
    if rewriting.draft.opset < SCALES_OPSET:
        attributes["scales"] = scales
    else:
        inputs.append(rewriting.constant(f"{output}_scales", np.array(scales, np.float32)))
    return [helper.make_node(node.op_type, inputs, [output], node.name, **attributes)]


def _aligned(node: NodeProto, resize: StatedResize, rewriting: Rewriting) -> list[NodeProto]:
    """Corners aligned, where outputs lie a whole number of times as close as inputs.

    Then they lie as in a resize by that number which counts from the first element, up to the last
    element of the map.
    """
    steps = [(side.made - 1, side.size - 1) for side in resize.axes]
    if any(not 1 <= inputs <= outputs or outputs % inputs for outputs, inputs in steps):
        return []
    attributes = {"coordinate_transformation_mode": "asymmetric"}
    attributes |= {"mode": "linear"} if resize.linear else {"nearest_mode": resize.rounding}
    factors = [outputs // inputs for outputs, inputs in steps]
    return _cropped(node, resize.axes, factors, attributes, rewriting)


def _cropped(
    node: NodeProto,
    sides: tuple[ResizedAxis, ResizedAxis],
    factors: list[int],
    attributes: dict[str, str],
    rewriting: Rewriting,
) -> list[NodeProto]:
    """Resized by whole numbers, and what is then too much at the end cut off."""
    over = [side.size * factor - side.made for side, factor in zip(sides, factors, strict=True)]
    output = node.output[0]
    repeated = rewriting.tensor(f"{output}_repeated") if any(over) else output
    nodes = [_scaled(node, repeated, list(map(float, factors)), attributes, rewriting)]
    if any(over):
        axes = [axis for axis, more in zip((2, 3), over, strict=True) if more]
        bounds = [
            rewriting.constant(f"{output}_bounds", np.array(values, np.int64))
            for values in ([0] * len(axes), [-more for more in over if more], axes)
        ]
        label = f"{node.name}_cropped"
        nodes.append(rewriting.node("Slice", [repeated, *bounds], output, label=label))
    return nodes


def _scaled(
    node: NodeProto,
    output: str,
    factors: list[float],
    attributes: dict[str, str],
    rewriting: Rewriting,
) -> NodeProto:
    """A Resize of rows and columns by these factors, under the node's own name."""
    constants = [
        rewriting.constant(f"{output}_{what}", np.array(values, np.float32))
        for what, values in (("roi", []), ("scales", [1.0, 1.0, *factors]))
    ]
    inputs = [input_at(node, 0), *constants]
    return helper.make_node("Resize", inputs, [output], node.name, **attributes)
