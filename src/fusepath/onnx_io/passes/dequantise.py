"""The value of constants that a model stores quantised, and which of them may become float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import input_at, integer, present
from fusepath.onnx_io.passes.quantised_moves import MOVES
from fusepath.onnx_io.units import DEQUANTISE

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.arrays import Array
    from fusepath.onnx_io.draft import Draft

SHAPE_READERS = frozenset({"Shape", "Size"})
"""What they make depends on no values."""
_INTEGERS = frozenset({"int8", "uint8", "int16", "uint16", "int32"})
_MOVES = MOVES | {"Dropout", "Identity"}


def quantised_operands(draft: Draft) -> set[str]:
    """What operators read beside an activation that comes out of a DequantizeLinear.

    Such operators compute in integers, so that their weights have to stay what they are. What is
    only moved in between comes out of it as well. What constants and shapes alone decide is no
    activation.
    """
    activations: set[str] = set()
    fixed = set(draft.constants)
    for node in draft.nodes:
        if node.op_type in SHAPE_READERS or fixed.issuperset(present(node.input)):
            fixed.update(node.output)
        dequantises = node.op_type == DEQUANTISE and node.input[0] not in fixed
        if dequantises or (node.op_type in _MOVES and node.input[0] in activations):
            activations.add(node.output[0])
    readers = (node for node in draft.nodes if not activations.isdisjoint(node.input))
    return {name for node in readers for name in present(node.input)}


def dequantised(node: NodeProto, values: dict[str, Array]) -> Array | None:
    """What a DequantizeLinear of constants makes, rounded as ONNX Runtime does.

    Args:
        node: The node.
        values: Of everything that it reads.

    Returns:
        None for element types and block sizes that are left to the runtime.
    """
    quantised, scale = values[node.input[0]], values[node.input[1]]
    zero = values[node.input[2]] if input_at(node, 2) else np.zeros_like(scale, quantised.dtype)
    if quantised.dtype.name not in _INTEGERS or scale.dtype != np.float32:
        return None
    if integer(node, "block_size", 0) or scale.ndim > 1 or zero.shape != scale.shape:
        return None
    if scale.size > 1:
        axis = integer(node, "axis", 1)
        if not -quantised.ndim <= axis < quantised.ndim or quantised.shape[axis] != scale.size:
            return None
        shape = [1] * quantised.ndim
        shape[axis] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    elif scale.ndim:
        scale, zero = scale.reshape(()), zero.reshape(())
    with np.errstate(all="ignore"):
        difference = quantised.astype(np.int32) - zero.astype(np.int32)
        result: Array = difference.astype(np.float32) * scale
    return result
