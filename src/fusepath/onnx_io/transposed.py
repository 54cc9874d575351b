"""Transposed convolutions: how they spread their input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import Transposed
from fusepath.onnx_io.windows import kernel_of, windows_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types


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
