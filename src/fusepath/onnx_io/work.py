"""What an operator computes, counted.

For an operator over space the counts are per output position, for a barrier for all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import Work, product
from fusepath.onnx_io.nodes import input_at, integer, present
from fusepath.onnx_io.windows import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Types

Shape = tuple[int, ...]


def shape_of(name: str, types: Types) -> Shape:
    """A tensor's shape; () where it is left out or unknown."""
    known = types.get(name)
    return known.shape if known is not None and known.shape is not None else ()


def barrier_work(node: NodeProto, types: Types) -> Work:
    """The whole work of an operator that is not tiled.

    Counted are multiply-accumulates of convolutions, matrix products and recurrences and the
    taps of pools; anything else counts the elements it writes.
    """
    rule = _RULES.get(node.op_type, _written)
    return rule(node, types)


def _output(node: NodeProto, types: Types) -> Shape:
    return shape_of(node.output[0], types)


def _written(node: NodeProto, types: Types) -> Work:
    return Work(elements=sum(product(shape_of(name, types)) for name in present(node.output)))


def _convolution(weights_at: int) -> Callable[[NodeProto, Types], Work]:
    def rule(node: NodeProto, types: Types) -> Work:
        per_output = product(shape_of(input_at(node, weights_at), types)[1:])
        return Work(macs=product(_output(node, types)) * per_output)

    return rule


def _transposed(node: NodeProto, types: Types) -> Work:
    weights = shape_of(input_at(node, 1), types)
    return Work(macs=product(shape_of(input_at(node, 0), types)) * product(weights[1:]))


def _gemm(node: NodeProto, types: Types) -> Work:
    left = shape_of(input_at(node, 0), types)
    inner = left[0 if integer(node, "transA", 0) else -1] if left else 0
    return Work(macs=product(_output(node, types)) * inner)


def _matrix_product(node: NodeProto, types: Types) -> Work:
    left = shape_of(input_at(node, 0), types)
    return Work(macs=product(_output(node, types)) * (left[-1] if left else 0))


def _recurrence(node: NodeProto, types: Types) -> Work:
    steps_by_batch = product(shape_of(input_at(node, 0), types)[:2])
    weights = sum(product(shape_of(input_at(node, at), types)) for at in (1, 2))
    return Work(macs=steps_by_batch * weights)


def _pool(node: NodeProto, types: Types) -> Work:
    kernel = kernel_of(node, types) or ()
    return Work(pool_taps=product(_output(node, types)) * product(kernel))


def _global_pool(node: NodeProto, types: Types) -> Work:
    return Work(pool_taps=product(shape_of(input_at(node, 0), types)))


_RULES: Mapping[str, Callable[[NodeProto, Types], Work]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearMatMul": _matrix_product,
    "LSTM": _recurrence,
    "GRU": _recurrence,
    "RNN": _recurrence,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "LpPool": _pool,
    "GlobalMaxPool": _global_pool,
    "GlobalAveragePool": _global_pool,
    "GlobalLpPool": _global_pool,
}
