"""Operators that no tile can pass, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOLE_MAP = "needs the whole feature map"
_REARRANGES = "rearranges the whole feature map"
_ALL_AT_ONCE = "each output reads every position of its input"
_NOT_YET = "is not supported in tiles yet"
_QUANTISED = "computes in integers in a way that is not supported in tiles yet"
_DYNAMIC = "its result depends on the data of the whole map"

BARRIERS: Mapping[str, str] = {
    **dict.fromkeys(
        [
            "GlobalAveragePool",
            "GlobalLpPool",
            "GlobalMaxPool",
            "GroupNormalization",
            "InstanceNormalization",
        ],
        _WHOLE_MAP,
    ),
    **dict.fromkeys(["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"], _REARRANGES),
    **dict.fromkeys(
        ["Attention", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"],
        _ALL_AT_ONCE,
    ),
    **dict.fromkeys(
        [
            "DeformConv",
            "Dropout",
            "Expand",
            "GatherElements",
            "GatherND",
            "GridSample",
            "LpPool",
            "MaxRoiPool",
            "MaxUnpool",
            "RoiAlign",
            "Tile",
        ],
        _NOT_YET,
    ),
    **dict.fromkeys(
        [
            "ConvInteger",
            "DynamicQuantizeLinear",
            "MatMulInteger",
            "QLinearMatMul",
        ],
        _QUANTISED,
    ),
    **dict.fromkeys(["NonMaxSuppression", "NonZero", "Unique"], _DYNAMIC),
}
"""Reasons by type of operator; of a type that is neither here nor has a rule nothing is known."""
