"""What the outputs of a network were summed of: the size of that bounds how exact they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.submodel import SubModel, build_submodel, exposing

if TYPE_CHECKING:
    from fusepath.graph import Operator
    from fusepath.onnx_io.model import Model

_SUMS = frozenset(
    [
        *("Add", "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "Einsum", "Gemm"),
        *("GlobalAveragePool", "GroupNormalization", "InstanceNormalization", "LRN", "LSTM"),
        *("LayerNormalization", "MatMul", "Mean", "ReduceL1", "ReduceL2", "ReduceMean"),
        *("ReduceSum", "ReduceSumSquare", "Resize", "Sub", "Sum"),
    ]
)
_SATURATING = frozenset(
    [
        *("Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LogSoftmax", "Mish", "Selu"),
        *("Sigmoid", "Softplus", "Softsign", "Swish", "Tanh"),
    ]
)
"""They compute with numbers of the size of 1, however small what they yield is."""


def summands(model: Model) -> dict[str, tuple[frozenset[str], float]]:
    """By output: the tensors that its last sums read and make, and the least size of the rest.

    From the output back, over operators that sum nothing, to those that do. Sums of quantised
    values are exact, and left out.
    """
    makers = {
        name: operator
        for operator in model.graph.operators(1, model.graph.depth)
        for name in operator.outputs
    }
    found = {output: _behind(output, makers) for output in model.graph.outputs}
    tensors = model.graph.tensors
    return {
        output: (frozenset(n for n in names if n == output or not tensors[n].is_quantised), least)
        for output, (names, least) in found.items()
    }


def _behind(output: str, makers: dict[str, Operator]) -> tuple[frozenset[str], float]:
    found, least = {output}, 0.0
    seen: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        operator = makers.get(name)
        if name in seen or operator is None:
            continue
        seen.add(name)
        if operator.op_type == "Softmax":
            continue  # a share is as exact as it is large: what is behind it has no size here
        if operator.op_type in _SUMS:
            found.update((*operator.inputs, *operator.outputs))
            continue
        if operator.op_type in _SATURATING:
            least = 1.0
        waiting += operator.inputs
    return frozenset(found), least


def whole_exposing(model: Model, tensors: frozenset[str]) -> SubModel:
    """The whole network, with these tensors as outputs; all but its inputs."""
    names = sorted(tensors - {model.graph.input.name, *model.graph.companions})
    return exposing(build_submodel(model, 1, model.graph.depth), model, names)
