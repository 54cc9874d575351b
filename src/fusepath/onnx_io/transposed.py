"""Transposed convolutions, with ``auto_pad`` and ``output_shape`` resolved.

Where runtimes and the ONNX specification differ, the rule here is what ONNX Runtime computes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onnx import helper

from fusepath.graph import Transposed
from fusepath.onnx_io.nodes import input_at, integers, text, without_attributes
from fusepath.onnx_io.windows import kernel_of, windows_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_OP = "ConvTranspose"


def resolve_transposed(draft: Draft, types: Types) -> Draft:
    """The draft with explicit pads in every transposed convolution whose input's size is known.

    Raises:
        ModelError: attributes disagree in length, or have a value that none can have.
    """
    nodes = tuple(
        _resolved(node, draft, types) if node.op_type == _OP else node for node in draft.nodes
    )
    return replace(draft, nodes=nodes)


def transposed_of(node: NodeProto, draft: Draft, types: Types) -> tuple[Transposed, Transposed]:
    """How a resolved transposed convolution of a map spreads its input along (rows, cols)."""
    windows = windows_of(node, kernel_of(node, types) or (), draft.model)
    rows, cols = (
        Transposed(
            kernel=window.kernel,
            stride=window.stride,
            dilation=window.dilation,
            pad_begin=window.pad_begin,
        )
        for window in windows
    )
    return rows, cols


def _resolved(node: NodeProto, draft: Draft, types: Types) -> NodeProto:
    kernel, source = kernel_of(node, types), types.get(input_at(node, 0))
    auto_pad = text(node, "auto_pad", "NOTSET")
    wanted = integers(node, "output_shape")
    if kernel is None or source is None or source.shape is None:
        return node
    if wanted is None and auto_pad == "NOTSET":
        return node
    windows = windows_of(node, kernel, draft.model)
    sizes = source.shape[2:]
    added = integers(node, "output_padding") or (0,) * len(kernel)
    if wanted is None and auto_pad != "VALID":
        wanted = tuple(n * w.stride for n, w in zip(sizes, windows, strict=True))
    begins, ends = [], []
    for axis, window in enumerate(windows):
        most = (sizes[axis] - 1) * window.stride + added[axis] + window.extent
        # An output shape may be stated with batch and channels before it.
        total = max(most - wanted[axis - len(windows)], 0) if wanted else 0
        begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        begins.append(begin)
        ends.append(total - begin)
    twin = without_attributes(node, ("auto_pad", "output_shape", "pads"))
    twin.attribute.append(helper.make_attribute("pads", begins + ends))
    return twin
