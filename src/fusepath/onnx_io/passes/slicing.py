"""Slice and Split along rows and columns, in a form that holds for every piece of the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.onnx_io.nodes import input_at, integer, present
from fusepath.onnx_io.rewriting import Rewriting
from fusepath.onnx_io.slicing import ENDLESS, SLICE_TAKES_INPUTS, slice_bounds

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.slicing import Bounds

_RANK = 4
_CHANNELS = 1
_SPATIAL = (2, 3)


def rewrite_slices(draft: Draft, types: Types) -> Draft:
    """The draft with what is cut off rows and columns counted from either border.

    A Split along them becomes a Slice for each part.
    """
    rewriting = Rewriting(draft, types)
    for node in draft.nodes:
        if len(rewriting.shape(input_at(node, 0))) != _RANK:
            continue
        if node.op_type == "Slice":
            made = _relative(node, rewriting)
        else:
            made = _parts(node, rewriting) if node.op_type == "Split" else []
        if made:
            rewriting.put(made, instead_of=node)
    return rewriting.finished()


def _sliced(rewriting: Rewriting, name: str, source: str, output: str, bounds: Bounds) -> NodeProto:
    """A Slice with these bounds, in the model's own opset."""
    axes, starts, ends, steps = (list(column) for column in zip(*bounds, strict=True))
    if rewriting.draft.opset < SLICE_TAKES_INPUTS:
        return helper.make_node(
            "Slice", [source], [output], name, starts=starts, ends=ends, axes=axes
        )
    inputs = [
        rewriting.constant(f"{output}_{what}", np.array(values, np.int64))
        for what, values in (("starts", starts), ("ends", ends), ("axes", axes), ("steps", steps))
    ]
    return helper.make_node("Slice", [source, *inputs], [output], name)


def _relative(node: NodeProto, rewriting: Rewriting) -> list[NodeProto]:
    """The Slice with starts counted from the beginning and ends from the end; none as it is."""
    shape, bounds = rewriting.shape(node.input[0]), slice_bounds(node, rewriting.draft.array)
    if bounds is None or all(axis == _CHANNELS for axis, *_ in bounds):
        return []
    if any(axis != _CHANNELS and step < 1 for axis, _, _, step in bounds):
        return []
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
    return [_sliced(rewriting, node.name, node.input[0], node.output[0], kept)]


def _parts(node: NodeProto, rewriting: Rewriting) -> list[NodeProto]:
    """A Slice for each part of a Split along rows or columns; none of another."""
    shape = rewriting.shape(node.input[0])
    axis = integer(node, "axis", 0)
    axis += _RANK if axis < 0 else 0
    sizes = [rewriting.shape(name) for name in node.output]
    if axis not in _SPATIAL or not all(sizes) or len(present(node.output)) != len(sizes):
        return []
    start, made = 0, []
    for name, part in zip(node.output, sizes, strict=True):
        left = shape[axis] - start - part[axis]
        bounds = [(axis, start, -left if left else ENDLESS, 1)]
        label = rewriting.label(f"{node.name}_{start}")
        made.append(_sliced(rewriting, label, node.input[0], name, bounds))
        start += part[axis]
    return made
