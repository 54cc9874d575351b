"""Constant operands that are the same at every position of the map.

An exporter may write such a constant as a full map. Then it fits only a map of that size; as
(1, C, 1, 1) it fits every tile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from fusepath.onnx_io.draft import constant_elements
from fusepath.onnx_io.families import BROADCASTING
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import present, reading

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from fusepath.onnx_io.draft import Draft, Types

_LARGEST = 2**26


def shrink_operands(draft: Draft, types: Types) -> Draft:
    """The draft with constant operands reduced to one row and column where all are alike."""
    constants = dict(draft.constants)
    names = Names(draft.tensor_names())
    small: dict[str, str] = {}
    nodes = []
    for node in draft.nodes:
        if node.op_type in BROADCASTING and _spans_map(node, draft, types):
            for name in present(node.input):
                if name in constants and name not in small:
                    shrunk = _shrunk(constants[name])
                    if shrunk is not None:
                        small[name] = names.fresh(f"{name}_per_channel")
                        constants[small[name]] = numpy_helper.from_array(shrunk, small[name])
            nodes.append(reading(node, small))
        else:
            nodes.append(node)
    return replace(draft, nodes=tuple(nodes), constants=constants)


def _spans_map(node: NodeProto, draft: Draft, types: Types) -> bool:
    """True when an activation alone already gives the output its rows and columns."""
    target = types.get(node.output[0])
    if target is None or target.shape is None or not target.is_map:
        return False
    sources = [types[name] for name in draft.activations(node) if name in types]
    return any(s.is_map and s.shape and s.shape[2:] == target.shape[2:] for s in sources)


def alike_everywhere(tensor: TensorProto) -> np.ndarray | None:
    """The constant with one row and column; None where these differ, or for a very large one."""
    dims = tuple(tensor.dims)
    if constant_elements(tensor) > _LARGEST:
        return None
    value: np.ndarray = numpy_helper.to_array(tensor)
    first = value
    for axis in range(max(0, len(dims) - 2), len(dims)):
        first = first.take([0], axis)
    return first if first.size and np.array_equal(np.broadcast_to(first, dims), value) else None


def _shrunk(tensor: TensorProto) -> np.ndarray | None:
    """The constant with one row and column; None when it has them or needs more."""
    return None if all(size == 1 for size in tensor.dims[-2:]) else alike_everywhere(tensor)
