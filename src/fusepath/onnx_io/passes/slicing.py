"""Slice and Split along rows and columns, in a form that holds for every piece of the map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import input_at, integer, present
from fusepath.onnx_io.slicing import ENDLESS, SLICE_TAKES_INPUTS, slice_bounds
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onnx import NodeProto, TensorProto

    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.slicing import Bounds

_RANK = 4
_CHANNELS = 1
_SPATIAL = (2, 3)


def rewrite_slices(draft: Draft, types: Types) -> Draft:
    """The draft with what is cut off rows and columns counted from either border.

    A Split along them becomes a Slice for each part.
    """
    maker = _Maker(draft)
    nodes: list[NodeProto] = []
    for node in draft.nodes:
        shape = shape_of(input_at(node, 0), types)
        if len(shape) == _RANK and node.op_type == "Slice":
            nodes.append(_relative(node, draft, shape, maker))
        elif len(shape) == _RANK and node.op_type == "Split":
            nodes.extend(_parts(node, shape, types, maker))
        else:
            nodes.append(node)
    return replace(draft, nodes=tuple(nodes), constants={**draft.constants, **maker.constants})


class _Maker:
    """Makes Slice nodes in the model's own opset."""

    def __init__(self, draft: Draft) -> None:
        self._opset = draft.opset
        self._names = Names(draft.tensor_names())
        self._labels = Names(node.name for node in draft.nodes)
        self.constants: dict[str, TensorProto] = {}

    def label(self, base: str) -> str:
        """A new name for a node."""
        return self._labels.fresh(base)

    def slice(self, name: str, source: str, output: str, bounds: Bounds) -> NodeProto:
        """A Slice with these bounds."""
        axes, starts, ends, steps = (list(column) for column in zip(*bounds, strict=True))
        if self._opset < SLICE_TAKES_INPUTS:
            return helper.make_node(
                "Slice", [source], [output], name, starts=starts, ends=ends, axes=axes
            )
        inputs = [source]
        for what, values in (("starts", starts), ("ends", ends), ("axes", axes), ("steps", steps)):
            constant = self._names.fresh(f"{output}_{what}")
            inputs.append(constant)
            self.constants[constant] = numpy_helper.from_array(
                np.array(values, dtype=np.int64), constant
            )
        return helper.make_node("Slice", inputs, [output], name)


def _relative(node: NodeProto, draft: Draft, shape: tuple[int, ...], maker: _Maker) -> NodeProto:
    """The Slice with starts counted from the beginning and ends from the end."""
    bounds = slice_bounds(node, draft.array)
    if bounds is None or all(axis == _CHANNELS for axis, *_ in bounds):
        return node
    if any(axis != _CHANNELS and step < 1 for axis, _, _, step in bounds):
        return node
    kept = []
    for axis, start, end, step in bounds:
        if axis == _CHANNELS:
            kept.append((axis, start, end, step))
            continue
        first, behind, _ = slice(start, end).indices(shape[axis])
        if (first, behind, step) != (0, shape[axis], 1):
            left = shape[axis] - behind
            kept.append((axis, first, -left if left else ENDLESS, step))
    if not kept:  # all of it, however that was said
        kept = [(2, 0, ENDLESS, 1)]
    return maker.slice(node.name, input_at(node, 0), node.output[0], kept)


def _parts(
    node: NodeProto, shape: tuple[int, ...], types: Types, maker: _Maker
) -> Iterable[NodeProto]:
    axis = integer(node, "axis", 0)
    axis += _RANK if axis < 0 else 0
    sizes = [shape_of(name, types) for name in node.output]
    if axis not in _SPATIAL or not all(sizes) or len(present(node.output)) != len(sizes):
        yield node
        return
    start = 0
    for name, part in zip(node.output, sizes, strict=True):
        left = shape[axis] - start - part[axis]
        bounds = [(axis, start, -left if left else ENDLESS, 1)]
        yield maker.slice(maker.label(f"{node.name}_{start}"), input_at(node, 0), name, bounds)
        start += part[axis]
