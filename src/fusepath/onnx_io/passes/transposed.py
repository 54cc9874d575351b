"""Transposed convolutions with ``auto_pad`` and ``output_shape`` resolved.

Where runtimes and the ONNX specification differ, the rule here is what ONNX Runtime computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_node
from fusepath.onnx_io.nodes import input_at, integers, text, with_attributes, without_attributes
from fusepath.onnx_io.windows import kernel_of, windows_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_AUTO_PADS = frozenset({"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"})


def resolved_transposed(node: NodeProto, draft: Draft, types: Types) -> NodeProto:
    """The node with explicit pads; itself where it has them or its input is not known yet.

    Raises:
        ModelError: attributes disagree in length, or have a value that none can have.
    """
    kernel, source = kernel_of(node, types), types.get(input_at(node, 0))
    auto_pad = text(node, "auto_pad", "NOTSET")
    wanted = integers(node, "output_shape")
    if kernel is None or source is None or source.shape is None:
        return node
    if auto_pad not in _AUTO_PADS:
        raise bad_node(draft.model, node, f"unknown auto_pad '{one_line(auto_pad)}'")
    if wanted is None and auto_pad == "NOTSET":
        return node
    stated = wanted is not None
    windows = windows_of(node, kernel, draft.model)
    sizes = source.shape[2:]
    added = integers(node, "output_padding") or (0,) * len(kernel)
    if wanted is None and auto_pad != "VALID":
        wanted = tuple(n * w.stride for n, w in zip(sizes, windows, strict=True))
    begins, ends, behind = [], [], []
    for axis, window in enumerate(windows):
        most = (sizes[axis] - 1) * window.stride + added[axis] + window.extent
        # An output shape may be stated with batch and channels before it.
        over = most - wanted[axis - len(windows)] if wanted else 0
        total = max(over, 0)
        begin = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        begins.append(begin)
        ends.append(total - begin)
        # A larger output is stated as such only: SAME leaves it as it is.
        behind.append(added[axis] + (max(-over, 0) if stated else 0))
    return with_attributes(
        without_attributes(node, ("auto_pad", "output_shape")),
        pads=begins + ends,
        output_padding=behind,
    )
