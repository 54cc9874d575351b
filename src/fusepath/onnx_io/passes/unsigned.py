"""Activations quantised to int8 become uint8, with a zero point that is higher by 128.

Every value is the same, and so is every integer sum. On x86 ONNX Runtime has quick kernels for
uint8 alone: it makes this change itself where it finds both ends of a tensor in one model, which
the models of two sides of a cut do not have, and computes in float32 where it does not. So it does
around a tensor that several operators read, and rounds otherwise there: a model with such a tensor
stays as it is, for its results are to be those of the whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import copied, input_at
from fusepath.onnx_io.units import DEQUANTISE, QUANTISE

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types


def make_unsigned(draft: Draft, _types: Types) -> Draft:
    """The draft with uint8 for int8 between QuantizeLinear and DequantizeLinear."""
    changed = _between(draft)
    if not changed or any(reads > 1 for reads in _reads(draft, changed)):
        return draft
    names = Names(draft.tensor_names())
    constants = dict(draft.constants)
    raised: dict[str, str] = {}
    nodes = []
    for node in draft.nodes:
        if node.op_type not in {QUANTISE, DEQUANTISE} or changed.isdisjoint(
            (node.input[0], node.output[0])
        ):
            nodes.append(node)
            continue
        zero = node.input[2]
        if zero not in raised:
            value = numpy_helper.to_array(constants[zero]).astype(np.int16) + 128
            raised[zero] = names.fresh(f"{zero}_unsigned")
            constants[raised[zero]] = numpy_helper.from_array(value.astype(np.uint8), raised[zero])
        twin = copied(node)
        twin.input[2] = raised[zero]
        nodes.append(twin)
    return replace(draft, nodes=tuple(nodes), constants=constants)


def _reads(draft: Draft, tensors: set[str]) -> list[int]:
    """How many read each of these, once it is dequantised; an output of the network is read."""
    uses = draft.uses()
    reads = dict.fromkeys(tensors, 0)
    for node in draft.nodes:
        if node.op_type == DEQUANTISE and node.input[0] in reads:
            reads[node.input[0]] += uses.get(node.output[0], 0)
    return list(reads.values())


def _between(draft: Draft) -> set[str]:
    """Tensors of int8 that a QuantizeLinear makes and none but DequantizeLinear reads."""
    readers = draft.readers()
    return {
        node.output[0]
        for node in draft.nodes
        if node.op_type == QUANTISE
        and node.output[0] not in draft.outputs
        and _is_signed(node, draft)
        and all(
            reader.op_type == DEQUANTISE and _is_signed(reader, draft)
            for reader in readers.get(node.output[0], ())
        )
    }


def _is_signed(node: NodeProto, draft: Draft) -> bool:
    """Whether its zero point says that a node quantises to int8, and nothing else says it again."""
    zero = draft.array(input_at(node, 2))
    again = any(attribute.name == "output_dtype" for attribute in node.attribute)
    return zero is not None and zero.dtype == np.int8 and not again
