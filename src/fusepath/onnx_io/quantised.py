"""Whether a model computes with quantised values already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import ModelProto

from fusepath.onnx_io.units import DEQUANTISE, QUANTISE

if TYPE_CHECKING:
    from fusepath.onnx_io.model import Model

_OPERATORS = frozenset(
    {QUANTISE, DEQUANTISE, "ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QGemm"}
)


def quantised_node(model: Model) -> tuple[str, str] | None:
    """Name and type of the first node of the file, as it was given, that has to do with that."""
    for node in ModelProto.FromString(model.original).graph.node:
        if node.op_type in _OPERATORS or node.op_type.startswith("QLinear"):
            return node.name or node.output[0], node.op_type
    return None
